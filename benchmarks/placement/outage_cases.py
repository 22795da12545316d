"""Jobs of a trace on clusters that come and go as spot machines of a trace did."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.errors import DataError
from aiops_provider.placement.replay_task import Outage, ReplayTask
from aiops_provider.settings.schema import Settings
from benchmarks.placement.instances import read_rows

GPUS_PER_MACHINE = 8
# Last by name, so that dispatchers that go by names come to it when nothing else is left.
ALWAYS_THERE = "zz-on-demand"
POOL = "gpu"
# A job asks for the share of a machine that its GPUs are, so only GPUs are ever scarce.
_CORES_PER_GPU, _MEMORY_GIB_PER_GPU = 12.0, 96.0
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageCase:
    """
    One window of the jobs, beside one window of the availability.

    Attributes:
        begin: The first arrival.
        tasks: Jobs that arrive in the window.
        too_large: Jobs of more GPUs than a machine has; left out.
        outages: When the spot clusters were gone, until the last job can be over.
        settings: With the clusters.
    """

    begin: datetime
    tasks: tuple[ReplayTask, ...]
    too_large: int
    outages: tuple[Outage, ...]
    settings: Settings


@dataclass(frozen=True, slots=True)
class _Job:
    arrived_at: datetime
    name: str
    duration_s: float
    gpus: int


def read_case(
    data: Path, draw: random.Random, *, days: float, checkpoint_s: float | None
) -> OutageCase:
    """
    Draw a window.

    Every spot cluster has as many machines as its even part of the mean demand needs; the cluster
    on demand can hold all jobs of the window at once. A deadline is twice the job's duration and an
    hour after its arrival. The availability begins at a drawn moment and is repeated when it ends.

    Args:
        data: Folder with philly-jobs, spot-availability and vm-prices.
        draw: Of the windows.
        days: Length of the window of the arrivals.
        checkpoint_s: Of every job; ``None``: what is lost starts anew.

    Raises:
        DataError: The files hold nothing that can be used.
    """
    jobs = _read_jobs(data)
    window = _draw_window(jobs, draw, timedelta(days=days))
    fitting = [job for job in window if job.gpus <= GPUS_PER_MACHINE]
    begin = fitting[0].arrived_at
    tasks = tuple(_task(number, job, begin, checkpoint_s) for number, job in enumerate(fitting))
    series = _read_availability(data)
    horizon_s = max(task.arrival_s + 3 * task.duration_s for task in tasks) + _DAY_S
    outages = tuple(
        outage
        for name, spells in series.items()
        for outage in _outages(name, spells, draw.random(), horizon_s)
    )
    work_s = math.fsum(task.duration_s * task.request.accelerators for task in tasks)
    gpus = work_s / (days * _DAY_S)
    machines = max(1, math.ceil(gpus / GPUS_PER_MACHINE / len(series)))
    return OutageCase(
        begin=begin,
        tasks=tasks,
        too_large=len(window) - len(fitting),
        outages=outages,
        settings=_settings(data, list(series), machines, len(tasks)),
    )


def _read_jobs(data: Path) -> list[_Job]:
    rows = read_rows(_only_file(data / "philly-jobs"))
    jobs = [
        _Job(
            datetime.fromisoformat(row["timestamp"]).replace(tzinfo=UTC),
            f"{row['cluster']}-{int(float(row['num_gpus']))}",
            float(row["duration"]),
            int(float(row["num_gpus"])),
        )
        for row in rows
        if float(row["duration"]) > 0 and float(row["num_gpus"]) >= 1
    ]
    if not jobs:
        raise DataError("philly-jobs holds no job that ran", file=str(data))
    return sorted(jobs, key=lambda job: (job.arrived_at, job.name, job.duration_s))


def _draw_window(jobs: list[_Job], draw: random.Random, length: timedelta) -> list[_Job]:
    """Jobs of a drawn stretch in which not fewer arrive than in half of all such stretches."""
    first, last = jobs[0].arrived_at, jobs[-1].arrived_at
    count = max(1, int((last - first) / length))
    stretches = [
        [job for job in jobs if first + n * length <= job.arrived_at < first + (n + 1) * length]
        for n in range(count)
    ]
    usual = median(len(stretch) for stretch in stretches)
    busy = [s for s in stretches if len(s) >= usual and any(j.gpus <= GPUS_PER_MACHINE for j in s)]
    return draw.choice(busy)


def _task(number: int, job: _Job, begin: datetime, checkpoint_s: float | None) -> ReplayTask:
    return ReplayTask(
        run=TaskRun(TaskKey("trace", job.name), f"job-{number}"),
        arrival_s=(job.arrived_at - begin).total_seconds(),
        duration_s=job.duration_s,
        request=ResourceRequest(
            cores=_CORES_PER_GPU * job.gpus,
            memory_gib=_MEMORY_GIB_PER_GPU * job.gpus,
            accelerators=job.gpus,
        ),
        deadline_s=2 * job.duration_s + 3600.0,
        checkpoint_s=checkpoint_s,
    )


def _read_availability(data: Path) -> dict[str, list[tuple[float, float, bool]]]:
    """Spells of the run with most zones, by zone and accelerator; of several counts the largest."""
    rows = read_rows(_only_file(data / "spot-availability"))
    zones: dict[str, set[tuple[str, str]]] = defaultdict(set)
    counts: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in rows:
        zones[row["run"]].add((row["zone"], row["accelerator"]))
        key = (row["run"], row["zone"], row["accelerator"])
        counts[key] = max(counts[key], int(row["count"]))
    if not rows:
        raise DataError("spot-availability holds no series", file=str(data))
    run = max(sorted(zones), key=lambda name: len(zones[name]))
    found: dict[str, list[tuple[float, float, bool]]] = defaultdict(list)
    for row in rows:
        key = (row["run"], row["zone"], row["accelerator"])
        if row["run"] == run and int(row["count"]) == counts[key]:
            spell = (float(row["start_s"]), float(row["end_s"]), float(row["available"]) > 0)
            found[f"{row['zone']}-{row['accelerator']}"].append(spell)
    return dict(sorted(found.items()))


def _outages(
    name: str, spells: list[tuple[float, float, bool]], where: float, horizon_s: float
) -> list[Outage]:
    """The spells without machines from a point of the series on, which is repeated."""
    begin = min(start for start, _, _ in spells)
    length = max(end for _, end, _ in spells) - begin
    offset = where * length
    found = []
    for start, end, available in spells:
        lap = -1
        while not available and start - begin - offset + lap * length < horizon_s:
            since, until = (moment - begin - offset + lap * length for moment in (start, end))
            if until > 0 and until > max(since, 0.0):
                found.append(Outage(place=(name, POOL), begin_s=max(since, 0.0), end_s=until))
            lap += 1
    return found


def _settings(data: Path, zones: list[str], machines: int, jobs: int) -> Settings:
    spot, on_demand = _prices(data, zones)
    clusters = [_cluster(zone, machines, spot[zone], zone=zone, purchase="spot") for zone in zones]
    clusters.append(_cluster(ALWAYS_THERE, jobs, on_demand, zone=zones[0], purchase="on_demand"))
    return Settings.model_validate({"clusters": clusters})


def _cluster(
    name: str, machines: int, usd: float, *, zone: str, purchase: str
) -> dict[str, object]:
    machine = {
        "cores": _CORES_PER_GPU * GPUS_PER_MACHINE,
        "memory_gib": _MEMORY_GIB_PER_GPU * GPUS_PER_MACHINE,
        # The catalogue wants a model it knows; jobs ask for none, so it is a label.
        "accelerators": {"V100": GPUS_PER_MACHINE},
    }
    pool = {
        "name": POOL,
        "machine": machine,
        "max_instances": machines,
        "price_usd_per_hour": usd,
        "purchase": purchase,
    }
    return {
        "name": name,
        "kind": "local",
        "provider": "aws",
        "region": _region(zone),
        "pools": [pool],
    }


def _prices(data: Path, zones: list[str]) -> tuple[dict[str, float], float]:
    """
    USD per machine hour: spot by zone, and on demand in the cheapest region.

    On demand: the list price per GPU of the zone's accelerator in its region, else in the cheapest
    region, else the median of all accelerators. Spot: that, times the median ratio of spot to list
    price over all machines with GPUs for which both are known.
    """
    per_gpu: dict[tuple[str, str], float] = {}
    ratios = []
    for row in read_rows(_only_file(data / "vm-prices")):
        gpus = float(row["gpu_count"] or 0)
        if gpus < 1 or not row["price_usd_per_h"]:
            continue
        price = float(row["price_usd_per_h"])
        key = (row["gpu_name"].lower(), row["region"])
        per_gpu[key] = min(price / gpus, per_gpu.get(key, math.inf))
        if row["spot_usd_per_h"]:
            ratios.append(float(row["spot_usd_per_h"]) / price)
    if not ratios:
        raise DataError("vm-prices holds no spot price of a machine with GPUs", file=str(data))

    def list_price(zone: str) -> float:
        model = zone.rsplit("-", 1)[1].lower()
        offered = {region: usd for (name, region), usd in per_gpu.items() if model in name}
        if not offered:
            return median(per_gpu.values())
        return offered.get(_region(zone), min(offered.values()))

    listed = {zone: list_price(zone) * GPUS_PER_MACHINE for zone in zones}
    return {zone: usd * median(ratios) for zone, usd in listed.items()}, min(listed.values())


def _region(zone: str) -> str:
    """The region of a zone with its accelerator, as ``us-east-1a-v100``."""
    return zone.rsplit("-", 1)[0].rstrip("abcdefghijklmnopqrstuvwxyz")


def _only_file(folder: Path) -> Path:
    files = sorted(folder.glob("*.csv*"))
    if len(files) != 1:
        raise DataError(
            f"holds {len(files)} CSV files, not one", file=str(folder), mend="Leave one there."
        )
    return files[0]
