"""What the acts on Prefect work with: the host, the layer's store, and the runs so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiops_provider.cli.demo.narrator import Narrator
from aiops_provider.cli.demo.prefect_api import FlowRun
from aiops_provider.cli.demo.prefect_stage import PrefectStage
from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.kpi import KpiSample
from aiops_provider.domain.plan import Placement
from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.units import utc_now

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation

# What happened reaches the store about a second after it happened; under load it takes longer.
_SETTLE_S = 30.0
_POLL_S = 0.5
_SAMPLES = 100_000

# Six times what a run takes on two cores that nobody else uses.
RUN_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRun:
    """
    A run of the pipeline that has ended.

    Attributes:
        run_id: What the demo calls it.
        pipeline: The flow run of the pipeline itself.
        steps: The flow runs that it started.
        began_at: When it was started.
    """

    run_id: str
    pipeline: FlowRun
    steps: tuple[FlowRun, ...]
    began_at: datetime

    @property
    def flow_runs(self) -> tuple[FlowRun, ...]:
        """The pipeline and its steps."""
        return (self.pipeline, *self.steps)

    @property
    def ids(self) -> frozenset[str]:
        """Ids of all of them."""
        return frozenset(one.id for one in self.flow_runs)


@dataclass(slots=True, kw_only=True)
class PrefectScene:
    """
    The stage with everything around it.

    Attributes:
        stage: The running Prefect.
        installation: The layer's settings and store, opened as any process would.
        narrator: Tells what happens.
        runs: Every run so far, in order.
    """

    stage: PrefectStage
    installation: Installation
    narrator: Narrator
    runs: list[PipelineRun] = field(default_factory=list)

    def begin(self, deployment: str, parameters: dict[str, Any]) -> tuple[str, datetime]:
        """Start a run; returns its id and the moment before it."""
        began_at = utc_now()
        return self.stage.api.start(deployment, parameters), began_at

    def finish(self, run_id: str, flow_run_id: str, began_at: datetime) -> PipelineRun:
        """Wait for the end of a run, and give it a name."""
        api = self.stage.api
        with self.narrator.waiting(f"the {run_id} run") as update:

            def seen(steps: Sequence[FlowRun]) -> None:
                done = sum(one.state == "COMPLETED" for one in steps)
                update(f"{done} of {len(steps)} steps done")

            pipeline = api.wait(flow_run_id, timeout_s=RUN_TIMEOUT_S, seen=seen)
        steps = tuple(api.children(flow_run_id))
        run = PipelineRun(run_id=run_id, pipeline=pipeline, steps=steps, began_at=began_at)
        self.runs.append(run)
        return run

    def profiles(self) -> dict[TaskKey, WorkloadProfile]:
        """All profiles that were learned so far."""
        return {one.task: one for one in self.installation.require_store().profiles()}

    def placements(self, run: PipelineRun) -> list[Placement]:
        """Every placement of a run, oldest first."""
        store = self.installation.require_store()
        found = [one for key in run.ids for one in store.placements(run_id=key, limit=1_000)]
        return sorted(found, key=lambda one: (one.placed_at, one.epoch))

    def records(self, run: PipelineRun) -> list[ExecutionRecord]:
        """What was measured of every try of a run, once the last of each flow run has arrived."""
        found: list[ExecutionRecord] = []

        def arrived() -> bool:
            nonlocal found
            recent = self.installation.require_store().executions(since=run.began_at)
            found = [one for one in recent if one.run.run_id in run.ids]
            ended = {one.run.run_id for one in found if one.outcome.value == "success"}
            return ended == run.ids

        self.until(arrived, timeout_s=_SETTLE_S)
        return sorted(found, key=lambda one: one.ended_at)

    def samples(self, run: PipelineRun) -> list[KpiSample]:
        """KPIs that the flow runs of a run reported."""
        found, _ = self.installation.require_store().samples_after(0, _SAMPLES)
        return [one for one in found if one.context.get("run_id") in run.ids]

    def until(self, condition: Callable[[], bool], *, timeout_s: float) -> bool:
        """Wait for a condition; returns whether it came true in time."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                return False
            self.stage.check()
            time.sleep(_POLL_S)
        return True
