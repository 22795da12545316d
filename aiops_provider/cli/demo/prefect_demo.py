"""The story on Prefect: sets the stage, calls the acts one after another, closes with the table."""

from __future__ import annotations

import secrets
import shlex
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from aiops_provider.cli.demo.acts import lost_pool, pipeline
from aiops_provider.cli.demo.closing import task_lines
from aiops_provider.cli.demo.narrator import Narrator
from aiops_provider.cli.demo.outcome import (
    ActResult,
    DemoOptions,
    DemoReport,
    Expectation,
    TaskLine,
)
from aiops_provider.cli.demo.prefect_scene import PrefectScene
from aiops_provider.cli.demo.prefect_stage import WORK_POOL, PrefectStage


def run(options: DemoOptions, narrator: Narrator) -> DemoReport:
    """
    Tell the whole story.

    Args:
        options: What the user asked for.
        narrator: Tells it.

    Returns:
        What was expected and observed in each act; the demo's folder stays for further questions.
    """
    home = Path(tempfile.mkdtemp(prefix="aiops-demo-")) / "prefect"
    narrator.title(f"A real Prefect in {home}")
    secret = secrets.token_urlsafe(48)
    with PrefectStage(home, options.examples, token_secret=secret, ui=options.keep) as stage:
        with narrator.waiting("server and API start"):
            stage.start_server()
        with narrator.waiting("the flows are deployed and the worker starts"):
            stage.deploy()
        with _scene(stage, narrator) as scene:
            acts = tuple(_acts(scene))
            report = _report(scene, acts)
        options.on_report(report)
        if options.keep:
            _wait_for_the_user(stage, narrator)
    return report


@contextmanager
def _scene(stage: PrefectStage, narrator: Narrator) -> Iterator[PrefectScene]:
    from aiops_provider.control.installation import Installation
    from aiops_provider.settings.load import load_settings

    settings = load_settings(stage.aiops_config, environ={"AIOPS__STORE": stage.store_url})
    installation = Installation.open(settings)
    scene = PrefectScene(stage=stage, installation=installation, narrator=narrator)
    narrator.say(_stand_ins(scene))
    try:
        yield scene
    finally:
        installation.close()


def _acts(scene: PrefectScene) -> Iterator[ActResult]:
    scene.narrator.title(f"Act 1. {pipeline.TITLE}")
    yield _told(scene, "act 1", pipeline.TITLE, pipeline.perform(scene))
    scene.narrator.title(f"Act 2. {lost_pool.TITLE}")
    yield _told(scene, "act 2", lost_pool.TITLE, lost_pool.perform(scene, scene.runs[0]))


def _told(
    scene: PrefectScene, name: str, title: str, expectations: Iterable[Expectation]
) -> ActResult:
    began = time.monotonic()
    checked = []
    for one in expectations:
        scene.narrator.expectation(one)
        checked.append(one)
    duration_s = round(time.monotonic() - began, 1)
    scene.stage.phases_s[name] = duration_s
    return ActResult(act=name, title=title, expectations=tuple(checked), duration_s=duration_s)


def _report(scene: PrefectScene, acts: tuple[ActResult, ...]) -> DemoReport:
    lines, alone = task_lines(scene, [one.run_id for one in scene.runs])
    return DemoReport(
        host="prefect",
        acts=acts,
        notes=(
            _stand_ins(scene),
            "No history was made up: everything was measured here.",
            "Costs are the declared price of the machine share that a flow run held, for its "
            "duration.",
            f"Everything lies in {scene.stage.home.parent}; remove that folder when done.",
        ),
        tasks=tuple(_named(line, scene) for line in lines),
        single_cluster=alone,
        commands=_commands(scene),
        phases_s=dict(scene.stage.phases_s),
    )


def _named(line: TaskLine, scene: PrefectScene) -> TaskLine:
    """People know the runs by name, not by the ids of their flow runs."""
    names = {key: run.run_id for run in scene.runs for key in run.ids}
    named = line.task
    for key, name in names.items():
        named = named.replace(key, name)
    return replace(line, task=named)


def _commands(scene: PrefectScene) -> tuple[str, ...]:
    exports = " ".join(
        f"{name}={shlex.quote(value)}" for name, value in scene.stage.public_variables.items()
    )
    return (
        f"export {exports}",
        "aiops route train/linear --why",
        "aiops plan --explain",
        "aiops alarms list",
        f"prefect work-pool inspect {WORK_POOL}  # with --keep",
    )


def _stand_ins(scene: PrefectScene) -> str:
    places = [
        f"{one.name} ({one.provider}, {one.region})"
        for one in scene.installation.clusters
        if one.stands_in
    ]
    return (
        f"Processes of this machine stand in for the clouds: {', '.join(places)}. Provider, "
        "region, machines, prices and capacity are those that aiops.yaml declares."
    )


def _wait_for_the_user(stage: PrefectStage, narrator: Narrator) -> None:
    narrator.title(f"Prefect stays up at {stage.url}; Ctrl-C ends it")
    try:
        while True:
            stage.check()
            time.sleep(1.0)
    except KeyboardInterrupt:
        narrator.say("ending it")
