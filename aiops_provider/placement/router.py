"""
Where one task goes now: by the plan, then by what reality has become.

Pure Python over an immutable snapshot, because schedulers import and ask it for every task. The same
inputs give the same answer. A task that some machine can hold always gets an answer: what stands in
the way of a cluster is relaxed from the mildest (full) to the worst (unreachable) rather than
stopping the task. Fail-back is no case of its own: the ranking is by preference each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.plan import Alternative, PlacementPlan, Route
from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.units import SECONDS_PER_HOUR
from aiops_provider.placement.asked import Asked, Picked, by_obstacle, mildest_first
from aiops_provider.placement.demand import expected_duration_s
from aiops_provider.placement.live_load import IDLE, InUse, LiveLoad, fill, is_full
from aiops_provider.placement.place_table import Candidates, First, PlaceTable
from aiops_provider.placement.places import OBSTACLES, Obstacle, Place, infeasible
from aiops_provider.placement.plan_shares import PlanShares
from aiops_provider.placement.reason import Choice, explain_choice
from aiops_provider.placement.waiting_for_price import Outlook, reconsidered

__all__ = ["InUse", "LiveLoad", "Router", "RouterSnapshot"]

_ALTERNATIVES = 5
# Requests of one size with the same limits share their candidates.
_KINDS_REMEMBERED = 4096
# Of many more kinds only the rows of the first places are kept, a few hundred bytes each: a task that runs
# every hour mostly asks for what it asked for before.
_FIRSTS_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterSnapshot:
    """
    Everything but the live load that a route depends on.

    Attributes:
        clusters: All of them.
        plan: In force, or ``None``.
        quarantined: Reason by cluster.
        unreachable: Reason by cluster.
        unfit: Why a cluster cannot run tasks although it answers, by cluster.
        held_tasks: Tasks that are not failed over any more.
    """

    clusters: tuple[ClusterSpec, ...]
    plan: PlacementPlan | None = None
    quarantined: Mapping[str, str] = field(default_factory=dict)
    unreachable: Mapping[str, str] = field(default_factory=dict)
    unfit: Mapping[str, str] = field(default_factory=dict)
    held_tasks: frozenset[TaskKey] = frozenset()

    @property
    def out_of_use(self) -> frozenset[str]:
        """Clusters that are avoided for whatever reason."""
        return frozenset({*self.quarantined, *self.unreachable, *self.unfit})


class Router:
    """
    Routes tasks by one snapshot; safe to share between threads.

    Args:
        snapshot: What it decides by.
    """

    def __init__(self, snapshot: RouterSnapshot) -> None:
        self.snapshot = snapshot
        self._clusters = tuple(sorted(snapshot.clusters, key=lambda cluster: cluster.name))
        self._shares = PlanShares(snapshot.plan)
        scarcity = snapshot.plan.shadow_prices if snapshot.plan is not None else {}
        self._scarce = any(scarcity.values())
        self._version = snapshot.plan.version if snapshot.plan is not None else 0
        self._places = PlaceTable(
            self._clusters,
            quarantined=snapshot.quarantined,
            unreachable=snapshot.unreachable,
            unfit=snapshot.unfit,
            scarcity_usd=scarcity,
        )
        self._known: dict[tuple[object, ...], Candidates] = {}
        self._firsts: dict[tuple[object, ...], First] = {}

    def route(
        self,
        profile: WorkloadProfile,
        *,
        load: LiveLoad | None = None,
        avoid: Mapping[str, str] | None = None,
        now: datetime | None = None,
        outlook: Outlook | None = None,
    ) -> Route:
        """
        Choose a place.

        Args:
            profile: What the task needs and what limits it.
            load: What is booked now.
            avoid: Clusters that failed this run before, with why; a held task goes there anyway.
            now: The present moment, which decides the hour of the plan.
            outlook: What is likely to come, and how long it may wait for a cheaper place; ``None``: it
                starts at once. A task that waits must be routed anew until it starts.

        Raises:
            InfeasibleError: No machine could ever hold it, or its pin cannot be followed.
        """
        held = profile.task in self.snapshot.held_tasks
        return self._route(profile, load or {}, {} if held else avoid or {}, now, outlook)

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

        A refusal is no failure of the task, so a held task goes elsewhere too.

        Args:
            route: That was refused.
            profile: As for the first route.
            load: As for the first route.
            avoid: Clusters that refused so far, with why.
            now: As for the first route.
        """
        refused = {route.cluster: "it refused the task", **(avoid or {})}
        following = self._route(profile, load or {}, refused, now)
        return None if following.cluster in refused else following

    def _route(
        self,
        profile: WorkloadProfile,
        load: LiveLoad,
        avoid: Mapping[str, str],
        now: datetime | None,
        outlook: Outlook | None = None,
    ) -> Route:
        candidates = self._candidates(profile)
        if not candidates.count:
            raise infeasible(profile, self._clusters, candidates.refused())
        asked = Asked(profile, candidates, self._shares.of(profile.task), load, avoid, now)
        picked = self._among_free(asked) or self._among_all(asked)
        best = picked.places[0]
        hours = expected_duration_s(profile.duration_s) / SECONDS_PER_HOUR
        # Whoever keeps count of the load goes on counting, the explanation is of this moment.
        then = dict(load)
        choice = Choice(
            profile=profile,
            best=best,
            level=picked.level,
            passed=picked.passed,
            ranked=lambda: by_obstacle(profile, candidates.all(), then, avoid),
            candidates=candidates,
            avoid=avoid,
            shares=asked.shares,
            plan_version=self._version if self.snapshot.plan is not None else None,
            scarce=self._scarce,
            fill=fill(profile.request, best.capacity, load.get(best.key, IDLE)),
            wait_s=load.get(best.key, IDLE).backlog_s if picked.level is Obstacle.FULL else 0.0,
        )
        route = Route(
            task=profile.task,
            cluster=best.name,
            pool=best.pool.name,
            request=profile.request,
            reason=explain_choice(choice, hours=hours),
            alternatives=tuple(_alternative(place, hours) for place in picked.places[1:]),
            expected_cost_usd=_cost(best, hours),
            plan_version=self._version,
        )
        if outlook is None or now is None:
            return route
        return reconsidered(asked, best, route, outlook, now=now)

    def _among_free(self, asked: Asked) -> Picked | None:
        """As many free places as a route names, from the preferred one on; ``None`` if too few."""
        planned, passed = self._planned(asked)
        places = list(planned)
        known = {place.key for place in planned}
        for place in asked.candidates:
            obstacle = asked.obstacle(place)
            if obstacle is not Obstacle.NONE:
                if not places and place.key not in asked.shares:
                    passed.append((obstacle, place))
            elif place.key not in known:
                places.append(place)
            if len(places) > _ALTERNATIVES:
                return Picked(places[: _ALTERNATIVES + 1], Obstacle.NONE, mildest_first(passed))
        return None

    def _planned(self, asked: Asked) -> tuple[list[Place], list[tuple[Obstacle, Place]]]:
        """The free places of the plan, the one that is due first, and those that are not free."""
        free: dict[tuple[str, str], Place] = {}
        passed: list[tuple[Obstacle, Place]] = []
        for key in asked.shares:
            place = asked.candidates.at(key)
            if place is not None:
                obstacle = asked.obstacle(place)
                if obstacle is Obstacle.NONE:
                    free[key] = place
                else:
                    passed.append((obstacle, place))
        due = self._shares.order(
            asked.profile.task,
            asked.profile.request,
            among=free.keys(),
            load=asked.load,
            now=asked.now,
        )
        return [free[key] for key in due], passed

    def _among_all(self, asked: Asked) -> Picked:
        """The places that have least in their way, where few or none are free."""
        profile, everywhere = asked.profile, asked.candidates.all()
        ranks = by_obstacle(profile, everywhere, asked.load, asked.avoid)
        level = next(obstacle for obstacle in OBSTACLES if ranks[obstacle])
        if level is not Obstacle.NONE or asked.shares:
            ranks[level] = self._preferred_first(profile, ranks[level], asked.load, asked.now)
        best = ranks[level][0]
        by_plan = best.key in asked.shares
        passed = [
            (obstacle, place)
            for obstacle in OBSTACLES[Obstacle.FULL :]
            for place in ranks[obstacle]
            if place.key in asked.shares or (not by_plan and place.preference < best.preference)
        ]
        others = chain.from_iterable(ranks[obstacle] for obstacle in OBSTACLES)
        return Picked(list(islice(others, _ALTERNATIVES + 1)), level, mildest_first(passed))

    def _candidates(self, profile: WorkloadProfile) -> Candidates:
        request = profile.request
        kind = (
            request.cores,
            request.memory_gib,
            request.accelerator,
            request.accelerators,
            request.accelerator_memory_gib,
            profile.accelerator_pace,
            profile.pinned_cluster,
            profile.allowed_regions,
            profile.allowed_providers,
            profile.data_region,
            profile.preferred_regions,
            profile.cluster_limits,
        )
        known = self._known.get(kind)
        if known is None:
            first = self._firsts.get(kind)
            if first is None:
                if len(self._firsts) >= _FIRSTS_REMEMBERED:
                    self._firsts = {}
                first = self._firsts[kind] = self._places.first(profile)
            known = self._places.candidates(profile, first)
            if len(self._known) >= _KINDS_REMEMBERED:
                self._known = {}
            self._known[kind] = known
        return known

    def _preferred_first(
        self,
        profile: WorkloadProfile,
        places: Sequence[Place],
        load: LiveLoad,
        now: datetime | None,
    ) -> list[Place]:
        """Places with room in the order of the plan, then of price; full ones by their queue."""
        over: list[tuple[tuple[float, float], Place]] = []
        free: dict[tuple[str, str], Place] = {}
        for place in places:
            share = (
                fill(profile.request, place.capacity, load[place.key]) if place.key in load else 0
            )
            if is_full(share):
                over.append(((load[place.key].backlog_s, share), place))
            else:
                free[place.key] = place
        over.sort(key=lambda pair: pair[0])
        planned = self._shares.order(
            profile.task, profile.request, among=free.keys(), load=load, now=now
        )
        first = [free.pop(key) for key in planned]
        return [*first, *free.values(), *(place for _, place in over)]


def _alternative(place: Place, hours: float) -> Alternative:
    return Alternative(
        cluster=place.name,
        pool=place.pool.name,
        score_usd=place.score_usd_per_hour * hours,
        expected_cost_usd=_cost(place, hours),
    )


def _cost(place: Place, hours: float) -> float | None:
    return None if place.cost_usd_per_hour is None else place.cost_usd_per_hour * hours
