"""
Jobs whose runtime was measured on many configurations: C3O, Scout, and Lotaru's tasks on other nodes.

A configuration is described by workers, total cores and memory per core, beside the size of the data: scaling
out and scaling up go by total cores alike, and memory per core is what machine types differ in.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.profiling.runtime_peers import Rows

_REPETITIONS = 10
_FEW = 20
_KNOWN_SHARE = 0.8
_TARGET = "gross_runtime"
_MACHINE = "machine_type"
# The data set's columns by the names that the features have.
_NAMED = {"instance_count": "workers", "slots": "cores", "memory": "memory_mb"}
_PER_CORE = "memory_mb"  # a total in the data set
# vCPUs by size and GiB per vCPU by family, as AWS lists them.
_CORES = {"large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16}
_GIB_PER_CORE = {
    "c4": 1.875, "m4": 4.0, "r4": 7.625, "c5": 2.0, "c5n": 2.625, "m5": 4.0, "m5a": 4.0, "r5": 8.0,
}  # fmt: skip
# Lotaru: runs on the local node with reduced inputs are known, full inputs on these are asked for.
_LOCAL, _FULL = "local", "test"
_BENCH_OF = {"a1": "asok01", "a2": "asok02", "c2": "c2", "n1": "n1"}
_FEWEST_RUNS = 5


@dataclass(frozen=True, slots=True)
class Job:
    """Configurations of one job, one row each, with machine type and median runtime in seconds."""

    name: str
    group: str
    features: Rows
    machines: NDArray[Any]
    runtimes_s: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Split:
    """Which configurations are known and which are asked for."""

    name: str
    known: NDArray[np.int64]
    asked: NDArray[np.int64]


def read_jobs(folder: Path) -> list[Job]:
    """All jobs below a folder: ``c3o/*.tsv`` and ``scout/*.csv.gz``."""
    c3o = [_read_job(path) for path in sorted((folder / "c3o").glob("*.tsv"))]
    scout = [job for path in sorted((folder / "scout").glob("*.csv.gz")) for job in _scout(path)]
    return [*c3o, *scout]


def _scout(path: Path) -> list[Job]:
    """One job per workload; runs that timed out tell no runtime and are left out."""
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in _table(path):
        if row["status"] == "ok" and row["vm_type"] in _GIB_PER_CORE:
            rows[row["workload"]].append(row)
    return [
        Job(
            name=workload,
            group=path.name.split(".")[0],
            features=[
                {
                    "workers": float(row["nodes"]),
                    "cores": float(row["nodes"]) * _CORES[row["vm_size"]],
                    "memory_mb": 1024.0 * _GIB_PER_CORE[row["vm_type"]],
                }
                for row in found
            ],
            machines=np.array([row["vm_type"] for row in found]),
            runtimes_s=np.array([float(row["runtime_s"]) for row in found]),
        )
        for workload, found in sorted(rows.items())
    ]


def _table(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _read_job(path: Path) -> Job:
    runs: dict[tuple[str, ...], list[float]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, delimiter="\t")
        keys = [key for key in reader.fieldnames or () if key != _TARGET]
        for row in reader:
            runs.setdefault(tuple(row[key] for key in keys), []).append(float(row[_TARGET]))
    names = [_NAMED.get(key, key.lower()) for key in keys]
    configurations = [dict(zip(names, values, strict=True)) for values in runs]
    figures = [
        _per_core({n: float(v) for n, v in row.items() if n != _MACHINE}) for row in configurations
    ]
    # A share may be zero, which has no logarithm: it enters as 1 + itself, for all peers.
    offset = {name: float(any(row[name] == 0 for row in figures)) for name in figures[0]}
    return Job(
        name=path.stem,
        group=f"c3o {path.stem}",
        features=[{name: value + offset[name] for name, value in row.items()} for row in figures],
        machines=np.array([row[_MACHINE] for row in configurations]),
        runtimes_s=np.array([median(found) for found in runs.values()]),
    )


def _per_core(figures: dict[str, float]) -> dict[str, float]:
    return {
        name: value / figures["cores"] if name == _PER_CORE else value
        for name, value in figures.items()
    }


def splits(job: Job, *, seed: int) -> Iterator[Split]:
    """The splits of a job, the same for all peers."""
    generator = np.random.default_rng(seed)
    count = len(job.runtimes_s)
    for _ in range(_REPETITIONS):
        order = generator.permutation(count)
        for name, known in (("80/20", int(_KNOWN_SHARE * count)), ("20 runs", _FEW)):
            yield Split(name, order[:known], order[known:])
    for machine in np.unique(job.machines):
        unseen = job.machines == machine
        yield Split("unseen machine", np.flatnonzero(~unseen), np.flatnonzero(unseen))


@dataclass(frozen=True, slots=True)
class NodeTask:
    """
    A task of a workflow: short runs on the local node, full inputs on others.

    Attributes:
        workflow: Whose.
        known_gib: Inputs of the local runs.
        known_s: Their runtimes.
        asked_gib: Inputs of the runs on other nodes.
        factor: How much slower each of those nodes is at this task, by a micro-benchmark.
        true_s: Their runtimes.
    """

    workflow: str
    known_gib: NDArray[np.float64]
    known_s: NDArray[np.float64]
    asked_gib: NDArray[np.float64]
    factor: NDArray[np.float64]
    true_s: NDArray[np.float64]


def read_node_tasks(folder: Path) -> list[NodeTask]:
    """Lotaru's tasks; those without a micro-benchmark or with fewer than five local runs are left out."""
    traces = folder / "lotaru_traces.csv.gz"
    if not traces.exists():
        return []
    speed = {
        node: _benchmarks(folder / f"bio-bench-{name}.csv") for node, name in _BENCH_OF.items()
    }
    local = _benchmarks(folder / f"bio-bench-{_LOCAL}.csv")
    runs: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for row in _table(traces):
        if float(row["TaskInputSizeUncompressed"] or 0) > 0 and float(row["Realtime"] or 0) > 0:
            runs[row["workflow"].lower(), row["Task"].upper()].append(row)
    found = []
    for key, rows in sorted(runs.items()):
        known = [r for r in rows if r["node"] == _LOCAL and r["Label"] != _FULL]
        asked = [r for r in rows if r["Label"] == _FULL and key in speed.get(r["node"], {})]
        if key in local and len(known) >= _FEWEST_RUNS and asked:
            found.append(
                NodeTask(
                    workflow=key[0],
                    known_gib=_column(known, "TaskInputSizeUncompressed", 2**30),
                    known_s=_column(known, "Realtime", 1000.0),
                    asked_gib=_column(asked, "TaskInputSizeUncompressed", 2**30),
                    factor=np.array([speed[r["node"]][key] / local[key] for r in asked]),
                    true_s=_column(asked, "Realtime", 1000.0),
                )
            )
    return found


def _benchmarks(path: Path) -> dict[tuple[str, str], float]:
    if not path.exists():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {
            (row["Workflow"].lower(), row["Task"].upper()): median(
                float(row[name]) for name in row if name.startswith("Realtime")
            )
            for row in csv.DictReader(file)
        }


def _column(rows: list[dict[str, str]], name: str, unit: float) -> NDArray[np.float64]:
    return np.array([float(row[name]) / unit for row in rows])
