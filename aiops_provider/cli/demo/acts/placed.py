"""Act 1: mode ``enforce`` – an unmodified DAG is profiled, placed, measured and learned from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aiops_provider.cli.demo.outcome import Expectation
from aiops_provider.cli.demo.scene import Run, Scene, expect, let_routers_look
from aiops_provider.domain.plan import Placement
from aiops_provider.domain.profile import Source, WorkloadProfile
from aiops_provider.domain.task import TaskKey

TITLE = "Mode enforce: an unmodified DAG is profiled, placed, measured and learned from"

DAG_ID = "medical"

_LEARNING_S = 30.0


def perform(scene: Scene, observed_run: Run) -> Iterator[Expectation]:
    """
    Run the DAG twice: the first time nothing is known of it, the second time its history is.

    Args:
        scene: The installation.
        observed_run: The run of the same pipeline in act 0.
    """
    known = [task for task in _profiles(scene) if task.namespace == DAG_ID]
    yield expect("tasks of the DAG with a history before", expected=0, observed=len(known))
    first = scene.run(DAG_ID, "first")
    yield expect("the first run", expected="success", observed=first.state)
    yield from _every_task_is_placed(scene, first)
    yield from _every_task_is_measured(scene, first)
    yield from _same_result(scene, observed_run, first)
    yield from _history_is_known(scene, first)
    learned = _profiles(scene)
    let_routers_look(scene.installation)
    second = scene.run(DAG_ID, "second")
    yield expect("the second run", expected="success", observed=second.state)
    yield from _requests_come_from_history(
        scene.placements(first), scene.placements(second), learned
    )


def _profiles(scene: Scene) -> dict[TaskKey, WorkloadProfile]:
    return {one.task: one for one in scene.installation.require_store().profiles()}


def _every_task_is_placed(scene: Scene, run: Run) -> Iterator[Expectation]:
    placements = scene.placements(run)
    placed = {one.run.task.name for one in placements if one.applied}
    explained = {one.run.task.name for one in placements if one.route.reason.sentence}
    ran = {one.task_id for one in run.ran}
    yield expect(
        "tasks with a profile, a route and its reason",
        expected=len(ran),
        observed=len(ran & placed & explained),
    )
    route_of = {one.run: one.cluster for one in placements}
    astray = [one for one in scene.records(run) if route_of.get(one.run) != one.cluster]
    yield expect("tasks that ran elsewhere than their route says", expected=0, observed=len(astray))


def _every_task_is_measured(scene: Scene, run: Run) -> Iterator[Expectation]:
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


def _same_result(scene: Scene, observed_run: Run, run: Run) -> Iterator[Expectation]:
    api = scene.stage.api
    yield expect(
        "the better candidate is the same with and without the layer",
        expected=api.xcom(observed_run.dag_id, observed_run.run_id, "compare"),
        observed=api.xcom(run.dag_id, run.run_id, "compare"),
    )


def _history_is_known(scene: Scene, run: Run) -> Iterator[Expectation]:
    ran = {TaskKey(run.dag_id, one.task_id) for one in run.ran}

    def from_history() -> int:
        learned = _profiles(scene)
        return sum(
            task in learned and learned[task].memory_gib.source is Source.OWN_HISTORY
            for task in ran
        )

    # The process of the control cycle learns, once in its period.
    scene.until(lambda: from_history() == len(ran), timeout_s=_LEARNING_S)
    yield expect(
        "tasks whose profile now comes from their own history",
        expected=len(ran),
        observed=from_history(),
    )


def _requests_come_from_history(
    before: Sequence[Placement],
    after: Sequence[Placement],
    learned: dict[TaskKey, WorkloadProfile],
) -> Iterator[Expectation]:
    guessed = {one.run.task: one.route.request for one in before}
    asked = {one.run.task: one.route.request for one in after}
    changed = [
        task
        for task, request in asked.items()
        if task in guessed and request.memory_gib != guessed[task].memory_gib
    ]
    yield expect(
        "tasks that ask for other memory than the first time",
        expected=len(asked),
        observed=len(changed),
    )
    as_learned = [
        task
        for task, request in asked.items()
        if task in learned and request.memory_gib == learned[task].request.memory_gib
    ]
    yield expect(
        "tasks that ask for what their history says",
        expected=len(asked),
        observed=len(as_learned),
    )
