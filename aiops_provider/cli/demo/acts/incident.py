"""Act 3: bad data of one provider, then a task that fails wherever it runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from aiops_provider.cli.demo.acts.lost_cluster import DAG_ID
from aiops_provider.cli.demo.outcome import Expectation
from aiops_provider.cli.demo.partitions import deliveries
from aiops_provider.cli.demo.scene import Run, Scene, expect, let_routers_look
from aiops_provider.domain.alarm import CauseKind, Response, ResponseAction, SuperAlarm
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.units import utc_now

TITLE = "An incident of one provider is told once and answered; a broken task blames no cluster"

PROVIDER = "aws"
BROKEN_TASK = TaskKey("failing", "broken")

_HUNDREDS = 200
# Some periods of detection (5 s each), more on a busy machine.
_DETECTION_S = 60.0


def perform(scene: Scene) -> Iterator[Expectation]:
    """Corrupt the replicas of both aws clusters, then run the DAG that always fails."""
    yield expect("open super-alarms before", expected=0, observed=len(_open(scene)))
    yield from _provider_incident(scene)
    yield from _failing_task(scene)


def _provider_incident(scene: Scene) -> Iterator[Expectation]:
    affected = scene.clusters_of(PROVIDER)
    scene.new_period(corrupt=affected)
    run = scene.run(DAG_ID, "meets-bad-data")
    yield expect("the run that meets bad data", expected="success", observed=run.state)
    tasks = _tasks_on(scene, run, affected)
    yield expect("its tasks on aws", expected="5 or more", observed=tasks, met=tasks >= 5)

    with scene.narrator.waiting("the next detection"):
        # The response comes before the last tasks have reported; then its alarms still grow.
        scene.until(
            lambda: any(
                _action(one) is ResponseAction.QUARANTINE and len(one.alarms) >= _HUNDREDS
                for one in _open(scene)
            ),
            timeout_s=_DETECTION_S,
        )
    told = _open(scene)
    yield expect("super-alarms", expected=1, observed=len(told))
    if not told:
        return
    yield from _cause_is_the_provider(told[0], affected)

    let_routers_look(scene.installation)
    # The replicas are still broken: whoever ran on aws now would meet them.
    after = scene.run(DAG_ID, "avoids-aws")
    yield expect("the next run", expected="success", observed=after.state)
    yield expect("its tasks on aws", expected=0, observed=_tasks_on(scene, after, affected))


def _cause_is_the_provider(told: SuperAlarm, affected: frozenset[str]) -> Iterator[Expectation]:
    yield expect(
        "alarms in it",
        expected=f"{_HUNDREDS} or more",
        observed=len(told.alarms),
        met=len(told.alarms) >= _HUNDREDS,
    )
    best = told.root_cause.best
    yield expect("its root cause", expected={"provider": PROVIDER}, observed=dict(best.cause))
    yield expect("what is at fault", expected=CauseKind.CLUSTER.value, observed=best.kind.value)
    response = told.response
    yield expect(
        "clusters in quarantine",
        expected=", ".join(sorted(affected)),
        observed=", ".join(sorted(response.clusters)) if response else "no response",
    )


def _failing_task(scene: Scene) -> Iterator[Expectation]:
    before = _quarantined(scene)
    run = scene.run(BROKEN_TASK.namespace, "fails-everywhere")
    yield expect("the run of the DAG with a broken task", expected="failed", observed=run.state)
    healthy = [one for one in run.instances if one.task_id != BROKEN_TASK.name]
    yield expect(
        "tasks beside it that succeeded",
        expected=len(healthy),
        observed=sum(one.state == "success" for one in healthy),
    )
    with scene.narrator.waiting("the next detection"):
        scene.until(lambda: bool(_holds(scene, run.began_at)), timeout_s=_DETECTION_S)
    told = [one for one in _open(scene) if one.root_cause.best.kind is CauseKind.TASK]
    causes = [dict(one.root_cause.best.cause) for one in told]
    yield expect(
        "super-alarms whose root cause is the task",
        expected=1,
        observed=f"{len(told)}: {causes}",
        met=len(told) == 1 and causes[0].get("task") == BROKEN_TASK.name,
    )
    held = [str(one.task) for one in _holds(scene, run.began_at)]
    yield expect("tasks that are held", expected=str(BROKEN_TASK), observed=", ".join(held))
    blamed = _quarantined(scene) - before
    yield expect("clusters blamed for it", expected=0, observed=len(blamed))
    yield from _not_failed_over_for_ever(scene, run)


def _not_failed_over_for_ever(scene: Scene, run: Run) -> Iterator[Expectation]:
    places = [one for one in scene.placements(run) if one.run.task == BROKEN_TASK]
    tries = {one.run.try_number for one in places}
    granted = 1 + 4  # the DAG says retries=4
    yield expect("its tries", expected=granted, observed=len(tries))
    yield expect(
        "its placements (one per try: nothing else was tried)",
        expected=granted,
        observed=len(places),
    )


def _open(scene: Scene) -> list[SuperAlarm]:
    return list(scene.installation.require_store().super_alarms(open_only=True))


def _action(told: SuperAlarm) -> ResponseAction | None:
    return told.response.action if told.response else None


def _responses(scene: Scene) -> list[Response]:
    return list(scene.installation.require_store().responses(active_at=utc_now()))


def _quarantined(scene: Scene) -> set[str]:
    return {
        cluster
        for one in _responses(scene)
        if one.action is ResponseAction.QUARANTINE
        for cluster in one.clusters
    }


def _holds(scene: Scene, since: datetime) -> list[Response]:
    return [
        one
        for one in _responses(scene)
        if one.action is ResponseAction.HOLD_TASK and one.starts_at >= since
    ]


def _tasks_on(scene: Scene, run: Run, clusters: frozenset[str]) -> int:
    return sum(one["cluster"] in clusters for one in deliveries(scene.data, run.run_id))
