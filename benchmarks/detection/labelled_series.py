"""Labelled series of the shared data sets, in one form."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from aiops_provider.detection.scoring.windows import Floats, Window, runs_of, windows_between


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledSeries:
    """
    One series with what was wrong in it.

    Attributes:
        name: File below the data set's folder, without ``.gz``.
        times: Seconds since 1970, ascending.
        values: One per moment.
        windows: Labelled anomalies.
    """

    name: str
    times: Floats
    values: Floats
    windows: tuple[Window, ...]

    @property
    def cadence_s(self) -> float:
        """Usual seconds between two samples."""
        return float(np.median(np.diff(self.times)))


def read_nab(folder: Path) -> list[LabelledSeries]:
    """The series that ``combined_windows.json`` of a folder in NAB's format names."""
    spans = json.loads((folder / "combined_windows.json").read_text(encoding="utf-8"))
    found = []
    for name in sorted(spans):
        rows = list(_rows(folder / f"{name}.gz"))
        times = np.array([_seconds(row["timestamp"]) for row in rows])
        windows = windows_between(times, [(_seconds(a), _seconds(b)) for a, b in spans[name]])
        values = np.array([float(row["value"]) for row in rows])
        found.append(LabelledSeries(name=name, times=times, values=values, windows=tuple(windows)))
    return found


def read_cloud_monitoring(folder: Path) -> list[LabelledSeries]:
    """The series of a folder in the format of Microsoft's Cloud Monitoring Dataset."""
    found = []
    for file in sorted(folder.glob("*/*.csv.gz")):
        # A moment without a value is a sample that never arrived.
        rows = [row for row in _rows(file) if row["Value"]]
        times = np.array([_seconds(row["TimeStamp"]) for row in rows])
        order = np.argsort(times, kind="stable")
        flags = np.array([float(row["Label"]) > 0 for row in rows])[order]
        values = np.array([float(row["Value"]) for row in rows])[order]
        found.append(
            LabelledSeries(
                name=str(file.relative_to(folder)).removesuffix(".gz"),
                times=times[order],
                values=values,
                windows=tuple(runs_of(flags)),
            )
        )
    return found


def _rows(file: Path) -> Iterator[dict[str, str]]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


def _seconds(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp()
