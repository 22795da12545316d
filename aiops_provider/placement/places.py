"""A place that could hold a task, what may stand in its way, and the error where there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.errors import InfeasibleError
from aiops_provider.placement.cost import machine_usd_per_hour, run_usd_per_hour
from aiops_provider.placement.eligibility import limit_against, rule_against, shortage


class Obstacle(IntEnum):
    """
    What stands in the way of a place, the worse the higher.

    ``CROWDED`` and ``SEPARATED``: instances that are to be kept apart would share a failure domain;
    the former is not preferred, the latter is against what is required, which rather waits for a
    cluster that is lost.
    """

    NONE = 0
    CROWDED = 1
    FULL = 2
    AVOIDED = 3
    QUARANTINED = 4
    UNREACHABLE = 5
    SEPARATED = 6


OBSTACLES = tuple(Obstacle)
"""From the mildest; iterating over the enumeration itself is slow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """
    A pool whose machines can hold the task.

    Attributes:
        key: Name of the cluster and name of the pool.
        name: Of the cluster.
        pool: The pool.
        capacity: Of the whole pool.
        barrier: ``NONE``, ``QUARANTINED`` or ``UNREACHABLE``.
        why: The barrier in words.
        cost_usd_per_hour: Of the task's share of a machine, with its emissions at their price and with
            what it stores; ``None`` if the price is unknown.
        score_usd_per_hour: As above, an unknown price taken as high, with the scarcity price.
        far: It is not where the data or the users are.
        scarce: Whether the score has a scarcity price in it.
        tier: Compared before the score: near before far, then known prices before unknown ones.
    """

    key: tuple[str, str]
    name: str
    pool: Pool
    capacity: Capacity
    barrier: Obstacle
    why: str
    cost_usd_per_hour: float | None
    score_usd_per_hour: float
    far: bool
    scarce: bool
    tier: int

    @property
    def preference(self) -> tuple[int, float, tuple[str, str]]:
        """Sorts places that nothing stands in the way of."""
        return (self.tier, self.score_usd_per_hour, self.key)

    def cost_usd(self, hours: float) -> float | None:
        """Of a run that takes so long; ``None`` if the price is unknown."""
        return None if self.cost_usd_per_hour is None else self.cost_usd_per_hour * hours

    @property
    def passed_over(self) -> str:
        """Why another place is taken when nothing stands in the way of this one."""
        if self.far:
            return "it is not where the data or the users are"
        if self.cost_usd_per_hour is None:
            return "its price is unknown"
        scarce = " with what its cores are worth to others" if self.scarce else ""
        return f"{self.score_usd_per_hour:.4g} USD an hour{scarce}"


def infeasible(
    profile: WorkloadProfile, clusters: Sequence[ClusterSpec], refused: Mapping[str, str]
) -> InfeasibleError:
    """The error for a task that no machine may and can ever hold, with what to mend."""
    pin, request = profile.pinned_cluster, profile.request
    pinned = next((cluster for cluster in clusters if cluster.name == pin), None)
    if pin is not None and pinned is None:
        return InfeasibleError(
            f"{profile.task} is pinned to a cluster that is not configured",
            field="cluster",
            value=pin,
            mend=f"Use one of {', '.join(c.name for c in clusters)}, or leave the pin out.",
        )
    allowed = [cluster for cluster in clusters if rule_against(profile, cluster) is None]
    left = [cluster for cluster in allowed if limit_against(profile, cluster) is None]
    if allowed and not left:
        against = {limit_against(profile, cluster) for cluster in allowed} - {None}
        return InfeasibleError(
            f"{profile.task} may run on no cluster: {'; '.join(sorted(map(str, against)))}",
            mend="Map the name to a cluster in aiops.yaml, or correct it in the DAG.",
        )
    allowed = left
    if not allowed:
        reasons = "; ".join(f"{name}: {why}" for name, why in sorted(refused.items()))
        return InfeasibleError(
            f"{profile.task} may run on no cluster ({reasons})",
            field="locality",
            mend="Allow another region or provider, or add a cluster there.",
        )
    machines = [pool.machine for cluster in allowed for pool in cluster.pools]
    largest = max(machines, key=lambda machine: _closeness(request, machine))
    field, _ = shortage(request, largest)
    where = f"is pinned to {pin}, but" if pin else "is too large for every cluster it may use:"
    return InfeasibleError(
        f"{profile.task} {where} its largest machine has {_has(largest)}",
        field=field,
        value=getattr(request, field),
        mend="Ask for less, or leave the pin out." if pin else "Ask for less, or add a machine.",
    )


