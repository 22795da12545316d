"""Tables of tasks over configurations of machines: Scout (AWS) and IBM's multi-cloud set."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from aiops_provider.domain.units import SECONDS_PER_HOUR
from aiops_provider.profiling.machine_choice import Configuration, ConfigurationRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """
    Times of tasks on configurations.

    Attributes:
        name: Of the data set.
        configurations: By name.
        times: Task to configuration to seconds; ``None`` where it failed or timed out.
    """

    name: str
    configurations: Mapping[str, Configuration]
    times: Mapping[str, Mapping[str, float | None]]

    def without(self, task: str) -> list[ConfigurationRun]:
        """What is known of the other tasks, on the configurations that this one was measured on."""
        asked = self.times[task]
        return [
            ConfigurationRun(other, name, duration)
            for other, row in self.times.items()
            if other != task
            for name, duration in row.items()
            if name in asked
        ]


def read_tables(folder: Path) -> Iterator[Table]:
    """All tables that a folder holds."""
    for file in sorted((folder / "scout").glob("*.csv.gz")):
        yield _table(f"scout/{file.name.split('.')[0]}", _rows(file), _scout)
    for file in sorted((folder / "multicloud").glob("*.csv.gz")):
        yield _table(f"multicloud/{file.name.split('.')[0]}", _rows(file), _multicloud)


def _rows(file: Path) -> list[dict[str, str]]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


@dataclass(frozen=True, slots=True)
class _Measured:
    task: str
    features: Mapping[str, float | str]
    seconds: float
    usd_per_hour: float
    well: bool

    @property
    def configuration(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.features.items())


def _scout(row: Mapping[str, str]) -> _Measured:
    return _Measured(
        task=row["workload"],
        features={
            "type": row["vm_type"],
            "size": row["vm_size"],
            "machines": float(row["nodes"]),
        },
        seconds=float(row["runtime_s"]),
        usd_per_hour=float(row["vm_usd_per_h"]) * float(row["nodes"]),
        well=row["status"] == "ok",
    )


def _multicloud(row: Mapping[str, str]) -> _Measured:
    codes = ("A_family", "A_vcpu", "B_family", "B_vcpu", "C_family", "C_type", "C_vcpu")
    seconds = float(row["target_runtime"] or 0.0)
    cost = float(row["target_cost"] or 0.0)
    return _Measured(
        task=row["workload"],
        features={
            "provider": row["provider"],
            **{name: row[name] for name in codes if row[name]},
            "machines": float(row["nodes"]),
        },
        seconds=seconds,
        usd_per_hour=cost / seconds * SECONDS_PER_HOUR if seconds > 0 else 0.0,
        well=row["status"] == "ok",
    )


def _table(
    name: str, rows: list[dict[str, str]], read: Callable[[Mapping[str, str]], _Measured]
) -> Table:
    prices: dict[str, list[float]] = defaultdict(list)
    features: dict[str, Mapping[str, float | str]] = {}
    runs: dict[str, dict[str, list[float | None]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        one = read(row)
        features[one.configuration] = one.features
        if one.usd_per_hour > 0:
            prices[one.configuration].append(one.usd_per_hour)
        runs[one.task][one.configuration].append(one.seconds if one.well else None)
    times = {
        task: {
            configuration: _middle(seconds)
            for configuration, seconds in row.items()
            if configuration in prices
        }
        for task, row in runs.items()
    }
    return Table(
        name=name,
        configurations={
            key: Configuration(name=key, usd_per_hour=median(found), features=features[key])
            for key, found in prices.items()
        },
        times={task: row for task, row in times.items() if any(row.values())},
    )


def _middle(seconds: list[float | None]) -> float | None:
    good = [one for one in seconds if one is not None]
    return median(good) if good and 2 * len(good) >= len(seconds) else None
