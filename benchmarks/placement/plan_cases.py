"""
Placement problems of any size, made of real prices, egress prices and jobs.

A group is jobs of one virtual cluster of philly-jobs that ask for the same number of GPUs; every
job runs once a day at its hour for as long as it ran, at most a day. Half of the groups keep the
GPUs, the others take cores in their place. Clusters are of machines on the price list in regions
whose egress prices are known. Both the capacity and the budget are too small for everything, so that
they decide: the pools hold 1 / 1.15 of the peak of the sum of all groups, and the budget is 70 % of
what it would cost to have every group where it is cheapest.

All of this was fixed before any planner had run on it.
"""

from __future__ import annotations

import csv
import gzip
import math
import random
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from aiops_provider.domain.cluster import ClusterSpec, Pool
from aiops_provider.domain.plan import WorkloadGroup
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement.problem import make_problem
from benchmarks.placement.dag_cases import read_egress
from benchmarks.placement.instances import draw_clusters, priced_machines

SLOTS = 24
_HOUR_S = 3600.0
_MOST_GPUS = 8
_SHORT_BY = 1.15
_BUDGET_SHARE = 0.7
_PRICED_GROUPS = 200
_MEAN_JOBS = 20.0
_POOLS = 2
_ACCELERATED_SHARE = 0.5

# Cores that come with a GPU or in its place, and GiB that come with a core.
_CORES_PER_GPU = (2.0, 4.0, 8.0)
_GIB_PER_CORE = (2.0, 4.0, 8.0)
_PRIORITIES = (1.0, 2.0, 5.0)

# Of the groups: those with data in one region, bound to some regions, bound to some providers.
_WITH_DATA, _BOUND_TO_REGIONS, _BOUND_TO_PROVIDERS = 0.7, 0.2, 0.2
_GIB_PER_JOB = (10.0, 1.0)  # median, and sigma of its logarithm


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCase:
    """
    One problem.

    Attributes:
        groups: What is to be placed; 24 slots, the hours of a day.
        clusters: Where.
        egress: USD per GiB by region of the data, then region of the cluster.
        budget_usd_per_hour: Too little for everything.
    """

    groups: tuple[WorkloadGroup, ...]
    clusters: tuple[ClusterSpec, ...]
    egress: dict[str, dict[str, float]]
    budget_usd_per_hour: float


def plan_case(data: Path, groups: int, clusters: int, seed: int) -> PlanCase:
    """
    Draw a problem; the same for the same files, sizes and seed.

    Args:
        data: Folder of the placement data.
        groups: How many.
        clusters: How many, of two machine types each.
        seed: Of everything drawn.
    """
    chance = random.Random(f"{seed} {groups} {clusters}")  # noqa: S311 - no secret
    prices = read_egress(data / "skyplane-network" / "egress_cost_2022-05.csv.gz")
    egress: dict[str, dict[str, float]] = defaultdict(dict)
    for (source, target), price in prices.items():
        egress[source.split(":", 1)[1]][target.split(":", 1)[1]] = price
    known = {tuple(source.split(":", 1)) for source, _ in prices}
    drawn = draw_clusters(
        data,
        clusters,
        chance,
        pools=_POOLS,
        regions=[place for place in priced_machines(data) if place in known],
        accelerated_share=_ACCELERATED_SHARE,
    )
    made = _groups(_classes(data / "philly-jobs" / "philly_train.csv.gz"), groups, drawn, chance)
    sized = _sized(drawn, made, chance)
    return PlanCase(
        groups=made,
        clusters=sized,
        egress=dict(egress),
        budget_usd_per_hour=_BUDGET_SHARE * _cheapest_spend(made, sized, egress),
    )


_Jobs = Sequence[tuple[float, float]]


def _classes(path: Path) -> dict[tuple[str, int], _Jobs]:
    """Hour of the day and duration in hours of all jobs, by virtual cluster and number of GPUs."""
    found: dict[tuple[str, int], list[tuple[float, float]]] = defaultdict(list)
    with gzip.open(path, "rt", newline="") as stream:
        for row in csv.DictReader(stream):
            moment, hours = datetime.fromisoformat(row["timestamp"]), float(row["duration"])
            gpus = int(row["num_gpus"])
            if 0 < gpus <= _MOST_GPUS and hours > 0:
                hour = moment.hour + moment.minute / 60
                found[row["cluster"], gpus].append((hour, min(hours / _HOUR_S, float(SLOTS))))
    return {key: found[key] for key in sorted(found)}


def _groups(
    classes: dict[tuple[str, int], _Jobs],
    count: int,
    clusters: Sequence[ClusterSpec],
    chance: random.Random,
) -> tuple[WorkloadGroup, ...]:
    regions = sorted({cluster.region for cluster in clusters})
    providers = sorted({cluster.provider for cluster in clusters})
    keys = list(classes)
    return tuple(
        _group(number, keys, classes, (regions, providers), chance) for number in range(count)
    )


