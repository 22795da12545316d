"""
The layer as a host's process holds it: decisions, the thread beside it, the process beside that.

Nothing here raises into a host: when aiops.yaml or the store cannot be used, the layer still opens,
switched off, and every task runs on the fallback cluster; the log says what is wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from aiops_provider.control.decide import Decider, Decision, TaskRequest
from aiops_provider.control.environment import worker_environment
from aiops_provider.control.installation import Installation
from aiops_provider.control.refresh import Refresher
from aiops_provider.domain.cluster import ClusterHealth, ClusterSpec, HealthState
from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.plan import Placement
from aiops_provider.domain.task import TaskRun
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import StoreError
from aiops_provider.settings.schema import Settings

if TYPE_CHECKING:
    import subprocess

log = logging.getLogger(__name__)

_CYCLE_END_S = 10.0
# Tries that wait longer are looked up when they are placed anew.
_EPOCHS_OF = timedelta(days=2)
_MOST_EPOCHS = 100_000
# Probes come every few seconds; how often a cluster can be used is known well enough by one a minute.
_TOLD_EVERY = timedelta(seconds=60)


class Layer:
    """
    Everything beside a host's own queue; may be called from several threads.

    Args:
        installation: Settings, clusters and store.
        ingest_url: Where workers report to; ``None``: they report nothing.

    Attributes:
        installation: As given.
        decider: Decides from memory.
        refresher: Keeps the decider fresh and writes what happened.
    """

    def __init__(self, installation: Installation, *, ingest_url: str | None) -> None:
        self.installation = installation
        self.decider = Decider(installation)
        self.refresher = Refresher(installation, self.decider)
        self._ingest_url = ingest_url
        self._cycle: subprocess.Popen[bytes] | None = None
        self._health: dict[str, ClusterHealth] = {}

    @classmethod
    def open(
        cls,
        open_installation: Callable[[], Installation],
        *,
        ingest_url: Callable[[Installation], str | None],
    ) -> Self:
        """
        Open the installation; one that cannot be used leaves the layer switched off.

        Args:
            open_installation: Reads the settings as the host finds them.
            ingest_url: Where workers of this host report to.
        """
        try:
            installation = open_installation()
            return cls(installation, ingest_url=ingest_url(installation))
        except Exception:
            # Whatever is wrong with us, the host must start and its tasks must run.
            log.exception("The AIOps layer is off: its configuration cannot be used")
            return cls(Installation.without_store(Settings(enabled=False)), ingest_url=None)

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.installation.settings

    @property
    def clusters(self) -> tuple[ClusterSpec, ...]:
        """All clusters."""
        return self.installation.clusters

    def start(self) -> None:
        """Prepare the store and start what runs beside the host."""
        try:
            self._prepare_store()
            self.refresher.refresh()
            if self._remembers:
                self._remember_epochs()
        except Exception:
            # As above: without a store there is no memory, but tasks run.
            log.exception("The store cannot be used; decisions go on from memory")
        self.refresher.start()
        if self.settings.enabled and self.settings.run_cycle and self.installation.store:
            from aiops_provider.control.cycle import start_cycle_process

            self._cycle = start_cycle_process(self.installation)

    def stop(self) -> None:
        """End the thread and the process beside the host, within seconds."""
        self.refresher.stop()
        if self._cycle is not None:
            self._cycle.terminate()
            self._cycle.wait(_CYCLE_END_S)
            self._cycle = None
        self.installation.close()

    def decide(self, request: TaskRequest, *, host_writes: bool = False) -> Decision:
        """
        Choose where a try runs, from memory; the choice is written soon.

        Args:
            request: The task.
            host_writes: The host has a transaction in the store, before whose end it calls
                :meth:`write_chosen`.
        """
        decision = self.decider.decide(request)
        if not self._remembers:
            return decision
        if request.description is not None:
            self.refresher.described(request.run.task, request.description)
        if not host_writes:
            self.refresher.placed(decision.placement)
        return decision

    def tell_lineage(self, dag: str, downstream: Mapping[str, Sequence[str]]) -> None:
        """
        Say which tasks of a DAG use what others make; it is written soon.

        Args:
            dag: Its id.
            downstream: Names of the tasks directly downstream, by the name of the task.
        """
        if self._remembers:
            self.refresher.linked(dag, downstream)

    def write_chosen(
        self,
        chosen: Sequence[tuple[TaskRequest, Decision]],
        write: Callable[[Sequence[Placement]], None],
    ) -> list[Decision]:
        """
        Write choices in the host's own transaction, in one go; never raises.

        Args:
            chosen: Choices with what was asked for.
            write: Writes placements in that transaction, all or none.

        Returns:
            The decisions as written, in the same order. Where another process has placed the try,
            that is a new one; what cannot be written now is written later.
        """
        if not self._remembers:
            return [decision for _, decision in chosen]
        try:
            write([decision.placement for _, decision in chosen])
        except StoreError as error:
            log.info("Placements are written one by one: %s", error)
            return [self._written(request, decision, write) for request, decision in chosen]
        except Exception:
            # Rows of ours that cannot be written must not undo the host's own transaction.
            log.exception("%d placements are written later", len(chosen))
            for _, decision in chosen:
                self.refresher.placed(decision.placement)
            return [decision for _, decision in chosen]
        return [replace(decision, recorded=True) for _, decision in chosen]

    def decide_again(self, request: TaskRequest, earlier: Decision) -> Decision:
        """
        Choose anew for a try that has not been sent; the earlier choice if nothing else is better.

        Args:
            request: As for the earlier choice.
            earlier: Which is no longer good.
        """
        decision = self.decider.decide(request)
        if _place(decision) == _place(earlier):
            return earlier
        if self._remembers:
            self.refresher.placed(decision.placement)
        return decision

    def record(self, decisions: Sequence[Decision]) -> None:
        """
        Make sure that these choices are on record, in one go; those that are cost nothing.

        Raises:
            StoreError: They could not be written; nothing may be sent by them.
        """
        pending = [each.placement for each in decisions if not each.recorded]
        if pending and self._remembers:
            self.installation.require_store().record_placements(pending)

    def submitted(self, run: TaskRun, epoch: int) -> None:
        """A cluster has taken a try: whoever restarts must look for it there."""
        if self._remembers:
            self.refresher.submitted(run, epoch)

    def fenced(self, record: ExecutionRecord, epoch: int) -> None:
        """A try on a lost cluster counts no more, whatever becomes of it there."""
        self.executed(record)
        if self._remembers:
            self.refresher.fenced(record.run, epoch)

    def moved(self, record: ExecutionRecord, epoch: int) -> None:
        """A try was ended to go on at a cheaper cluster."""
        self.executed(record)
        if self._remembers:
            self.refresher.moved(record.run, epoch)

    def newest_placements(self, runs: Sequence[TaskRun]) -> Mapping[TaskRun, Placement]:
        """
        Where tries were sent, also by earlier processes; later choices count on from these.

        Raises:
            StoreError: The store does not answer.
        """
        store = self.installation.store
        newest = store.latest_placements(runs) if store is not None else {}
        self.decider.epochs.remember({run: each.epoch for run, each in newest.items()})
        return newest

    def executed(self, record: ExecutionRecord) -> None:
        """Take in what happened to a try."""
        self.decider.finished(record)
        if self.settings.enabled:
            self.refresher.executed(record)

    def suspended(self, record: ExecutionRecord) -> None:
        """Take in a stay of a try whose next stay has been placed already: that keeps its room."""
        if self.settings.enabled:
            self.refresher.executed(record)

    def observe(self, health: ClusterHealth) -> None:
        """Take in a probe; a change of state is news, and now and then that there is none."""
        before = self._health.get(health.cluster)
        same = before is not None and before.state is health.state
        if before is not None and same and health.observed_at - before.observed_at < _TOLD_EVERY:
            return
        self._health[health.cluster] = health
        self.refresher.observed(health, again=same)
        if same:
            return
        if before is not None or health.state is HealthState.UNREACHABLE:
            log.warning("Cluster %s is %s: %s", health.cluster, health.state.value, health.detail)
        self.decider.set_health(health)

    def refused(self, cluster: str, detail: str) -> None:
        """A cluster did not take a task: unreachable until a probe says otherwise."""
        self.observe(
            ClusterHealth(
                cluster=cluster,
                state=HealthState.UNREACHABLE,
                observed_at=utc_now(),
                detail=detail,
            )
        )

    def environment(self, decision: Decision) -> dict[str, str]:
        """Variables by which a task knows who it is and where it reports to."""
        if not self.settings.enabled or self._ingest_url is None:
            return {}
        try:
            return worker_environment(self.installation, decision, url=self._ingest_url)
        except Exception:
            # A task that cannot report is worth more than one that does not run.
            log.exception("%s runs without telemetry", decision.placement.run)
            return {}

    @property
    def _remembers(self) -> bool:
        return self.settings.enabled and self.installation.store is not None

    def _written(
        self,
        request: TaskRequest,
        decision: Decision,
        write: Callable[[Sequence[Placement]], None],
    ) -> Decision:
        """The decision as written; another scheduler may have placed the try, then the next one."""
        try:
            try:
                write([decision.placement])
            except StoreError:
                newest = self.newest_placements([request.run]).get(request.run)
                if newest is None or newest.epoch < decision.placement.epoch:
                    raise
                decision = self.decider.decide(request)
                write([decision.placement])
        except Exception:
            # As above: the host's transaction goes on.
            log.exception("The placement of %s is written later", decision.placement.run)
            self.refresher.placed(decision.placement)
            return decision
        return replace(decision, recorded=True)

    def _remember_epochs(self) -> None:
        """Count on from what earlier processes gave, for tries that may still be placed anew."""
        store = self.installation.require_store()
        recent = store.placements(since=utc_now() - _EPOCHS_OF, limit=_MOST_EPOCHS)
        epochs: dict[TaskRun, int] = {}
        first: dict[TaskRun, datetime] = {}
        for placement in recent:
            epochs[placement.run] = max(placement.epoch, epochs.get(placement.run, 0))
            placed_at = placement.placed_at
            first[placement.run] = min(placed_at, first.get(placement.run, placed_at))
        self.decider.epochs.remember(epochs)
        self.decider.patience.remember(first)

    def _prepare_store(self) -> None:
        store = self.installation.store
        if store is None:
            return
        if store.revision() is None:
            # A first start: there is nothing that an upgrade could harm.
            log.info("Creating the tables of the AIOps layer in %s", store.url_redacted)
            store.upgrade()
        store.check()


def _place(decision: Decision) -> tuple[str, str]:
    """Where a try goes; of one that does not follow its route the pool is not known."""
    placement = decision.placement
    return decision.cluster.name, placement.route.pool if placement.applied else ""
