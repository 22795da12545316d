"""
Reads from the store what decisions are made from, and after the first time only what has changed.

A busy scheduler has a finished task every moment, each of which changes one profile of thousands; to
read them all again for each would cost it more than its tasks.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from aiops_provider.control.accelerator_advice import AcceleratorHistory, accelerator_history
from aiops_provider.control.cluster_check import failed_checks
from aiops_provider.control.decide import Snapshot
from aiops_provider.domain.alarm import Response, ResponseAction
from aiops_provider.domain.plan import PlacementPlan
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement.router import RouterSnapshot
from aiops_provider.profiling.book import ProfileBook

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation

# What runs on accelerators takes minutes to days: enough for weeks.
_MOST_RECORDS = 1_000
_FEWEST_MODELS = 2

_NOTHING_MEASURED = AcceleratorHistory()

# A profile lies in the store some time after the moment that it bears, and clocks differ.
_LATE_BY = timedelta(seconds=60)
# By then all are looked at again, whatever moments they bear.
_ALL_EVERY = timedelta(minutes=10)


class SnapshotReader:
    """
    Makes one snapshot after the other.

    Args:
        installation: With a store.
    """

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._store = installation.require_store()
        self._plan: PlacementPlan | None = None
        self._book = ProfileBook()
        self._made_at: dict[TaskKey, datetime] = {}
        self._newest: datetime | None = None
        self._all_read_at: datetime | None = None

    def read(self, version: int, now: datetime) -> Snapshot:
        """
        The next snapshot.

        Args:
            version: The store's version seen before reading; a later change moves it again.
            now: Decides which responses are in force.

        Raises:
            StoreError: If the store does not answer.
        """
        quarantined, held, valid_until = in_force(self._store.responses(active_at=now))
        router = RouterSnapshot(
            clusters=self._installation.clusters,
            plan=self._plan_in_force(),
            quarantined=quarantined,
            unreachable={},
            unfit=failed_checks(self._store),
            held_tasks=held,
            carbon_usd_per_kg=self._installation.settings.objective.carbon_usd_per_kg,
        )
        return Snapshot(
            router=router,
            book=self._next_book(now),
            accelerators=_accelerator_history(self._installation),
            version=version,
            valid_until=valid_until,
        )

    def _plan_in_force(self) -> PlacementPlan | None:
        """A stored plan never changes, so that its version tells whether it is still the same."""
        wanted = self._store.plan_version_in_force()
        if wanted is None:
            self._plan = None
        elif self._plan is None or self._plan.version != wanted:
            self._plan = self._store.plan_in_force()
        return self._plan

    def _next_book(self, now: datetime) -> ProfileBook:
        since = self._newest - _LATE_BY if self._newest is not None else None
        if self._all_read_at is None or not (timedelta(0) <= now - self._all_read_at < _ALL_EVERY):
            since, self._all_read_at = None, now
        news = [
            each
            for each in self._store.stored_profiles(since=since)
            if self._made_at.get(each.task) != each.predicted_at
        ]
        if news:
            self._made_at.update((each.task, each.predicted_at) for each in news)
            self._newest = max(self._made_at[each.task] for each in news)
            self._book = self._book.with_unread({each.task: each.read for each in news})
        return self._book


def load_snapshot(installation: Installation, now: datetime) -> Snapshot:
    """
    Read everything that decisions are made from, once.

    Args:
        installation: With a store.
        now: Decides which responses are in force.

    Raises:
        StoreError: If the store does not answer.
    """
    version = installation.require_store().version()
    return SnapshotReader(installation).read(version, now)


def _accelerator_history(installation: Installation) -> AcceleratorHistory:
    """Nothing is read where there is nothing to choose from."""
    clusters = installation.clusters
    models = {
        m for cluster in clusters for pool in cluster.pools for m in pool.machine.accelerators
    }
    if len(models) < _FEWEST_MODELS:
        return _NOTHING_MEASURED
    records = installation.require_store().executions(limit=_MOST_RECORDS)
    return accelerator_history(records, clusters, installation.settings.open_catalog)


def in_force(
    responses: list[Response],
) -> tuple[Mapping[str, str], frozenset[TaskKey], datetime | None]:
    """
    What routers must honour.

    Returns:
        Reason by quarantined cluster, the tasks held, and when the first of these lapses.
    """
    quarantined: dict[str, str] = {}
    held: set[TaskKey] = set()
    for response in responses:
        if response.action is ResponseAction.QUARANTINE:
            quarantined |= dict.fromkeys(response.clusters, response.reason)
        elif response.action is ResponseAction.HOLD_TASK and response.task is not None:
            held.add(response.task)
    return quarantined, frozenset(held), min((r.expires_at for r in responses), default=None)
