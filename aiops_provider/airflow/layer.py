"""
The layer as the scheduler holds it: decisions, the thread beside it, the process beside that.

When aiops.yaml or the store cannot be used, the layer still opens, switched off: every task runs on
one local cluster, and the log says what is wrong.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiops_provider.airflow.host import ingest_url, open_installation
from aiops_provider.control.decide import Decider, Decision, TaskRequest
from aiops_provider.control.environment import worker_environment
from aiops_provider.control.refresh import Refresher
from aiops_provider.domain.cluster import ClusterHealth, ClusterSpec, HealthState
from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.units import utc_now

if TYPE_CHECKING:
    import subprocess

    from sqlalchemy.orm import Session

    from aiops_provider.control.installation import Installation
    from aiops_provider.settings.schema import Settings

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Layer:
    """
    Everything beside the executor's own queue.

    Attributes:
        installation: Settings, clusters and store.
        decider: Decides from memory.
        refresher: Keeps the decider fresh and writes what happened.
    """

    installation: Installation
    decider: Decider
    refresher: Refresher
    _cycle: subprocess.Popen[bytes] | None = field(default=None)
    _health: dict[str, HealthState] = field(default_factory=dict)

    @classmethod
    def open(cls) -> Layer:
        """Open the installation; one that cannot be used leaves the layer switched off."""
        try:
            installation = open_installation()
        except Exception:
            # Whatever is wrong with us, the scheduler must start and its tasks must run.
            log.exception("The AIOps layer is off: its configuration cannot be used")
            installation = _switched_off()
        decider = Decider(installation)
        return cls(installation, decider, Refresher(installation, decider))

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.installation.settings

    @property
    def clusters(self) -> tuple[ClusterSpec, ...]:
        """All clusters."""
        return self.installation.clusters

    @property
    def fallback(self) -> str:
        """Name of the cluster for whatever is not placed."""
        return self.settings.fallback.name

    def start(self) -> None:
        """Prepare the store and start what runs beside the scheduler."""
        try:
            self._prepare_store()
            self.refresher.refresh()
        except Exception:
            # As above: without a store there is no memory, but tasks run.
            log.exception("The store cannot be used; decisions go on from memory")
        self.refresher.start()
        if self.settings.enabled and self.settings.run_cycle and self.installation.store:
            from aiops_provider.control.cycle import start_cycle_process

            self._cycle = start_cycle_process(self.installation)

    def stop(self) -> None:
        """End the thread and the process beside it."""
        self.refresher.stop()
        if self._cycle is not None:
            self._cycle.terminate()
            self._cycle.wait(10)

    def decide(self, request: TaskRequest, session: Session | None) -> Decision:
        """Choose, and write the choice: in the scheduler's transaction where that is the store."""
        if request.description is not None:
            self.refresher.described(request.run.task, request.description)
        decision = self.decider.decide(request)
        if not self.settings.enabled or self.installation.store is None:
            return decision
        if session is None or not self.installation.shares_host_database:
            self.refresher.placed(decision.placement)
            return decision
        try:
            with session.begin_nested():
                self.installation.store.record_placements([decision.placement], connection=session)
        except Exception:
            # A row that cannot be written must not undo the scheduler's own transaction.
            log.exception("The placement of %s is written later", request.run)
            self.refresher.placed(decision.placement)
        return decision

    def executed(self, record: ExecutionRecord) -> None:
        """Take in what happened to a try."""
        self.decider.finished(record)
        if self.settings.enabled:
            self.refresher.executed(record)

    def observe(self, health: ClusterHealth) -> None:
        """Take in a probe; only a change of state is news."""
        if self._health.get(health.cluster) is health.state:
            return
        if self._health.get(health.cluster) is not None:
            log.warning("Cluster %s is %s: %s", health.cluster, health.state.value, health.detail)
        self._health[health.cluster] = health.state
        self.decider.set_health(health)
        self.refresher.observed(health)

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
        """Variables by which the worker knows who it is and where it reports to."""
        if not self.settings.enabled:
            return {}
        return worker_environment(self.installation, decision, url=ingest_url(self.installation))

    def _prepare_store(self) -> None:
        store = self.installation.store
        if store is None:
            return
        if store.revision() is None:
            # A first start: there is nothing that an upgrade could harm.
            log.info("Creating the tables of the AIOps layer in %s", store.url_redacted)
            store.upgrade()
        store.check()


def _switched_off() -> Installation:
    from aiops_provider.control.installation import Installation
    from aiops_provider.settings.schema import Settings

    return Installation.without_store(Settings(enabled=False))
