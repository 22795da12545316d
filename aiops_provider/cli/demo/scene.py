"""What every act works with: the host, the layer's store and API, and the demo's data."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil

from aiops_provider.cli.demo.airflow_api import TaskInstance
from aiops_provider.cli.demo.airflow_stage import AirflowStage
from aiops_provider.cli.demo.narrator import Narrator
from aiops_provider.cli.demo.outcome import Expectation
from aiops_provider.cli.demo.partitions import Hospitals, write_replicas
from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.plan import Placement
from aiops_provider.domain.units import utc_now

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation

# What happened reaches the store about a second after it happened; under load it takes longer.
_SETTLE_S = 30.0
_POLL_S = 0.5
_LOOKS = 3.0

RUN_TIMEOUT_S = 150.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """
    A DAG run that has ended.

    Attributes:
        dag_id: Its DAG.
        run_id: Its id.
        state: success or failed.
        instances: As Airflow tells them.
        began_at: When it was started.
    """

    dag_id: str
    run_id: str
    state: str
    instances: tuple[TaskInstance, ...]
    began_at: datetime

    @property
    def ran(self) -> tuple[TaskInstance, ...]:
        """Instances that really ran; a branch skips some."""
        return tuple(one for one in self.instances if one.state not in {"skipped", ""})


@dataclass(slots=True, kw_only=True)
class Scene:
    """
    The stage with everything around it.

    Attributes:
        stage: The running Airflow.
        installation: The layer's settings and store, opened as any process would.
        layer: The layer's API, with a token.
        narrator: Tells what happens.
        data: The demo's data folder.
        hospitals: Draws the rows of the partitions.
        runs: Every run so far, in order.
    """

    stage: AirflowStage
    installation: Installation
    layer: httpx.Client
    narrator: Narrator
    data: Path
    hospitals: Hospitals
    runs: list[Run] = field(default_factory=list)

    @property
    def cluster_names(self) -> tuple[str, ...]:
        """All clusters, in the order of aiops.yaml."""
        return tuple(cluster.name for cluster in self.installation.clusters)

    def clusters_of(self, provider: str) -> frozenset[str]:
        """The clusters of a provider."""
        return frozenset(one.name for one in self.installation.clusters if one.provider == provider)

    def new_period(self, *, corrupt: frozenset[str] = frozenset()) -> None:
        """The hospitals' next data arrive at every cluster, at some of them broken."""
        write_replicas(self.data, self.cluster_names, self.hospitals, utc_now(), corrupt=corrupt)

    def begin(self, dag_id: str, run_id: str, params: dict[str, Any] | None = None) -> datetime:
        """Start a run."""
        began_at = utc_now()
        self.stage.api.trigger(dag_id, run_id, params)
        return began_at

    def finish(
        self,
        dag_id: str,
        run_id: str,
        began_at: datetime,
        *,
        timeout_s: float = RUN_TIMEOUT_S,
    ) -> Run:
        """Wait for the end of a run."""
        with self.narrator.waiting(f"run {run_id} of {dag_id}") as update:

            def seen(instances: Sequence[TaskInstance]) -> None:
                done = sum(one.state in {"success", "failed", "skipped"} for one in instances)
                update(f"{done} of {len(instances)} tasks done")

            state = self.stage.api.wait(dag_id, run_id, timeout_s=timeout_s, seen=seen)
        instances = tuple(self.stage.api.task_instances(dag_id, run_id))
        run = Run(dag_id=dag_id, run_id=run_id, state=state, instances=instances, began_at=began_at)
        self.runs.append(run)
        return run

    def run(self, dag_id: str, run_id: str, params: dict[str, Any] | None = None) -> Run:
        """Start a run and wait for its end."""
        return self.finish(dag_id, run_id, self.begin(dag_id, run_id, params))

    def placements(self, run: Run) -> list[Placement]:
        """Every placement of a run, oldest first."""
        store = self.installation.require_store()
        found = store.placements(run_id=run.run_id, limit=1_000)
        return sorted(found, key=lambda one: (one.placed_at, one.epoch))

    def records(self, run: Run) -> list[ExecutionRecord]:
        """What was measured of every try of a run, once all of it has arrived."""
        tries = sum(max(one.try_number, 1) for one in run.ran)
        found: list[ExecutionRecord] = []

        def arrived() -> bool:
            nonlocal found
            recent = self.installation.require_store().executions(since=run.began_at)
            found = [one for one in recent if one.run.run_id == run.run_id]
            return len(found) >= tries

        self.until(arrived, timeout_s=_SETTLE_S)
        return sorted(found, key=lambda one: one.ended_at)

    def until(self, condition: Callable[[], bool], *, timeout_s: float) -> bool:
        """Wait for a condition; returns whether it came true in time."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.stage.check()
            time.sleep(_POLL_S)
        return True

    def pool_process(self, cluster: str) -> psutil.Process | None:
        """The pool process of a cluster: a descendant of our scheduler, known by its title."""
        wanted = f"aiops pool: {cluster}"
        for process in psutil.Process(self.stage.scheduler_pid).children(recursive=True):
            try:
                if " ".join(process.cmdline()).strip() == wanted:
                    return process
            except psutil.NoSuchProcess:
                continue
        return None


def let_routers_look(installation: Installation) -> None:
    """
    Wait until hosts know what the store knows.

    Routers look at the store once in a while: a run that starts before that cannot know.
    """
    time.sleep(_LOOKS * installation.settings.routing.refresh_s)


def expect(
    what: str, *, expected: object, observed: object, met: bool | None = None
) -> Expectation:
    """An expectation; without a verdict it is met when both are equal."""
    return Expectation(
        what=what,
        expected=str(expected),
        observed=str(observed),
        met=(expected == observed) if met is None else met,
    )
