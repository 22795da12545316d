"""What a replay comes to: cost, deadlines, waiting, use of the machines, lost and doubled tasks."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from aiops_provider.domain.cluster import ClusterSpec, Pool
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.units import SECONDS_PER_HOUR
from aiops_provider.placement.attempt_cost import AttemptCost
from aiops_provider.placement.cost import storage_price
from aiops_provider.placement.price_series import STEADY_PRICES, PriceSeries
from aiops_provider.placement.replay_pool import PlaceKey
from aiops_provider.placement.replay_task import (
    Attempt,
    Outage,
    ReplayTask,
    kept_work_s,
    merged_outages,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFigures:
    """
    What one cluster did.

    Attributes:
        cluster: Its name.
        attempts: That ran there.
        lost_attempts: Of these, those that were lost with it.
        machine_hours: Held, in machines of the pools.
        utilisation: Share of the machine hours that it offered while it was there; ``None``: none.
        cost_usd: Of what was held and stored; pools without a price are left out.
    """

    cluster: str
    attempts: int
    lost_attempts: int
    machine_hours: float
    utilisation: float | None
    cost_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayFigures:
    """
    What all clusters did.

    Attributes:
        tasks: That arrived.
        finished: That came to their end.
        refused: That no machine holds.
        lost: Accepted, but never at their end.
        doubled: At their end more than once, or at two places at once.
        interruptions: Attempts that were lost with their place.
        moves: Attempts that were stopped to go on at a cheaper place.
        cost_usd: Share of a machine that each attempt held × its time × its price and that of its
            emissions; and what is stored.
        stored_usd: Of it, for what tasks left in storage, from the end of a run until the task's next
            one replaces it or the last attempt of all ends.
        wasted_usd: Of it, for attempts that were lost or moved, without the part that checkpoints kept.
        unpriced: Attempts without a known price all the time; they are in neither figure.
        with_deadline: Tasks that have a deadline.
        sla_attainment: Share of these that met it; ``None``: there is none.
        queueing_mean_s: Time a task could have run but did not, all its attempts together.
        queueing_p50_s: Of the tasks that finished.
        queueing_p95_s: As above.
        queueing_max_s: As above.
        makespan_s: From the first arrival to the last end.
        utilisation: Share of the machine hours offered in the makespan that were held.
        clusters: Each of them, in order of their names.
    """

    tasks: int
    finished: int
    refused: int
    lost: int
    doubled: int
    interruptions: int
    moves: int
    cost_usd: float
    stored_usd: float
    wasted_usd: float
    unpriced: int
    with_deadline: int
    sla_attainment: float | None
    queueing_mean_s: float | None
    queueing_p50_s: float | None
    queueing_p95_s: float | None
    queueing_max_s: float | None
    makespan_s: float
    utilisation: float | None
    clusters: tuple[ClusterFigures, ...]


def replay_figures(
    tasks: Collection[ReplayTask],
    attempts: Iterable[Attempt],
    clusters: Sequence[ClusterSpec],
    *,
    outages: Iterable[Outage] = (),
    refused: Collection[TaskRun] = (),
    carbon_usd_per_kg: float = 0.0,
    prices: PriceSeries = STEADY_PRICES,
) -> ReplayFigures:
    """
    Sum a replay up, from its attempts alone.

    Args:
        tasks: All that arrived.
        attempts: That ran.
        clusters: Where.
        outages: Hours in which pools offered nothing.
        refused: Tasks that no machine holds.
        carbon_usd_per_kg: Price put on emissions.
        prices: How those of the clusters changed meanwhile.
    """
    pools = {(c.name, pool.name): pool for c in clusters for pool in c.pools}
    by_task: dict[TaskRun, list[Attempt]] = {task.run: [] for task in tasks}
    by_cluster: dict[str, list[Attempt]] = {cluster.name: [] for cluster in clusters}
    for attempt in attempts:
        by_task[attempt.task.run].append(attempt)
        by_cluster[attempt.place[0]].append(attempt)
    everything = [attempt for own in by_task.values() for attempt in own]
    begin_s = min((task.arrival_s for task in tasks), default=0.0)
    end_s = max((attempt.ended_s for attempt in everything), default=begin_s)
    offered = _offered_hours(pools, merged_outages(outages), begin_s, end_s)
    ends = {
        run: max(a.ended_s for a in own if a.finished)
        for run, own in by_task.items()
        if any(a.finished for a in own)
    }
    due = [task for task in tasks if task.deadline_s is not None]
    waits = sorted(math.fsum(a.started_s - a.ready_s for a in by_task[run]) for run in ends)
    held = math.fsum(_machine_hours(pools, a) for a in everything)
    stored = _stored_usd(everything, clusters, end_s)
    cost = AttemptCost(clusters, prices, carbon_usd_per_kg=carbon_usd_per_kg)
    spent = {
        name: [cost.usd(a, a.ended_s - a.started_s) for a in own]
        for name, own in by_cluster.items()
    }
    return ReplayFigures(
        tasks=len(tasks),
        finished=len(ends),
        refused=len(refused),
        lost=len(tasks) - len(ends) - len(refused),
        doubled=sum(_is_doubled(own) for own in by_task.values()),
        interruptions=sum(a.lost for a in everything),
        moves=sum(a.moved for a in everything),
        cost_usd=math.fsum([*(usd for own in spent.values() for usd in own), *stored.values()]),
        stored_usd=math.fsum(stored.values()),
        wasted_usd=math.fsum(cost.usd(a, wasted_s(a)) for a in everything),
        unpriced=sum(not cost.is_known(a) for a in everything),
        with_deadline=len(due),
        sla_attainment=sum(map(_met, due, (ends.get(t.run) for t in due))) / len(due)
        if due
        else None,
        queueing_mean_s=math.fsum(waits) / len(waits) if waits else None,
        queueing_p50_s=_quantile(waits, 0.5),
        queueing_p95_s=_quantile(waits, 0.95),
        queueing_max_s=_quantile(waits, 1.0),
        makespan_s=end_s - begin_s,
        utilisation=_share(held, math.fsum(offered.values())),
        clusters=tuple(
            _cluster_figures(
                name,
                own,
                pools,
                offered,
                usd=math.fsum([*spent[name], stored[name]]),
            )
            for name, own in sorted(by_cluster.items())
        ),
    )


def wasted_s(attempt: Attempt) -> float:
    """Work of an attempt that has to be done again."""
    if attempt.finished:
        return 0.0
    ran_s = attempt.ended_s - attempt.started_s
    return ran_s - kept_work_s(ran_s, attempt.task.checkpoint_s)


def _cluster_figures(
    name: str,
    attempts: Sequence[Attempt],
    pools: dict[PlaceKey, Pool],
    offered: dict[PlaceKey, float],
    *,
    usd: float,
) -> ClusterFigures:
    held = math.fsum(_machine_hours(pools, attempt) for attempt in attempts)
    hours = math.fsum(value for place, value in offered.items() if place[0] == name)
    return ClusterFigures(
        cluster=name,
        attempts=len(attempts),
        lost_attempts=sum(attempt.lost for attempt in attempts),
        machine_hours=held,
        utilisation=_share(held, hours),
        cost_usd=usd,
    )


def _offered_hours(
    pools: dict[PlaceKey, Pool], outages: Iterable[Outage], begin_s: float, end_s: float
) -> dict[PlaceKey, float]:
    seconds = dict.fromkeys(pools, end_s - begin_s)
    for outage in outages:
        gone_s = min(outage.end_s, end_s) - max(outage.begin_s, begin_s)
        seconds[outage.place] -= max(0.0, gone_s)
    return {
        place: pools[place].max_instances * there_s / SECONDS_PER_HOUR
        for place, there_s in seconds.items()
    }


def _machine_hours(pools: dict[PlaceKey, Pool], attempt: Attempt) -> float:
    hours = (attempt.ended_s - attempt.started_s) / SECONDS_PER_HOUR
    return pools[attempt.place].machine_share(attempt.task.request) * hours


def _stored_usd(
    attempts: Iterable[Attempt], clusters: Sequence[ClusterSpec], end_s: float
) -> dict[str, float]:
    """What is paid for storage, by cluster; each task has one copy, that of its latest run."""
    usd = {cluster.name: 0.0 for cluster in clusters}
    copies: dict[tuple[TaskKey, int], list[Attempt]] = {}
    for attempt in attempts:
        if attempt.finished:
            run = attempt.task.run
            copies.setdefault((run.task, run.map_index), []).append(attempt)
    price = {
        (cluster.name, name): storage_price(cluster, name)
        for cluster in clusters
        for name in cluster.storage
    }
    for own in copies.values():
        own.sort(key=lambda attempt: attempt.ended_s)
        ends = [*(attempt.ended_s for attempt in own[1:]), end_s]
        for attempt, until_s in zip(own, ends, strict=True):
            each = price.get((attempt.place[0], attempt.task.storage_class), 0.0)
            hours = (until_s - attempt.ended_s) / SECONDS_PER_HOUR
            usd[attempt.place[0]] += attempt.task.stored_gib * each * hours
    return usd


def _is_doubled(attempts: Sequence[Attempt]) -> bool:
    if sum(attempt.finished for attempt in attempts) > 1:
        return True
    ordered = sorted(attempts, key=lambda attempt: (attempt.started_s, attempt.ended_s))
    return any(later.started_s < earlier.ended_s for earlier, later in pairwise(ordered))


def _met(task: ReplayTask, end_s: float | None) -> bool:
    if end_s is None or task.deadline_s is None:
        return False
    # A moment is the sum of floats; a task that needs exactly its deadline is in time.
    return end_s <= (task.arrival_s + task.deadline_s) * (1 + 1e-12)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest value that at least this share of all does not exceed."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
