"""What ``aiops plan list``, ``diff`` and ``nominate`` do with the plans that are stored."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from aiops_provider.control.replan import unavailable_clusters
from aiops_provider.domain.plan import PlacementPlan, PlanVersion
from aiops_provider.errors import DataError

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation
    from aiops_provider.domain.plan_difference import PlanDifference
    from aiops_provider.placement.nomination import Nomination
    from aiops_provider.store import Store

_MEND = "`aiops plan list` has them."


def list_plans(installation: Installation) -> Sequence[PlanVersion]:
    """
    The latest stored plans, newest first.

    Raises:
        StoreError: The store does not answer.
    """
    return installation.require_store().plan_versions()


def diff_plans(
    installation: Installation, old: int | None = None, new: int | None = None
) -> PlanDifference:
    """
    What a stored plan does otherwise than another.

    Args:
        installation: With a store.
        old: Version; default: the one that was in force before the new one.
        new: Version; default: the plan in force.

    Raises:
        DataError: There is no such plan.
        StoreError: The store does not answer.
    """
    from aiops_provider.placement.plan_difference import plan_difference

    store = installation.require_store()
    after = _plan(store, new) if new is not None else _in_force(store)
    before = _plan(store, old if old is not None else _before(store, after.version))
    return plan_difference(before, after)


def nominate_clusters(installation: Installation, now: datetime) -> list[Nomination]:
    """
    Lists of clusters for every task of the plan in force, without those that must not be used now.

    Raises:
        DataError: No plan is in force.
        StoreError: The store does not answer.
    """
    from aiops_provider.placement.nomination import nominate

    store = installation.require_store()
    away = unavailable_clusters(store, installation.clusters, now)
    return nominate(_in_force(store), installation.clusters, away)


def required_plan(installation: Installation) -> PlacementPlan:
    """
    The plan in force.

    Raises:
        DataError: There is none.
        StoreError: The store does not answer.
    """
    return _in_force(installation.require_store())


def _in_force(store: Store) -> PlacementPlan:
    plan = store.plan_in_force()
    if plan is None:
        raise DataError("no plan is in force", field="plan", mend="`aiops plan` makes one.")
    return plan


def _plan(store: Store, version: int) -> PlacementPlan:
    plan = store.plan(version)
    if plan is None:
        raise DataError("there is no such plan", field="version", value=version, mend=_MEND)
    return plan


def _before(store: Store, version: int) -> int:
    """The plan activated last before that version was; among equals the highest version."""
    earlier = [
        known
        for known in store.plan_versions()
        if known.version < version and known.activated_at is not None
    ]
    if not earlier:
        raise DataError(f"no plan was in force before plan {version}", field="version", mend=_MEND)
    return max(earlier, key=lambda known: known.version).version