def make_place(
    request: ResourceRequest,
    cluster: ClusterSpec,
    pool: Pool,
    *,
    capacity: Capacity,
    far: bool,
    barrier: tuple[Obstacle, str],
    pace: float = 1.0,
    scarcity_usd: float,
    carbon_usd_per_kg: float = 0.0,
    storage_usd: float = 0.0,
) -> Place:
    """
    A pool as a place for one request.

    Args:
        request: That one machine of the pool can hold.
        cluster: The pool's cluster.
        pool: Where.
        capacity: Of the whole pool.
        far: It is not where the data or the users are.
        barrier: What stands in the way of the cluster, and in words.
        pace: Time that the work takes there, as a multiple; see :func:`pace_on`.
        scarcity_usd: What a core-hour of the cluster is worth to others.
        carbon_usd_per_kg: Price put on emissions.
        storage_usd: For what the run stores there, per hour.
    """
    share = pool.machine_share(request)
    price = machine_usd_per_hour(pool, carbon_usd_per_kg)
    score = share * pace * price + scarcity_usd * request.cores + storage_usd
    return Place(
        key=(cluster.name, pool.name),
        name=cluster.name,
        pool=pool,
        capacity=capacity,
        barrier=barrier[0],
        why=barrier[1],
        cost_usd_per_hour=run_usd_per_hour(
            pool,
            share * pace,
            carbon_usd_per_kg=carbon_usd_per_kg,
            storage_usd_per_hour=storage_usd,
        ),
        score_usd_per_hour=score,
        far=far,
        scarce=bool(scarcity_usd),
        tier=2 * far + (pool.price_usd_per_hour is None),
    )


def pace_on(cluster: str, pool: Pool, profile: WorkloadProfile) -> float:
    """
    Time that a task's work takes on a pool, as a multiple of the profile's duration.

    As its own runs there have shown; else by the pool's accelerators, relative to its choice of them. 1
    where nothing is known; of several models the slowest, for the task may get any.
    """
    for of_cluster, name, pace in profile.pool_pace:
        if (of_cluster, name) == (cluster, pool.name):
            return pace
    paces, machine = dict(profile.accelerator_pace), pool.machine
    return max((paces.get(model, 1.0) for model in machine.accelerators), default=1.0)


def barrier_of(
    name: str,
    quarantined: Mapping[str, str],
    unreachable: Mapping[str, str],
    unfit: Mapping[str, str],
) -> tuple[Obstacle, str]:
    """What stands in the way of a cluster whoever asks, and in words."""
    if name in unreachable:
        return Obstacle.UNREACHABLE, f"unreachable: {unreachable[name]}"
    if name in unfit:
        return Obstacle.UNREACHABLE, f"unfit: {unfit[name]}"
    if name in quarantined:
        return Obstacle.QUARANTINED, f"quarantined: {quarantined[name]}"
    return Obstacle.NONE, ""


def _closeness(request: ResourceRequest, machine: Capacity) -> tuple[float, float, float]:
    """How much of the request a machine holds; the best one is named in the error."""
    held = min(machine.memory_gib / request.memory_gib, machine.cores / request.cores, 1.0)
    accelerators = sum(machine.accelerators.values()) if request.accelerators else 0
    return (float(accelerators > 0) if request.accelerators else 0.0, held, machine.memory_gib)


def _has(machine: Capacity) -> str:
    parts = [f"{machine.cores:g} cores", f"{machine.memory_gib:g} GiB"]
    parts += [f"{count} {model}" for model, count in sorted(machine.accelerators.items())]
    return ", ".join(parts)
