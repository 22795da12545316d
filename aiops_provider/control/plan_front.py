"""What ``aiops plan --pareto`` does: what more SLA would cost, from the cheapest plans at many levels."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from aiops_provider.control.plan_file import described_profiles
from aiops_provider.control.replan import checked_plan, unavailable_clusters
from aiops_provider.domain.plan import Objective, PlacementPlan

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation
    from aiops_provider.domain.plan_front import PlanFront
    from aiops_provider.settings.schema import Settings


def front_of_file(
    workloads: Path,
    settings: Settings,
    now: datetime,
    *,
    plans: int,
    made: Callable[[], object] = lambda: None,
) -> PlanFront:
    """
    The front of described tasks on the configured clusters; nothing is stored.

    Args:
        workloads: YAML, a list of task descriptions, each with ``task: namespace/name``.
        settings: Clusters, budget and limits of the planning; its time limit is that of each plan.
        now: Time stamp of the plans.
        plans: Made at most, at least 2.
        made: Called after each.

    Raises:
        DescriptionError: The file cannot be used.
        PlanError: No plan was found in time.
    """
    profiles = described_profiles(workloads, settings, now)

    def plan_for(objective: Objective) -> PlacementPlan:
        return checked_plan(
            settings, settings.cluster_specs, profiles, now=now, objective=objective
        )

    return _front(plan_for, settings, plans, made)


def front_of_installation(
    installation: Installation,
    now: datetime,
    *,
    plans: int,
    made: Callable[[], object] = lambda: None,
) -> PlanFront | None:
    """
    The front of all known tasks on the clusters that can be used now; no plan is stored.

    Args:
        installation: With a store.
        now: Time stamp of the plans.
        plans: Made at most, at least 2.
        made: Called after each.

    Returns:
        ``None`` while no task is known.

    Raises:
        PlanError: No plan was found in time.
        StoreError: The store does not answer.
    """
    store, settings = installation.require_store(), installation.settings
    profiles = store.profiles()
    if not profiles:
        return None
    away = unavailable_clusters(store, installation.clusters, now)
    measured = store.availability()

    def plan_for(objective: Objective) -> PlacementPlan:
        return checked_plan(
            settings,
            installation.clusters,
            profiles,
            unavailable=away,
            measured=measured,
            now=now,
            objective=objective,
        )

    return _front(plan_for, settings, plans, made)


def _front(
    plan_for: Callable[[Objective], PlacementPlan],
    settings: Settings,
    plans: int,
    made: Callable[[], object],
) -> PlanFront:
    from aiops_provider.placement.pareto import pareto_front

    def counted(objective: Objective) -> PlacementPlan:
        try:
            return plan_for(objective)
        finally:
            made()

    return pareto_front(counted, settings.objective.to_domain(), most_points=plans)
