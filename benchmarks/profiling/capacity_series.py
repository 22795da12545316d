"""The demand series of the benchmark of capacity schedules, at their own step."""

from __future__ import annotations

import gzip
from collections import defaultdict
from collections.abc import Iterator
from csv import DictReader
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aiops_provider.profiling.forecast.regular import regular_series

Values = NDArray[np.float64]

_DAY_S = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """
    A demand series on a regular grid.

    Attributes:
        data: The data set.
        name: The series.
        values: No gaps.
        starts: Moment of the first value.
        step_s: Seconds per step.
        slot_s: Seconds per slot of a schedule.
    """

    data: str
    name: str
    values: Values
    starts: datetime
    step_s: float
    slot_s: float

    @property
    def tested(self) -> int:
        """Steps of the test part: seven days of five weeks and more, three of nine days, else a quarter."""
        days = len(self.values) * self.step_s / _DAY_S
        whole = 7 if days >= 35 else 3 if days >= 9 else 0
        return round(whole * _DAY_S / self.step_s) or len(self.values) // 4

    def times(self, begin: int, end: int) -> list[datetime]:
        """Moments of the steps from *begin* up to *end*."""
        return [self.starts + n * timedelta(seconds=self.step_s) for n in range(begin, end)]

    def shifted(self, back: int) -> Series:
        """The series as it was *back* test parts earlier, for choosing anything."""
        kept = self.values[: len(self.values) - back * self.tested]
        return Series(
            data=self.data,
            name=self.name,
            values=kept,
            starts=self.starts,
            step_s=self.step_s,
            slot_s=self.slot_s,
        )


def series_of(folder: Path) -> list[Series]:
    """All series of nab_demand, azure_llm_2023 and gentd26 that are there."""
    return [*_nab(folder), *_azure(folder), *_gentd(folder)]


def _nab(folder: Path) -> Iterator[Series]:
    found: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
    for path in sorted((folder / "nab_demand").glob("*.csv.gz")):
        for row in _rows(path):
            moment = datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC)
            found[row["series"]].append((moment, float(row["value"])))
    for name, points in found.items():
        yield _regular("nab_demand", name, points, slot_s=1800.0)


def _azure(folder: Path) -> Iterator[Series]:
    """Tokens per 10 s: prompt and answer cost alike in memory, and a request may be of any size."""
    for path in sorted((folder / "azure_llm_2023").glob("*.csv.gz")):
        points = []
        for row in _rows(path):
            # Seven digits of a second are one more than a datetime takes.
            moment = datetime.fromisoformat(row["TIMESTAMP"][:26]).replace(tzinfo=UTC)
            points.append((moment, float(row["ContextTokens"]) + float(row["GeneratedTokens"])))
        name = path.name.removesuffix(".csv.gz")
        yield _counted("azure_llm_2023", name, points, step_s=10.0, slot_s=300.0)


def _gentd(folder: Path) -> Iterator[Series]:
    for path in sorted((folder / "gentd26").glob("qps*.csv.gz")):
        found: dict[str, list[tuple[datetime, float]]] = defaultdict(list)
        for row in _rows(path):
            moment = datetime.fromtimestamp(float(row["ts_s"]), UTC)
            found[row["request_type"]].append((moment, float(row["qps_sum"])))
        for name, points in found.items():
            yield _regular("gentd26", f"qps {name}", points, slot_s=300.0)
    for path in sorted((folder / "gentd26").glob("lora_requests*.csv.gz")):
        asked = [
            (datetime.fromisoformat(row["gmt_create"]).replace(tzinfo=UTC), 1.0)
            for row in _rows(path)
        ]
        yield _counted("gentd26", "lora_requests", asked, step_s=300.0, slot_s=1800.0)


def _regular(
    data: str, name: str, points: list[tuple[datetime, float]], *, slot_s: float
) -> Series:
    points = sorted(points)
    made = regular_series([v for _, v in points], times=[t for t, _ in points], step_s=None)
    return Series(
        data=data,
        name=name,
        values=made.values,
        starts=points[0][0],
        step_s=made.step_s,
        slot_s=slot_s,
    )


def _counted(
    data: str, name: str, points: list[tuple[datetime, float]], *, step_s: float, slot_s: float
) -> Series:
    """Sums per step; the last step is incomplete and left out."""
    first = min(moment for moment, _ in points).replace(second=0, microsecond=0)
    steps = [int((moment - first).total_seconds() // step_s) for moment, _ in points]
    values = np.bincount(steps, [value for _, value in points])[:-1]
    return Series(data=data, name=name, values=values, starts=first, step_s=step_s, slot_s=slot_s)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as lines:
        yield from DictReader(lines)
