"""
Keeps a process's decisions fresh and its observations written, off the host's critical path.

One thread per process: it looks at the store's version, swaps the decider's snapshot when that has
moved, and writes what has happened meanwhile. A store that does not answer changes nothing: the old
snapshot stays in force and what is to be written waits in memory, bounded, the oldest dropped first.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from aiops_provider.control.decide import Decider
from aiops_provider.control.lessons import LessonReader
from aiops_provider.control.past_moves import earlier_tries
from aiops_provider.control.pool_leases import PoolLeases
from aiops_provider.control.snapshot_reader import SnapshotReader
from aiops_provider.control.stored_lineage import store_lineage
from aiops_provider.domain.cluster import ClusterHealth
from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.plan import Placement, PlacementState
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.units import utc_now
from aiops_provider.domain.workload import TaskDescription
from aiops_provider.errors import StoreError, StoreNotMigratedError, StoreUnreachableError

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation
    from aiops_provider.store import Store

log = logging.getLogger(__name__)

# A day of a busy scheduler; beyond it the oldest observation is worth less than the memory.
_PENDING_LIMIT = 100_000
# What this process sees itself counts at once; what others tell of the past changes slowly.
_SPELLS_EVERY = timedelta(seconds=60)

_Item = TypeVar("_Item")


class Refresher:
    """
    The thread between one process's decider and the store.

    Args:
        installation: Settings, clusters and store.
        decider: Whose snapshot is kept fresh.
    """

    def __init__(self, installation: Installation, decider: Decider) -> None:
        self._installation = installation
        self._decider = decider
        self._records: deque[ExecutionRecord] = deque(maxlen=_PENDING_LIMIT)
        self._placements: deque[Placement] = deque(maxlen=_PENDING_LIMIT)
        self._states: deque[tuple[TaskRun, int, PlacementState]] = deque(maxlen=_PENDING_LIMIT)
        self._descriptions: dict[TaskKey, TaskDescription] = {}
        self._lineages: dict[str, Mapping[str, Sequence[str]]] = {}
        self._health: dict[str, ClusterHealth] = {}
        self._health_again: dict[str, ClusterHealth] = {}
        self._reader: SnapshotReader | None = None
        self._lessons: LessonReader | None = None
        self._spells_read_at: datetime | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failing = False
        self._unleased = False
        self._leases: PoolLeases | None = None
        if installation.store is not None and installation.settings.enabled:
            self._leases = PoolLeases(
                installation.store,
                decider.ledger,
                installation.clusters,
                period_s=installation.settings.routing.refresh_s,
            )

    def start(self) -> None:
        """Start the thread; without a store there is nothing to keep fresh."""
        if self._installation.store is None or self._thread is not None:
            return
        self._thread = threading.Thread(target=self._run, name="aiops refresher", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Write what is left and give back the leased capacity, within the time given."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def executed(self, record: ExecutionRecord) -> None:
        """Note a try that ended; it is learned from soon."""
        self._records.append(record)

    def placed(self, placement: Placement) -> None:
        """Note a placement that could not be written in the host's transaction."""
        self._placements.append(placement)

    def submitted(self, run: TaskRun, epoch: int) -> None:
        """Note that a cluster has taken a placement."""
        self._states.append((run, epoch, PlacementState.SUBMITTED))

    def fenced(self, run: TaskRun, epoch: int) -> None:
        """Note that a placement counts no more although it may still run."""
        self._states.append((run, epoch, PlacementState.FENCED))

    def moved(self, run: TaskRun, epoch: int) -> None:
        """Note that a placement was ended because another place is cheaper."""
        self._states.append((run, epoch, PlacementState.MOVED))

    def described(self, task: TaskKey, description: TaskDescription) -> None:
        """Note what a user says about a task, for profiles made elsewhere."""
        self._descriptions[task] = description

    def linked(self, dag: str, downstream: Mapping[str, Sequence[str]]) -> None:
        """Note which tasks of a DAG are directly downstream of which, by name."""
        self._lineages[dag] = downstream

    def observed(self, health: ClusterHealth, *, again: bool) -> None:
        """Note what a probe said; *again*: as it did before."""
        (self._health_again if again else self._health)[health.cluster] = health

    def refresh(self) -> None:
        """Write what is pending and swap the snapshot if the store has moved."""
        store = self._installation.store
        if store is None:
            return
        from aiops_provider.control.cycle import LEASE_NAME

        now = utc_now()
        seen = store.glance(LEASE_NAME)
        self._renew_leases(seen.pool_lease_holders)
        self._write(store, now, learns_here=not seen.lease_is_held)
        current = self._decider.snapshot
        lapsed = current.valid_until is not None and now >= current.valid_until
        # What was learned here is decided by at once; what others write meanwhile is seen next time.
        version = seen.version if seen.lease_is_held else store.version()
        if version != current.version or lapsed:
            if self._reader is None:
                self._reader = SnapshotReader(self._installation)
            self._decider.swap(self._reader.read(version, now))
        if self._spells_read_at is None or now - self._spells_read_at >= _SPELLS_EVERY:
            self._decider.patience.hear(store.spells())
            self._spells_read_at = now
        if self._lessons is None:
            self._lessons = LessonReader(store)
        if self._lessons.due(now):
            self._decider.hear(self._lessons.read(now))
        self._read_past_moves(store, now)

    def look_for_moves(self) -> None:
        """Evaluate which running tasks are worth moving, whether the store answers or not."""
        try:
            self._decider.moves.look(utc_now())
        except Exception:
            # The thread must outlive it: tasks stay where they are.
            log.exception("No task is moved")

    def _read_past_moves(self, store: Store, now: datetime) -> None:
        runs = self._decider.moves.unread(now)
        if runs:
            earlier = [each for run in runs for each in earlier_tries(run)]
            placements = store.latest_placements(earlier)
            moved = [e for e, p in placements.items() if p.state is PlacementState.MOVED]
            self._decider.moves.hear(runs, placements, store.executions_of(moved))

    def _run(self) -> None:
        period_s = self._installation.settings.routing.refresh_s
        while True:
            stopping = self._stop.wait(period_s)
            try:
                self.refresh()
                if self._failing:
                    log.warning("The store answers again; %d records were kept", len(self._records))
                self._failing = False
            except Exception:
                # The thread must outlive any failure of the store: decisions go on from memory.
                if not self._failing:
                    log.exception("The store fails; decisions go on from memory")
                self._failing = True
            if stopping:
                self._release_leases()
                return
            self.look_for_moves()

    def _renew_leases(self, holders: Collection[str]) -> None:
        """Where that fails the slices stay as they are; to read is worth a try all the same."""
        if self._leases is None:
            return
        try:
            self._leases.renew(holders)
        except StoreError as error:
            if not self._unleased:
                log.warning("Leases of capacity are not renewed, the slices stay: %s", error)
            self._unleased = True
        else:
            self._unleased = False

    def _release_leases(self) -> None:
        if self._leases is None:
            return
        try:
            self._leases.release()
        except StoreError as error:
            log.warning("The leased capacity comes free by itself: %s", error)

    def _write(self, store: Store, now: datetime, *, learns_here: bool) -> None:
        from aiops_provider.control.learn import remember_description

        _drain(self._placements, lambda batch: _record_placements(store, batch))
        _drain(self._states, lambda batch: _move_on(store, batch))
        _drain(self._records, lambda batch: self._write_down(store, batch, now, learns_here))
        while self._descriptions:
            task, description = next(iter(self._descriptions.items()))
            # The decider's profiler has heard of the others already.
            remember_description(
                self._installation, task, description, unseen=self._decider.profiler
            )
            del self._descriptions[task]
        while self._lineages:
            dag, downstream = next(iter(self._lineages.items()))
            store_lineage(store, dag, downstream)
            if self._lineages.get(dag) is downstream:
                del self._lineages[dag]
        for pending, again in ((self._health, False), (self._health_again, True)):
            healths = dict(pending)
            store.record_health(list(healths.values()), again=again)
            for name, health in healths.items():
                if pending.get(name) is health:
                    del pending[name]

    def _write_down(
        self, store: Store, batch: list[ExecutionRecord], now: datetime, learns_here: bool
    ) -> None:
        """
        The process of the control cycle learns from what is written down, off this interpreter.

        Where there is none – it is left to a server that does not run, or has died – nobody else would,
        so that it is done here. What is written down while the lease of a dead one still runs is not
        lost: the next one goes on from where that one stopped, and so does the task's next end here.
        """
        from aiops_provider.control.learn import learn

        if learns_here:
            learn(self._installation, batch, now)
        else:
            store.record_executions(batch)


def _record_placements(store: Store, batch: list[Placement]) -> None:
    try:
        store.record_placements(batch)
    except (StoreUnreachableError, StoreNotMigratedError):
        raise
    except StoreError:
        # One of them is refused for ever: another process gave its epoch first. The rest must not
        # wait behind it.
        for placement in batch:
            try:
                store.record_placements([placement])
            except (StoreUnreachableError, StoreNotMigratedError):
                raise
            except StoreError as error:
                log.warning("A placement stays unrecorded: %s", error)


def _move_on(store: Store, batch: list[tuple[TaskRun, int, PlacementState]]) -> None:
    for run, epoch, state in batch:
        store.set_placement_state(run, epoch, state)


def _drain(pending: deque[_Item], write: Callable[[list[_Item]], object]) -> None:
    """Write in one go; what could not be written stays first in line."""
    batch = list(pending)
    if not batch:
        return
    write(batch)
    for _ in batch:
        pending.popleft()
