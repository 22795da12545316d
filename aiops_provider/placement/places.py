"""The places that could hold a task, in the order of preference as if all were idle and healthy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.errors import InfeasibleError
from aiops_provider.placement.cost import planning_price
from aiops_provider.placement.eligibility import machine_against, rule_against, shortage


class Obstacle(IntEnum):
    """What stands in the way of a place, the worse the higher."""

    NONE = 0
    FULL = 1
    AVOIDED = 2
    QUARANTINED = 3
    UNREACHABLE = 4


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
        cost_usd_per_hour: Of the task's share of a machine; ``None`` if the price is unknown.
        score_usd_per_hour: As above, an unknown price taken as high, with the scarcity price.
        passed_over: Why another place is taken when nothing stands in the way of this one.
    """

    key: tuple[str, str]
    name: str
    pool: Pool
    capacity: Capacity
    barrier: Obstacle
    why: str
    cost_usd_per_hour: float | None
    score_usd_per_hour: float
    passed_over: str


@dataclass(frozen=True, slots=True)
class Candidates:
    """
    Places for a task, and why other clusters are none.

    Attributes:
        places: The preferred one first.
        refused: Why a cluster can never hold it, by its name.
        clusters: How many clusters the places are on.
    """

    places: tuple[Place, ...]
    refused: Mapping[str, str]
    clusters: int


def find_candidates(
    profile: WorkloadProfile,
    clusters: Sequence[ClusterSpec],
    *,
    quarantined: Mapping[str, str],
    unreachable: Mapping[str, str],
    scarcity_usd: Mapping[str, float],
) -> Candidates:
    """
    Look at every pool once.

    Near its data or preferred regions comes first, for moving data has a price that is not known
    here; then known prices before unknown ones; then the lowest score.

    Args:
        profile: Of which only the request and the limits matter.
        clusters: All of them.
        quarantined: Reason by cluster.
        unreachable: Reason by cluster.
        scarcity_usd: What a core-hour of a cluster is worth to others, by cluster.
    """
    refused: dict[str, str] = {}
    ranked: list[tuple[tuple[object, ...], Place]] = []
    for cluster in clusters:
        against = rule_against(profile, cluster) or machine_against(profile.request, cluster)
        if against is not None:
            refused[cluster.name] = against
            continue
        far = _is_far(profile, cluster)
        for pool in cluster.feasible_pools(profile.request):
            place = _place(
                profile.request,
                cluster,
                pool,
                far=far,
                barrier=_barrier(cluster.name, quarantined, unreachable),
                scarcity_usd=scarcity_usd.get(cluster.name, 0.0),
            )
            unknown = pool.price_usd_per_hour is None
            ranked.append(((far, unknown, place.score_usd_per_hour, place.key), place))
    ranked.sort(key=lambda pair: pair[0])
    places = tuple(place for _, place in ranked)
    return Candidates(places, refused, len({place.name for place in places}))


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


def _place(
    request: ResourceRequest,
    cluster: ClusterSpec,
    pool: Pool,
    *,
    far: bool,
    barrier: tuple[Obstacle, str],
    scarcity_usd: float,
) -> Place:
    share = pool.machine_share(request)
    score = share * planning_price(pool) + scarcity_usd * request.cores
    known = pool.price_usd_per_hour
    if far:
        passed_over = "it is not where the data or the users are"
    elif known is None:
        passed_over = "its price is unknown"
    else:
        passed_over = f"{score:.4g} USD an hour"
        passed_over += " with what its cores are worth to others" if scarcity_usd else ""
    return Place(
        key=(cluster.name, pool.name),
        name=cluster.name,
        pool=pool,
        capacity=pool.capacity,
        barrier=barrier[0],
        why=barrier[1],
        cost_usd_per_hour=None if known is None else share * known,
        score_usd_per_hour=score,
        passed_over=passed_over,
    )


def _barrier(
    name: str, quarantined: Mapping[str, str], unreachable: Mapping[str, str]
) -> tuple[Obstacle, str]:
    if name in unreachable:
        return Obstacle.UNREACHABLE, f"unreachable: {unreachable[name]}"
    if name in quarantined:
        return Obstacle.QUARANTINED, f"quarantined: {quarantined[name]}"
    return Obstacle.NONE, ""


def _is_far(profile: WorkloadProfile, cluster: ClusterSpec) -> bool:
    near = {profile.data_region, *profile.preferred_regions} - {None}
    return bool(near) and cluster.region not in near


def _closeness(request: ResourceRequest, machine: Capacity) -> tuple[float, float, float]:
    """How much of the request a machine holds; the best one is named in the error."""
    held = min(machine.memory_gib / request.memory_gib, machine.cores / request.cores, 1.0)
    accelerators = sum(machine.accelerators.values()) if request.accelerators else 0
    return (float(accelerators > 0) if request.accelerators else 0.0, held, machine.memory_gib)


def _has(machine: Capacity) -> str:
    parts = [f"{machine.cores:g} cores", f"{machine.memory_gib:g} GiB"]
    parts += [f"{count} {model}" for model, count in sorted(machine.accelerators.items())]
    return ", ".join(parts)
