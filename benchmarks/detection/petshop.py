"""Cases of PetShop (CC-BY-4.0, arXiv 2311.04806): a call graph, KPIs of services, the service at fault."""

from __future__ import annotations

import csv
import gzip
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.detection.labelled_series import Floats

Column = tuple[str, str, str]  # service, metric, statistic


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """
    A table of KPIs.

    Attributes:
        moments: Seconds, ascending.
        columns: Service, metric and statistic of each column.
        values: Moments x columns; NaN where nothing was measured.
    """

    moments: Floats
    columns: tuple[Column, ...]
    values: Floats

    def of(self, column: Column) -> Floats | None:
        """One column, if there is such a one."""
        if column not in self.columns:
            return None
        found: Floats = self.values[:, self.columns.index(column)]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """
    One trouble.

    Attributes:
        name: Scenario and number.
        metrics: Around the trouble.
        quiet: Of a time without trouble, if the scenario has it.
        calls: Caller and callee.
        target: Service, metric and statistic that users complain about.
        onset: Seconds.
        culprit: The service at fault.
    """

    name: str
    metrics: Metrics
    quiet: Metrics | None
    calls: frozenset[tuple[str, str]]
    target: Column
    onset: float
    culprit: str

    @property
    def period(self) -> float:
        """Sampling period, seconds."""
        return float(np.median(np.diff(self.metrics.moments)))


def read_petshop(folder: Path) -> list[Case]:
    """All cases below a folder, in order of name."""
    return [_case(file.parent) for file in sorted(folder.glob("*/*/*/target.json"))]


def _case(folder: Path) -> Case:
    scenario = folder.parents[1]
    quiet = scenario / "noissue" / "metrics.csv.gz"
    told = json.loads((folder / "target.json").read_text(encoding="utf-8"))
    target = told["target"]
    return Case(
        name=f"{scenario.name}/{folder.parent.name}/{folder.name}",
        metrics=_metrics(folder / "metrics.csv.gz"),
        quiet=_metrics(quiet) if quiet.exists() else None,
        calls=_calls(scenario / "graph.csv.gz"),
        target=(target["node"], target["metric"], target.get("agg", "Average")),
        onset=float(target["timestamp"]),
        culprit=told["root_cause"]["node"],
    )


@cache
def _metrics(file: Path) -> Metrics:
    rows = _rows(file)
    columns = tuple(zip(rows[0][1:], rows[1][1:], rows[2][1:], strict=True))
    body = [row for row in rows[3:] if row and row[0] not in {"", "unix_timestamp"}]
    body.sort(key=lambda row: float(row[0]))
    return Metrics(
        moments=np.array([float(row[0]) for row in body]),
        columns=columns,
        values=np.array([[float(cell) if cell else np.nan for cell in row[1:]] for row in body]),
    )


@cache
def _calls(file: Path) -> frozenset[tuple[str, str]]:
    rows = _rows(file)
    return frozenset(
        (row[0], callee)
        for row in rows[1:]
        for callee, cell in zip(rows[0][1:], row[1:], strict=True)
        if float(cell or 0.0)
    )


def _rows(file: Path) -> list[list[str]]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as opened:
        return list(csv.reader(opened))