def _group(
    number: int,
    keys: Sequence[tuple[str, int]],
    classes: dict[tuple[str, int], _Jobs],
    places: tuple[Sequence[str], Sequence[str]],
    chance: random.Random,
) -> WorkloadGroup:
    key = chance.choice(keys)
    jobs = chance.choices(classes[key], k=1 + int(chance.expovariate(1 / _MEAN_JOBS)))
    gpus = key[1] if chance.random() < 0.5 else 0
    cores = key[1] * chance.choice(_CORES_PER_GPU)
    memory_gib = cores * chance.choice(_GIB_PER_CORE)
    running = _running(jobs)
    regions, providers = places
    bound = chance.random() < _BOUND_TO_REGIONS
    picky = chance.random() < _BOUND_TO_PROVIDERS
    has_data = chance.random() < _WITH_DATA
    gib = _GIB_PER_JOB[0] * math.exp(chance.gauss(0.0, _GIB_PER_JOB[1]))
    peak = float(running.max()) * cores
    name = f"g{number:05d}"
    return WorkloadGroup(
        name=name,
        tasks=(TaskKey("plan_scale", name),),
        request=ResourceRequest(cores=cores, memory_gib=memory_gib, accelerators=gpus),
        cores_by_slot=tuple((running * cores).tolist()),
        memory_gib_by_slot=tuple((running * memory_gib).tolist()),
        accelerators_by_slot=tuple((running * gpus).tolist()),
        peak_of_sum_cores=peak,
        sum_of_peaks_cores=peak,
        sla_weight=len(jobs) * chance.choice(_PRIORITIES),
        allowed_regions=_some(regions, 3, chance) if bound else (),
        allowed_providers=_some(providers, 2, chance) if picky else (),
        data_region=chance.choice(regions) if has_data else None,
        data_gib_per_hour=gib * len(jobs) / SLOTS,
    )


def _some(names: Sequence[str], part: int, chance: random.Random) -> tuple[str, ...]:
    """A third of the regions, a half of the providers, at least one."""
    return tuple(sorted(chance.sample(names, max(1, len(names) // part))))


def _running(jobs: _Jobs) -> np.ndarray:
    """Jobs that run in each hour of the day, on average over the hour."""
    starts, hours = (np.array(column) for column in zip(*jobs, strict=True))
    slots = np.arange(SLOTS)[:, None]
    running = np.zeros(SLOTS)
    for day in (0, SLOTS):  # what runs past midnight is there in the morning
        begin = np.maximum(starts, slots + day)
        end = np.minimum(starts + hours, slots + day + 1)
        running += np.maximum(end - begin, 0.0).sum(axis=1)
    return running


def _sized(
    clusters: Sequence[ClusterSpec], groups: Sequence[WorkloadGroup], chance: random.Random
) -> tuple[ClusterSpec, ...]:
    """As many machines in each pool that all of a kind fall short of the peak of the sum."""
    with_gpus = np.sum([g.accelerators_by_slot for g in groups], axis=0).max()
    without = np.sum([g.cores_by_slot for g in groups if not g.request.accelerators], axis=0).max()
    parts = {(c.name, p.name): chance.uniform(0.2, 1.0) for c in clusters for p in c.pools}
    pools = [(c, p) for c in clusters for p in c.pools]
    machines: dict[tuple[str, str], int] = {}
    for gpu, needed in ((True, float(with_gpus)), (False, float(without))):
        alike = [(c, p) for c, p in pools if bool(_gpus(p)) == gpu]
        whole = math.fsum(parts[c.name, p.name] for c, p in alike)
        for c, p in alike:
            part = parts[c.name, p.name] / whole * needed / _SHORT_BY
            machines[c.name, p.name] = max(1, round(part / (_gpus(p) or p.machine.cores)))
    return tuple(
        replace(c, pools=tuple(replace(p, max_instances=machines[c.name, p.name]) for p in c.pools))
        for c in clusters
    )


def _gpus(pool: Pool) -> int:
    return max(pool.machine.accelerators.values(), default=0)


def _cheapest_spend(
    groups: Sequence[WorkloadGroup],
    clusters: Collection[ClusterSpec],
    egress: dict[str, dict[str, float]],
) -> float:
    """USD per hour with every group where it is cheapest, estimated from the first groups."""
    first = groups[:_PRICED_GROUPS]
    problem = make_problem(first, clusters, egress=egress)
    costs = [
        min(problem.options[i].cost_usd_per_hour for i in own) for own in problem.options_of if own
    ]
    return math.fsum(costs) * len(groups) / len(first)
