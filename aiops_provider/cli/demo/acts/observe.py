"""Act 0: mode ``observe`` – the layer decides and records, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from aiops_provider.cli.demo.outcome import Expectation
from aiops_provider.cli.demo.scene import Run, Scene, expect
from aiops_provider.domain.plan import Mode

TITLE = "Mode observe: routes are recorded, tasks run as under LocalExecutor"

DAG_ID = "medical_observed"


def perform(scene: Scene, run: Run) -> Iterator[Expectation]:
    """
    Look at a run of a DAG for which aiops.yaml says ``observe``.

    Args:
        scene: The installation.
        run: The run, ended.
    """
    yield expect("the DAG run", expected="success", observed=run.state)
    placements = scene.placements(run)
    placed = {(one.run.task.name, one.run.map_index) for one in placements}
    ran = {(one.task_id, one.map_index) for one in run.ran}
    yield expect(
        "tasks that ran have a recorded route",
        expected=f"{len(ran)} of {len(ran)}",
        observed=f"{len(placed & ran)} of {len(ran)}",
    )
    followed = [one for one in placements if one.applied or one.mode is not Mode.OBSERVE]
    yield expect("routes that were followed", expected=0, observed=len(followed))
    fallback = scene.installation.settings.fallback.name
    where = sorted({record.cluster for record in scene.records(run)})
    yield expect(
        "every task ran where it would have run without us",
        expected=fallback,
        observed=", ".join(where),
    )
    advised = sorted({one.route.cluster for one in placements})
    scene.narrator.say(f"recorded routes: {', '.join(advised)}")
