"""The demand series of the forecasting benchmarks, each with its test part held back."""

from __future__ import annotations

import csv
import gzip
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """
    One series at one origin.

    Attributes:
        data: The data set.
        name: The series.
        past: Regular values.
        future: The values to forecast.
        step_s: Seconds per step.
        season: Length of the season of the scale of MASE, in steps.
    """

    data: str
    name: str
    past: Values
    future: Values
    step_s: float
    season: int


def tasks(folder: Path, *, shift: int, every: int) -> list[Task]:
    """
    Day-ahead tasks (two days for m4_hourly, four weeks for wiki_daily), the test part at the end.

    Args:
        folder: Of the data sets.
        shift: Horizons to go back, for choosing anything: what was tuned must not see the end.
        every: Take each *every*-th series of m4_hourly.
    """
    found: list[Task] = []
    for name, values in list(m4_hourly(folder))[::every]:
        found += _cut(
            "m4_hourly", name, values, horizon=48, step_s=3600.0, season=24, origins=1, shift=shift
        )
    for name, values in nab_hourly(folder):
        found += _cut(
            "nab_demand", name, values, horizon=24, step_s=3600.0, season=24, origins=3, shift=shift
        )
    for name, values in wiki_daily(folder):
        found += _cut(
            "wiki_daily", name, values, horizon=28, step_s=86400.0, season=7, origins=3, shift=shift
        )
    for name, values in lora_hourly(folder):
        found += _cut(
            "gentd26", name, values, horizon=24, step_s=3600.0, season=24, origins=3, shift=shift
        )
    return found


def _cut(
    data: str,
    name: str,
    values: Values,
    *,
    horizon: int,
    step_s: float,
    season: int,
    origins: int,
    shift: int,
) -> Iterator[Task]:
    for back in range(origins, 0, -1):
        end = len(values) - (back - 1 + shift) * horizon
        past, future = values[: end - horizon], values[end - horizon : end]
        if len(past) >= 3 * season:
            yield Task(data=data, name=name, past=past, future=future, step_s=step_s, season=season)


def m4_hourly(folder: Path) -> Iterator[tuple[str, Values]]:
    """Each line a series: id, values."""
    for path in sorted((folder / "m4_hourly").glob("*.csv.gz")):
        with gzip.open(path, "rt") as lines:
            for row in csv.reader(lines):
                yield row[0], np.array([float(cell) for cell in row[1:] if cell])


def nab_hourly(folder: Path) -> Iterator[tuple[str, Values]]:
    """Means per hour; hours without a value take the one before."""
    by_series: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
    for path in sorted((folder / "nab_demand").glob("*.csv.gz")):
        for row in rows_of(path):
            moment = datetime.fromisoformat(row["timestamp"])
            by_series[row["series"]].append((moment, float(row["value"])))
    for name, points in by_series.items():
        yield name, hourly(points, mean=True)


def wiki_daily(folder: Path) -> Iterator[tuple[str, Values]]:
    """Log views per day; days without a value are filled along the line."""
    for path in sorted((folder / "wiki_daily").glob("*.csv.gz")):
        days = {datetime.fromisoformat(r["ds"]): float(r["y"]) for r in rows_of(path) if r["y"]}
        first, last = min(days), max(days)
        grid = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        values = np.array([days.get(day, math.nan) for day in grid])
        steps, known = np.arange(len(values)), ~np.isnan(values)
        yield path.name.removesuffix(".csv.gz"), np.interp(steps, steps[known], values[known])


def lora_hourly(folder: Path) -> Iterator[tuple[str, Values]]:
    """Requests per hour, the incomplete first and last hour left out."""
    for path in sorted((folder / "gentd26").glob("lora_requests*.csv.gz")):
        points = [(datetime.fromisoformat(r["gmt_create"]), 1.0) for r in rows_of(path)]
        yield "lora_requests", hourly(points, mean=False)[1:-1]


def hourly(points: list[tuple[datetime, float]], *, mean: bool) -> Values:
    """Mean or sum per hour."""
    first = min(moment for moment, _ in points).replace(minute=0, second=0, microsecond=0)
    hours = np.array([int((moment - first).total_seconds() // 3600) for moment, _ in points])
    values = np.array([value for _, value in points])
    sums, counts = np.bincount(hours, values), np.bincount(hours)
    if not mean:
        return sums
    filled = sums / np.maximum(counts, 1)
    known = np.maximum.accumulate(np.where(counts > 0, np.arange(len(counts)), 0))
    kept: Values = filled[known]
    return kept


def rows_of(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a compressed CSV file."""
    with gzip.open(path, "rt", newline="") as lines:
        yield from csv.DictReader(lines)
