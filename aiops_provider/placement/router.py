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

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.plan import PlacementPlan, Route
from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.units import SECONDS_PER_HOUR
from aiops_provider.placement.alternatives import Alternatives
from aiops_provider.placement.asked import Asked
from aiops_provider.placement.candidates import Candidates
from aiops_provider.placement.choice import choose, first_places
from aiops_provider.placement.demand import expected_duration_s
from aiops_provider.placement.live_instances import NOT_CROWDED, LiveInstances, crowded_clusters
from aiops_provider.placement.live_load import IDLE, InUse, LiveLoad, LoadOfThisMoment, fill
from aiops_provider.placement.place_table import PlaceTable
from aiops_provider.placement.places import Obstacle, infeasible
from aiops_provider.placement.plan_shares import PlanShares
from aiops_provider.placement.pool_columns import PoolColumns
from aiops_provider.placement.reason import explain_choice
from aiops_provider.placement.waiting_for_price import Outlook, reconsidered

__all__ = ["InUse", "LiveLoad", "Router", "RouterSnapshot"]

_ALTERNATIVES = 5


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
        carbon_usd_per_kg: Price that the objective puts on emissions.
    """

    clusters: tuple[ClusterSpec, ...]
    plan: PlacementPlan | None = None
    quarantined: Mapping[str, str] = field(default_factory=dict)
    unreachable: Mapping[str, str] = field(default_factory=dict)
    unfit: Mapping[str, str] = field(default_factory=dict)
    held_tasks: frozenset[TaskKey] = frozenset()
    carbon_usd_per_kg: float = 0.0

    @property
    def out_of_use(self) -> frozenset[str]:
        """Clusters that are avoided for whatever reason."""
        return frozenset({*self.quarantined, *self.unreachable, *self.unfit})


class Router:
    """
    Routes tasks by one snapshot; safe to share between threads.

    Args:
        snapshot: What it decides by.
        earlier: A router before it; what that one knows of the plan is taken over if the plan is
            still in force.
    """

    def __init__(self, snapshot: RouterSnapshot, *, earlier: Router | None = None) -> None:
        self.snapshot = snapshot
        self._clusters = tuple(sorted(snapshot.clusters, key=lambda cluster: cluster.name))
        self._shares: PlanShares = (
            earlier._shares  # noqa: SLF001 -- its own kind
            if earlier is not None and earlier.snapshot.plan is snapshot.plan
            else PlanShares(snapshot.plan)
        )
        scarcity = snapshot.plan.shadow_prices if snapshot.plan is not None else {}
        self._scarce = any(scarcity.values())
        self._version = snapshot.plan.version if snapshot.plan is not None else 0
        self._table = PlaceTable(
            PoolColumns(
                self._clusters,
                quarantined=snapshot.quarantined,
                unreachable=snapshot.unreachable,
                unfit=snapshot.unfit,
                scarcity_usd=scarcity,
                carbon_usd_per_kg=snapshot.carbon_usd_per_kg,
            )
        )

    def route(
        self,
        profile: WorkloadProfile,
        *,
        load: LiveLoad | None = None,
        avoid: Mapping[str, str] | None = None,
        now: datetime | None = None,
        outlook: Outlook | None = None,
        instances: LiveInstances | None = None,
    ) -> Route:
        """
        Choose a place.

        Instances that are to be kept apart stay so: if that is only preferred, as long as another
        place has room; if it is required, as long as there is any other place, full or lost.

        Args:
            profile: What the task needs and what limits it.
            load: What is booked now; copied, unless it is a :class:`LoadOfThisMoment`.
            avoid: Clusters that failed this run before, with why; a held task goes there anyway.
            now: The present moment, which decides the hour of the plan.
            outlook: What is likely to come, and how long it may wait for a cheaper place; ``None``: it
                starts at once. A task that waits must be routed anew until it starts.
            instances: Of the task and those it is kept apart from; ``None``: there are none.

        Raises:
            InfeasibleError: No machine could ever hold it, or its pin cannot be followed.
        """
        held = profile.task in self.snapshot.held_tasks
        shunned = {} if held else avoid or {}
        return self._route(profile, load or {}, shunned, now, outlook=outlook, instances=instances)

    def next_route(
        self,
        route: Route,
        profile: WorkloadProfile,
        *,
        load: LiveLoad | None = None,
        avoid: Mapping[str, str] | None = None,
        now: datetime | None = None,
        instances: LiveInstances | None = None,
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
            instances: As for the first route.
        """
        refused = {route.cluster: "it refused the task", **(avoid or {})}
        following = self._route(profile, load or {}, refused, now, instances=instances)
        return None if following.cluster in refused else following

    def _route(
        self,
        profile: WorkloadProfile,
        load: LiveLoad,
        avoid: Mapping[str, str],
        now: datetime | None,
        *,
        outlook: Outlook | None = None,
        instances: LiveInstances | None = None,
    ) -> Route:
        shares = self._shares.of(profile.task)
        candidates = Candidates(self._table, profile)
        # Whoever keeps count of the load goes on counting, the explanation is of this moment.
        if not isinstance(load, LoadOfThisMoment):
            load = dict(load)
        crowded = NOT_CROWDED
        if instances is not None:
            crowded = crowded_clusters(profile.spread, instances, self._clusters)
        asked = Asked(profile, candidates, shares, load, avoid, now, crowded)
        choice = choose(asked, self._shares)
        if choice is None:
            raise infeasible(profile, self._clusters, candidates.refused())
        best = choice.place
        in_use = load.get(best.key, IDLE)
        hours = expected_duration_s(profile.duration_s) / SECONDS_PER_HOUR
        reason = explain_choice(
            asked,
            choice,
            hours=hours,
            plan_version=self._version if self.snapshot.plan is not None else None,
            scarce=self._scarce,
            fill=fill(profile.request, best.capacity, in_use),
            wait_s=in_use.backlog_s if choice.level is Obstacle.FULL else 0.0,
        )
        route = Route(
            task=profile.task,
            cluster=best.name,
            pool=best.pool.name,
            request=profile.request,
            reason=reason,
            alternatives=Alternatives(
                lambda: first_places(asked, self._shares, _ALTERNATIVES + 1)[1:], hours
            ),
            expected_cost_usd=best.cost_usd(hours),
            plan_version=self._version,
        )
        if outlook is None or now is None:
            return route
        return reconsidered(asked, best, route, outlook, now=now)
