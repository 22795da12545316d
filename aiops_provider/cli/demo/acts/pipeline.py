"""Act 1 on Prefect: unmodified flows are profiled, placed, measured and learned from."""

from __future__ import annotations

from collections.abc import Iterator

from aiops_provider.cli.demo.medical import choose_candidates
from aiops_provider.cli.demo.outcome import Expectation
from aiops_provider.cli.demo.prefect_scene import PipelineRun, PrefectScene
from aiops_provider.cli.demo.scene import expect
from aiops_provider.domain.profile import Source

TITLE = "Unmodified flows are profiled, placed, measured and learned from"

DEPLOYMENT = "medical/medical"
ROWS = 80_000
PARAMETERS = {"rows": ROWS, "serve_s": 3.0}


def perform(scene: PrefectScene) -> Iterator[Expectation]:
    """Run the pipeline while nothing is known of it."""
    yield expect("flows with a history before", expected=0, observed=len(scene.profiles()))
    run = scene.finish("first", *scene.begin(DEPLOYMENT, PARAMETERS))
    yield expect("the first run", expected="COMPLETED", observed=run.pipeline.state)
    yield from _steps(run)
    yield from _placed(scene, run)
    yield from _measured(scene, run)
    yield from _reported(scene, run)
    yield from _learned(scene, run)


def _steps(run: PipelineRun) -> Iterator[Expectation]:
    yield expect(
        f"candidates tried on {ROWS} rows",
        expected=", ".join(sorted(choose_candidates(ROWS))),
        observed=", ".join(sorted(s.task.name for s in run.steps if s.task.namespace == "train")),
    )


def _placed(scene: PrefectScene, run: PipelineRun) -> Iterator[Expectation]:
    placements = scene.placements(run)
    explained = {one.run.run_id for one in placements if one.applied and one.route.reason.sentence}
    yield expect(
        "flow runs with a profile, a route and its reason",
        expected=len(run.ids),
        observed=len(explained),
    )
    cluster = {one.run.run_id: one.cluster for one in placements}
    there = [one for one in run.flow_runs if one.infrastructure.startswith(f"{cluster[one.id]}|")]
    yield expect(
        "flow runs that Prefect saw where the route says",
        expected=len(run.ids),
        observed=len(there),
    )


def _measured(scene: PrefectScene, run: PipelineRun) -> Iterator[Expectation]:
    records = scene.records(run)
    measured = [
        one
        for one in records
        if one.usage is not None and one.usage.peak_memory_gib > 0 and one.usage.cpu_seconds > 0
    ]
    yield expect(
        "tries whose memory, CPU and duration were measured",
        expected=f"{len(records)} of {len(records)}",
        observed=f"{len(measured)} of {len(records)}",
        met=bool(records) and len(measured) == len(records),
    )


def _reported(scene: PrefectScene, run: PipelineRun) -> Iterator[Expectation]:
    # What a flow reports before it ends has arrived when it ends.
    samples = scene.samples(run)
    names = [one.name for one in samples]
    for kpi in ("row_count", "requests_per_s"):
        count = names.count(kpi)
        yield expect(f"reports of {kpi}", expected="1 or more", observed=count, met=count > 0)
    for candidate in choose_candidates(ROWS):
        batches = sorted(
            int(one.dimensions["batch"])
            for one in samples
            if one.name == "batch_precision" and one.dimensions.get("candidate") == candidate
        )
        yield expect(
            f"reported batches of {candidate}",
            expected="every one, once",
            observed=", ".join(map(str, batches)) or "none",
            met=bool(batches) and batches == list(range(len(batches))),
        )


def _learned(scene: PrefectScene, run: PipelineRun) -> Iterator[Expectation]:
    tasks = {one.task for one in run.flow_runs}

    def known() -> int:
        learned = scene.profiles()
        return sum(
            task in learned and learned[task].memory_gib.source is Source.OWN_HISTORY
            for task in tasks
        )

    scene.until(lambda: known() == len(tasks), timeout_s=30.0)
    yield expect(
        "flows whose profile now comes from their own history",
        expected=len(tasks),
        observed=known(),
    )
