"""
Journey B: where should everything run?

The stored profiles become a plan, the plan is judged by a checker that shares no code with what
made it, and it is put in force only when that is worth the switch. Whatever goes wrong, the plan
that is in force stays.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from aiops_provider.control.cluster_facts import clusters_with_facts
from aiops_provider.control.egress import egress_prices
from aiops_provider.control.interference_file import open_interference
from aiops_provider.control.out_of_use import clusters_out_of_use
from aiops_provider.domain.cluster import Availability, ClusterSpec
from aiops_provider.domain.plan import Objective, PlacementPlan, PlanStatus
from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.errors import DataError, PlanError

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation
    from aiops_provider.placement.violation import Violation
    from aiops_provider.settings.schema import Settings
    from aiops_provider.store import Store

log = logging.getLogger(__name__)

_PROBLEM = "plan:problem"
_REQUEST = "plan:request"
_MOST_NAMED = 3


def replan(installation: Installation, now: datetime, reason: str) -> PlacementPlan | None:
    """
    Make a plan of what is known now; put it in force if it is worth the switch.

    Args:
        installation: With a store.
        now: The present moment.
        reason: Why now, for the log.

    Returns:
        The plan in force afterwards; ``None`` when there is none.

    Raises:
        StoreError: The store does not answer.
    """
    store = installation.require_store()
    old, profiles = store.plan_in_force(), store.profiles()
    if not profiles:
        return old
    away = unavailable_clusters(store, installation.clusters, now)
    settings, clusters = installation.settings, installation.clusters
    measured = store.availability()
    new: PlacementPlan | None = None
    problem = ""
    try:
        new = checked_plan(
            settings, clusters, profiles, unavailable=away, measured=measured, now=now
        )
    except (PlanError, DataError) as error:
        problem = str(error)
    if new is not None and new.status is PlanStatus.INFEASIBLE:
        problem = " ".join(new.explanation) or "No plan reaches the SLA level."
        new = None
    if new is None:
        log.error("No new plan (%s), the one in force stays: %s", reason, problem)
        store.set_state(_PROBLEM, {"at": now.isoformat(), "reason": reason, "problem": problem})
        return old
    if store.get_state(_PROBLEM) is not None:
        store.set_state(_PROBLEM, None)
    why = why_switch(new, old, profiles, settings, unavailable=away, measured=measured)
    if why is None:
        log.info("The plan in force stays (%s): nothing to gain", reason)
        return old
    version = store.save_plan(new, activate=True)
    log.info("Plan %d is in force (%s): %s", version, reason, why)
    return store.plan_in_force()


def request_plan(store: Store, now: datetime, *, reason: str, by: str) -> None:
    """
    Ask whichever process holds the cycle to plan in its next round.

    Requests that nobody has answered yet are answered by one plan.

    Raises:
        StoreError: The store does not answer.
    """
    store.set_state(_REQUEST, {"at": now.isoformat(), "reason": reason, "by": by})


def take_request(store: Store) -> str:
    """
    Why somebody asks for a plan; empty when nobody does. What is taken is not asked for any more.

    Raises:
        StoreError: The store does not answer.
    """
    asked = store.get_state(_REQUEST)
    if asked is None:
        return ""
    # One that arrives just now is answered as well: the plan is made of what is read after this.
    store.set_state(_REQUEST, None)
    return f"asked for by {asked['by']}: {asked['reason']}"


def planning_problem(store: Store) -> Mapping[str, str] | None:
    """
    Why the latest attempt made no plan: ``at``, ``reason``, ``problem``; ``None`` when it did.

    Raises:
        StoreError: The store does not answer.
    """
    return store.get_state(_PROBLEM)


def checked_plan(
    settings: Settings,
    clusters: Sequence[ClusterSpec],
    profiles: Sequence[WorkloadProfile],
    *,
    unavailable: Collection[str] = frozenset(),
    measured: Mapping[str, Availability] | None = None,
    now: datetime,
    objective: Objective | None = None,
) -> PlacementPlan:
    """
    Make a plan and have it judged.

    Args:
        settings: Objective and limits of the planning.
        clusters: Where.
        profiles: What.
        unavailable: Names of clusters that must not be used.
        measured: How often clusters can be used, by name, where it was measured.
        now: Time stamp of the plan.
        objective: Instead of the settings' own.

    Returns:
        A sound plan, or one that says itself that the SLA level cannot be reached.

    Raises:
        DataError: A profile or the file of slowdowns cannot be used.
        PlanError: None was found in time, or the one found breaks a promise.
    """
    from aiops_provider.placement.feasibility import check_plan
    from aiops_provider.placement.workloads import plan_workloads

    clusters = clusters_with_facts(clusters, profiles, settings.open_catalog, measured or {})
    egress = egress_prices(settings, clusters)
    interference = open_interference(settings.planning)
    made = plan_workloads(
        profiles,
        clusters,
        objective or settings.objective.to_domain(),
        now=now,
        unavailable=unavailable,
        egress=egress,
        time_limit_s=settings.planning.time_limit_s,
        gap_tolerance=settings.planning.gap_tolerance,
        interference=interference,
    )
    found = check_plan(made, clusters, unavailable, egress=egress, interference=interference)
    if made.status is PlanStatus.INFEASIBLE:
        # It says so itself: that the SLA level is missed is no news.
        found = tuple(each for each in found if each.kind not in {"sla", "bound"})
    if found:
        raise PlanError(f"the plan that was made breaks promises: {_named(found)}")
    return made


def why_switch(
    new: PlacementPlan,
    old: PlacementPlan | None,
    profiles: Sequence[WorkloadProfile],
    settings: Settings,
    *,
    clusters: Sequence[ClusterSpec] | None = None,
    unavailable: Collection[str] = frozenset(),
    measured: Mapping[str, Availability] | None = None,
) -> str | None:
    """
    Why the new plan should take over, one sentence; ``None`` when the old one should stay.

    Args:
        new: Sound.
        old: In force, or ``None``.
        profiles: Of today; the old plan is judged by them.
        settings: Clusters of today, and what switching costs.
        clusters: Instead of the settings' own.
        unavailable: Names of clusters that must not be used.
        measured: How often clusters can be used, by name, where it was measured.
    """
    from aiops_provider.placement.feasibility import check_plan
    from aiops_provider.placement.improvement import (
        MEANINGFUL_ATTAINMENT,
        better_plan,
        refresh_plan,
    )

    if old is None:
        return "there was none"
    planned = {task for group in old.groups for task in group.tasks}
    missing = sorted({profile.task for profile in profiles} - planned)
    if missing:
        return f"{len(missing)} tasks are new, such as {missing[0]}"
    clusters = clusters_with_facts(
        settings.cluster_specs if clusters is None else clusters,
        profiles,
        settings.open_catalog,
        measured or {},
    )
    egress = egress_prices(settings, clusters)
    interference = open_interference(settings.planning)
    stay = refresh_plan(old, profiles, clusters, egress=egress, interference=interference)
    broken = check_plan(stay, clusters, unavailable, egress=egress, interference=interference)
    if stay.sla_attainment >= stay.objective.sla - MEANINGFUL_ATTAINMENT:
        # A plan at least cost keeps its level and no more; measured figures move a little all the time.
        broken = tuple(each for each in broken if each.kind != "sla")
    if broken:
        return f"the old one no longer holds: {_named(broken)}"
    if not better_plan(new, stay, settings.planning.switching_cost_usd):
        return None
    return (
        f"it places {new.sla_attainment:.2%} for {new.cost_usd_per_hour:.4g} USD an hour, the old "
        f"one {stay.sla_attainment:.2%} for {stay.cost_usd_per_hour:.4g}"
    )


def unavailable_clusters(
    store: Store, clusters: Sequence[ClusterSpec], now: datetime
) -> frozenset[str]:
    """
    Clusters that a plan must not use: quarantined, unfit or unreachable, but never all.

    A quarantine is a suspicion, a failed check and an unreachable cluster are facts: of all clusters
    the quarantined ones come back first, then the unfit ones, which answer at least. When none is
    reachable the plan is for the time when they are again.

    Raises:
        StoreError: The store does not answer.
    """
    names = frozenset(cluster.name for cluster in clusters)
    out = clusters_out_of_use(store, now)
    lost = names & out.unreachable.keys()
    unfit = names & out.unfit.keys()
    for away in (names & out.reasons.keys(), lost | unfit, lost):
        if away != names:
            return away
    return frozenset()


def _named(violations: Sequence[Violation]) -> str:
    told = " ".join(each.sentence for each in violations[:_MOST_NAMED])
    more = len(violations) - _MOST_NAMED
    return f"{told} (and {more} more)" if more > 0 else told
