"""
Reads the openb traces (Alibaba clusterdata, 2023) and repeats FGD's published arrivals.

Protocol of the published runs: tasks in the order of their names are shuffled by the seed, then
random ones of the list are added until the GPUs asked for reach the wanted share of all GPUs.
"""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from aiops_provider.placement.fleet import Machine, TaskKind

FOLDER = "alibaba-gpu-v2023"


def read_machines(data: Path) -> list[Machine]:
    """The machines with GPUs, in order of their names."""
    return sorted(
        (
            Machine(
                name=row["sn"],
                cores_milli=int(row["cpu_milli"]),
                memory_mib=int(row["memory_mib"]),
                gpus=int(row["gpu"]),
                model=row["model"],
            )
            for row in _rows(data / FOLDER / "openb_node_list_gpu_node.csv.gz")
        ),
        key=lambda machine: machine.name,
    )


def read_tasks(data: Path, pod_list: str) -> list[TaskKind]:
    """The tasks of a pod list, in order of their names."""
    rows = sorted(
        _rows(data / FOLDER / f"openb_pod_list_{pod_list}.csv.gz"), key=lambda row: row["name"]
    )
    return [_kind(row) for row in rows]


def arrivals(
    tasks: Sequence[TaskKind], *, gpu_milli: int, ratio: float, seed: int
) -> list[TaskKind]:
    """
    One shuffled list of arrivals that asks for *ratio* times the GPUs of all machines.

    The order of one seed is not that of the published run of the same seed, which another
    language's generator made.
    """
    chance = random.Random(seed)  # noqa: S311 - no secret
    found = list(tasks)
    chance.shuffle(found)
    asked = sum(task.total_gpu_milli for task in found)
    while asked > ratio * gpu_milli:
        asked -= found.pop(chance.randrange(len(found))).total_gpu_milli
    while True:
        task = chance.choice(tasks)
        if asked + task.total_gpu_milli > ratio * gpu_milli:
            return found
        asked += task.total_gpu_milli
        found.append(task)


def published_means(data: Path, pod_list: str) -> dict[str, float]:
    """Mean % of GPUs allocated at the last arrival, per published policy; empty if not published."""
    path = data / FOLDER / f"fgd_published_alloc_{pod_list}.csv.gz"
    if not path.is_file():
        return {}
    found: dict[str, list[float]] = {}
    for row in _rows(path):
        found.setdefault(row["sc_policy"].split("-", 1)[1], []).append(float(row["130"]))
    return {policy: sum(values) / len(values) for policy, values in found.items()}


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as stream:
        yield from csv.DictReader(stream)


def _kind(row: dict[str, str]) -> TaskKind:
    gpus = int(row["num_gpu"])
    return TaskKind(
        cores_milli=int(row["cpu_milli"]),
        memory_mib=int(row["memory_mib"]),
        gpus=gpus,
        gpu_milli=int(row["gpu_milli"]) if gpus else 0,
        models=tuple(model for model in row["gpu_spec"].split("|") if model),
    )
