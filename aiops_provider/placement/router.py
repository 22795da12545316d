"""
Where one task goes now: by the plan, then by what reality has become.

Pure Python over an immutable snapshot, because schedulers import and ask it for every task. The same
inputs give the same answer. A task that some machine can hold always gets an answer: what stands in
the way of a cluster is relaxed from the mildest (full) to the worst (unreachable) rather than
stopping the task. Fail-back is no case of its own: the ranking is by preference each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

from aiops_provider.domain.cluster import ClusterSpec, Pool
from aiops_provider.domain.plan import Alternative, PlacementPlan, Route, RouteCode, RouteReason
from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.domain.units import SECONDS_PER_HOUR
from aiops_provider.domain.workload import TaskKey
from aiops_provider.errors import InfeasibleError
from aiops_provider.placement.cost import planning_price
from aiops_provider.placement.eligibility import machine_against, rule_against, shortage

_SLACK = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class InUse:
    """
    What is booked on one pool now.

    Attributes:
        cores: Of running and waiting tasks.
        memory_gib: As above.
        accelerators: As above.
        waiting: Tasks among them that have not started.
    """

    cores: float = 0.0
    memory_gib: float = 0.0
    accelerators: int = 0
    waiting: int = 0


LiveLoad = Mapping[tuple[str, str], InUse]
"""By name of the cluster and name of the pool; what is missing is idle."""

_IDLE = InUse()


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterSnapshot:
    """
    Everything but the live load that a route depends on.

    Attributes:
        clusters: All of them.
        plan: In force, or ``None``.
        quarantined: Reason by cluster.
        unreachable: Reason by cluster.
        held_tasks: Tasks that are not failed over any more.
    """

    clusters: tuple[ClusterSpec, ...]
    plan: PlacementPlan | None = None
    quarantined: Mapping[str, str] = field(default_factory=dict)
    unreachable: Mapping[str, str] = field(default_factory=dict)
    held_tasks: frozenset[TaskKey] = frozenset()


class _Obstacle(IntEnum):
    """What stands in the way of a place, the worse the higher."""

    NONE = 0
    FULL = 1
    AVOIDED = 2
    QUARANTINED = 3
    UNREACHABLE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    cluster: ClusterSpec
    pool: Pool
    obstacle: _Obstacle
    why: str
    share: float
    deficit: float
    occupancy: float
    score_usd: float
    cost_usd: float | None

    @property
    def rank(self) -> tuple[object, ...]:
        crowded = self.occupancy if self.obstacle is not _Obstacle.NONE else 0.0
        return (
            self.obstacle,
            self.share <= 0.0,
            crowded,
            -self.deficit,
            self.score_usd,
            self.cluster.name,
            self.pool.name,
        )


class Router:
    """
    Routes tasks by one snapshot; safe to share between threads.

    Args:
        snapshot: What it decides by.
    """

    def __init__(self, snapshot: RouterSnapshot) -> None:
        self.snapshot = snapshot
        self._clusters = tuple(sorted(snapshot.clusters, key=lambda cluster: cluster.name))
        self._shares = _shares(snapshot.plan)

    def route(
        self,
        profile: WorkloadProfile,
        *,
        load: LiveLoad | None = None,
        avoid: Mapping[str, str] | None = None,
        now: datetime | None = None,  # noqa: ARG002 - time slots of plans are finer later
    ) -> Route:
        """
        Choose a place.

        Args:
            profile: What the task needs and what limits it.
            load: What is booked now.
            avoid: Clusters that failed this run before, with why.
            now: The present moment.

        Raises:
            InfeasibleError: No machine could ever hold it, or its pin cannot be followed.
        """
        if profile.task in self.snapshot.held_tasks:
            avoid = None
        places, rejected = self._places(profile, load or {}, avoid or {})
        if not places:
            raise self._infeasible(profile, rejected)
        places.sort(key=lambda place: place.rank)
        best = places[0]
        for place in places:
            if place.obstacle > best.obstacle and place.cluster.name != best.cluster.name:
                rejected.setdefault(place.cluster.name, place.why)
        return Route(
            task=profile.task,
            cluster=best.cluster.name,
            pool=best.pool.name,
            request=profile.request,
            reason=self._reason(profile, best, places, rejected, avoid or {}),
            alternatives=tuple(
                Alternative(
                    cluster=place.cluster.name,
                    pool=place.pool.name,
                    score_usd=place.score_usd,
                    expected_cost_usd=place.cost_usd,
                )
                for place in places[1:]
            ),
            expected_cost_usd=best.cost_usd,
            plan_version=self.snapshot.plan.version if self.snapshot.plan else 0,
        )

    def next_route(
        self,
        route: Route,
        profile: WorkloadProfile,
        *,
        load: LiveLoad | None = None,
        avoid: Mapping[str, str] | None = None,
        now: datetime | None = None,
    ) -> Route | None:
        """
        The next best place after a cluster refused, or ``None`` when there is no other cluster.

        Args:
            route: That was refused.
            profile: As for the first route.
            load: As for the first route.
            avoid: Clusters that refused so far, with why.
            now: As for the first route.
        """
        refused = {route.cluster: "it refused the task", **(avoid or {})}
        following = self.route(profile, load=load, avoid=refused, now=now)
        return None if following.cluster in refused else following

    def _places(
        self, profile: WorkloadProfile, load: LiveLoad, avoid: Mapping[str, str]
    ) -> tuple[list[_Place], dict[str, str]]:
        shares = self._shares.get(profile.task, {})
        booked = sum(load.get(key, _IDLE).cores for key in shares) or 1.0
        places: list[_Place] = []
        rejected: dict[str, str] = {}
        for cluster in self._clusters:
            against = rule_against(profile, cluster) or machine_against(profile.request, cluster)
            if against is not None:
                rejected[cluster.name] = against
                continue
            for pool in cluster.feasible_pools(profile.request):
                key = (cluster.name, pool.name)
                in_use, share = load.get(key, _IDLE), shares.get(key, 0.0)
                obstacle, why = self._obstacle(profile.request, cluster, pool, in_use, avoid)
                cost = pool.cost_usd(profile.request, profile.duration_s.p50)
                places.append(
                    _Place(
                        cluster=cluster,
                        pool=pool,
                        obstacle=obstacle,
                        why=why,
                        share=share,
                        deficit=share - in_use.cores / booked if share else 0.0,
                        occupancy=(in_use.cores + in_use.waiting) / pool.capacity.cores,
                        score_usd=self._score(profile, cluster, pool),
                        cost_usd=cost,
                    )
                )
        return places, rejected

    def _obstacle(
        self,
        request: ResourceRequest,
        cluster: ClusterSpec,
        pool: Pool,
        in_use: InUse,
        avoid: Mapping[str, str],
    ) -> tuple[_Obstacle, str]:
        name = cluster.name
        if name in self.snapshot.unreachable:
            return _Obstacle.UNREACHABLE, f"unreachable: {self.snapshot.unreachable[name]}"
        if name in self.snapshot.quarantined:
            return _Obstacle.QUARANTINED, f"quarantined: {self.snapshot.quarantined[name]}"
        if name in avoid:
            return _Obstacle.AVOIDED, avoid[name]
        if not _has_room(request, pool, in_use):
            return _Obstacle.FULL, f"full: {in_use.cores:g} of {pool.capacity.cores:g} cores booked"
        return _Obstacle.NONE, ""

    def _score(self, profile: WorkloadProfile, cluster: ClusterSpec, pool: Pool) -> float:
        """Expected cost plus what the plan says the capacity is worth to others."""
        hours = profile.duration_s.p50 / SECONDS_PER_HOUR
        scarcity = 0.0
        if self.snapshot.plan is not None:
            scarcity = self.snapshot.plan.shadow_prices.get(cluster.name, 0.0)
        machine = pool.machine_share(profile.request) * planning_price(pool)
        return (machine + scarcity * profile.request.cores) * hours

    def _reason(
        self,
        profile: WorkloadProfile,
        best: _Place,
        places: list[_Place],
        rejected: Mapping[str, str],
        avoid: Mapping[str, str],
    ) -> RouteReason:
        code, sentence = self._words(profile, best, places, avoid)
        if best.obstacle is not _Obstacle.NONE:
            sentence += f", although it is not free ({best.why}): every other place is no better"
        return RouteReason(
            code=code,
            sentence=sentence,
            rejected=dict(rejected),
            figures={
                "score_usd": best.score_usd,
                "plan_share": best.share,
                "occupancy": best.occupancy,
            },
        )

    def _words(
        self,
        profile: WorkloadProfile,
        best: _Place,
        places: list[_Place],
        avoid: Mapping[str, str],
    ) -> tuple[RouteCode, str]:
        name, cost = best.cluster.name, _usd(best.cost_usd)
        if profile.pinned_cluster == name:
            return RouteCode.PINNED, f"{name} was asked for"
        if len({place.cluster.name for place in places}) == 1:
            return RouteCode.ONLY_CHOICE, f"{name} is the only cluster that may and can hold it"
        if avoid and best.obstacle < _Obstacle.AVOIDED:
            left = ", ".join(sorted(avoid))
            return RouteCode.FAIL_OVER, f"{name} is the best after {left}, {cost}"
        if best.share > 0.0 and self.snapshot.plan is not None:
            version = self.snapshot.plan.version
            return RouteCode.PLAN, f"plan {version} gives {name} {best.share:.0%} of it, {cost}"
        if self.snapshot.plan is not None:
            return (
                RouteCode.SHADOW_PRICE,
                f"{name} is the cheapest with room at the plan's scarcity prices, {cost}",
            )
        return RouteCode.CHEAPEST, f"{name} is the cheapest with room, {cost}"

    def _infeasible(self, profile: WorkloadProfile, rejected: Mapping[str, str]) -> InfeasibleError:
        pin = profile.pinned_cluster
        cluster = next((each for each in self._clusters if each.name == pin), None)
        if pin is not None and cluster is None:
            known = ", ".join(each.name for each in self._clusters)
            return InfeasibleError(
                f"{profile.task} is pinned to a cluster that is not configured",
                field="cluster",
                value=pin,
                mend=f"Use one of {known}, or leave the pin out",
            )
        request = profile.request
        considered = [cluster] if cluster is not None else list(self._clusters)
        pools = [pool for each in considered for pool in each.pools]
        largest = max(pools, key=lambda pool: (pool.machine.memory_gib, pool.machine.cores))
        if largest.machine.fits(request):
            reasons = "; ".join(f"{name}: {why}" for name, why in sorted(rejected.items()))
            return InfeasibleError(
                f"{profile.task} may run on no cluster: {reasons}",
                field="locality",
                mend="Allow another region or provider",
            )
        name, sentence = shortage(request, largest.machine)
        where = f"pinned to {pin}, but " if pin else "too large for every cluster: "
        return InfeasibleError(
            f"{profile.task} is {where}{sentence}",
            field=name,
            value=getattr(request, name),
            mend="Ask for less, leave the pin out, or add a larger machine",
        )


def _has_room(request: ResourceRequest, pool: Pool, in_use: InUse) -> bool:
    capacity = pool.capacity
    return (
        in_use.cores + request.cores <= capacity.cores + _SLACK
        and in_use.memory_gib + request.memory_gib <= capacity.memory_gib + _SLACK
        and in_use.accelerators + request.accelerators <= sum(capacity.accelerators.values())
    )


def _shares(plan: PlacementPlan | None) -> dict[TaskKey, dict[tuple[str, str], float]]:
    if plan is None:
        return {}
    by_group: dict[str, dict[tuple[str, str], float]] = {}
    for given in plan.assignments:
        places = by_group.setdefault(given.group, {})
        place = (given.cluster, given.pool)
        places[place] = places.get(place, 0.0) + given.share
    return {
        task: by_group[group.name]
        for group in plan.groups
        if group.name in by_group
        for task in group.tasks
    }


def _usd(cost: float | None) -> str:
    return "price unknown" if cost is None else f"{cost:.6f} USD expected"
