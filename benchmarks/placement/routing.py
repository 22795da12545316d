"""
How long one decision of the router takes: a million decisions, 1,000 clusters, 100,000 tasks.

Clusters come from the price list, tasks are drawn (no two ask for the same), a plan places half of
them, some clusters are quarantined or gone, runs are booked and end, so that pools fill up.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.plan import Assignment, Objective, PlacementPlan, PlanStatus, Route
from aiops_provider.domain.profile import (
    ComputeType,
    Quantity,
    ResourceRequest,
    Source,
    WorkloadProfile,
)
from aiops_provider.domain.task import TaskKey
from aiops_provider.errors import InfeasibleError
from aiops_provider.placement.multiplexing import make_group
from aiops_provider.placement.router import InUse, Router, RouterSnapshot
from benchmarks.command import Options, run
from benchmarks.placement.instances import draw_clusters
from benchmarks.report import Report, at_least, at_most

_START = datetime(2026, 3, 2, tzinfo=UTC)
_RUNNING_AT_ONCE = 20_000
_DECISIONS_PER_HOUR = 50_000


@dataclass(slots=True)
class _Booked:
    """Live load as a scheduler keeps count of it: the newest runs are still there."""

    load: dict[tuple[str, str], InUse] = field(default_factory=dict)
    running: deque[tuple[tuple[str, str], ResourceRequest]] = field(default_factory=deque)

    def add(self, route: Route) -> None:
        key = (route.cluster, route.pool)
        self._change(key, route.request, 1)
        self.running.append((key, route.request))
        if len(self.running) > _RUNNING_AT_ONCE:
            self._change(*self.running.popleft(), -1)

    def _change(self, key: tuple[str, str], request: ResourceRequest, sign: int) -> None:
        now = self.load.get(key, InUse())
        self.load[key] = InUse(
            cores=now.cores + sign * request.cores,
            memory_gib=now.memory_gib + sign * request.memory_gib,
            accelerators=now.accelerators + sign * request.accelerators,
        )


def _profile(
    number: int, clusters: tuple[ClusterSpec, ...], draw: random.Random
) -> WorkloadProfile:
    gpu = draw.random() < 0.05
    request = ResourceRequest(
        cores=round(min(4.0, 0.25 + draw.lognormvariate(-0.5, 0.8)), 3),
        memory_gib=round(min(12.0, 0.25 + draw.lognormvariate(0.5, 0.8)), 3),
        accelerators=int(gpu),
    )
    minutes = draw.lognormvariate(2.0, 1.0)
    data_region = draw.choice(clusters).region if draw.random() < 0.3 else None
    one = Quantity(p50=1.0, p80=1.0, p95=1.0, source=Source.PRIOR)
    return WorkloadProfile(
        task=TaskKey(f"dag{number // 20}", f"task{number}"),
        compute_type=ComputeType.GPU if gpu else ComputeType.CPU,
        cores=one,
        memory_gib=one,
        duration_s=Quantity(
            p50=60 * minutes, p80=90 * minutes, p95=150 * minutes, source=Source.PRIOR
        ),
        request=request,
        predicted_at=_START,
        data_region=data_region,
    )


def _plan(
    profiles: list[WorkloadProfile], clusters: tuple[ClusterSpec, ...], draw: random.Random
) -> PlacementPlan:
    """Half of the tasks, each on one to three pools that can hold it; a tenth of clusters scarce."""
    groups, assignments = [], []
    for profile in profiles[::2]:
        group = make_group([profile])
        groups.append(group)
        able = [c for c in draw.sample(clusters, 12) if c.feasible_pools(profile.request)][:3]
        for cluster in able:
            pool = cluster.feasible_pools(profile.request)[0]
            assignments.append(
                Assignment(
                    group=group.name,
                    cluster=cluster.name,
                    pool=pool.name,
                    share=1.0 / len(able),
                    cost_usd_per_hour=1.0,
                )
            )
    return PlacementPlan(
        groups=tuple(groups),
        assignments=tuple(assignments),
        objective=Objective(),
        objective_value=1.0,
        bound=1.0,
        gap=0.0,
        status=PlanStatus.OPTIMAL,
        cost_usd_per_hour=1.0,
        sla_attainment=1.0,
        created_at=_START,
        shadow_prices={c.name: draw.random() * 0.05 for c in clusters[::10]},
        version=1,
    )


def measure(options: Options) -> Report:
    """Decide, and time every decision on its own; booking is not part of a decision."""
    draw = random.Random(options.seed)  # noqa: S311  # a benchmark must be repeatable
    count, size, tasks = options.extra.decisions, options.extra.clusters, options.extra.tasks
    clusters = draw_clusters(options.data, size, draw, machines=(2, 12))
    profiles = [_profile(number, clusters, draw) for number in range(tasks)]
    names = [cluster.name for cluster in clusters]
    router = Router(
        RouterSnapshot(
            clusters=clusters,
            plan=_plan(profiles, clusters, draw),
            quarantined=dict.fromkeys(draw.sample(names, size // 50), "bad data"),
            unreachable=dict.fromkeys(draw.sample(names, size // 100), "no answer"),
        )
    )
    booked, homeless = _Booked(), 0
    spent_s, busy_s = np.empty(count), np.empty(count)
    codes: dict[str, int] = {}
    for number in range(count):
        profile = draw.choice(profiles)
        now = _START + timedelta(hours=number // _DECISIONS_PER_HOUR)
        avoid = {draw.choice(names): "it failed there"} if draw.random() < 0.02 else None
        started, busy_before = time.perf_counter(), time.thread_time()
        try:
            route = router.route(profile, load=booked.load, avoid=avoid, now=now)
        except InfeasibleError:
            homeless += 1
            route = None
        busy_s[number] = time.thread_time() - busy_before
        spent_s[number] = time.perf_counter() - started
        if route is not None:
            booked.add(route)
            codes[str(route.reason.code)] = codes.get(str(route.reason.code), 0) + 1
    return _report(options, {"wall": spent_s, "processor": busy_s}, codes, homeless)


def _report(
    options: Options, clocks: dict[str, np.ndarray], codes: dict[str, int], homeless: int
) -> Report:
    rows = [_row(clock, spent_s, homeless) for clock, spent_s in clocks.items()]
    count, wall = len(clocks["wall"]), rows[0]
    rate = count / float(clocks["processor"].sum())
    extra = options.extra
    mix = ", ".join(f"{code} {n / count:.1%}" for code, n in sorted(codes.items()))
    return Report(
        bench="placement.routing",
        data="vm-prices",
        seed=options.seed,
        rows=rows,
        musts=[
            at_most("p99 by the wall clock, ms", wall["p99_ms"], 1.0),
            at_least("decisions per second of one core", rate, 20_000),
        ],
        notes=[
            "Wall clock and processor time of the same decisions: where other work shares the "
            "cores, as here, the wall clock measures that too.",
            f"{extra.clusters} clusters of three pools, {extra.tasks} tasks with a request each of "
            f"its own, {_RUNNING_AT_ONCE} runs booked at once.",
            f"Why a place was chosen: {mix}.",
        ],
    )


def _row(clock: str, spent_s: np.ndarray, homeless: int) -> dict[str, Any]:
    p50, p99, p999 = (float(np.quantile(spent_s, q)) * 1e3 for q in (0.5, 0.99, 0.999))
    return {
        "peer": "router",
        "clock": clock,
        "n": len(spent_s),
        "p50_ms": p50,
        "p99_ms": p99,
        "p99.9_ms": p999,
        "max_ms": float(spent_s.max()) * 1e3,
        "decisions_per_s": len(spent_s) / float(spent_s.sum()),
        "infeasible": homeless,
    }


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--decisions", type=int, default=1_000_000)
    parser.add_argument("--clusters", type=int, default=1_000)
    parser.add_argument("--tasks", type=int, default=100_000)


if __name__ == "__main__":
    raise SystemExit(run("placement", measure, add_options=_add_options))
