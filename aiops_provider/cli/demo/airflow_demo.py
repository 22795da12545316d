"""The story on Airflow: sets the stage, calls the acts one after another, closes with the tables."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import httpx

from aiops_provider.cli.demo.acts import incident, lost_cluster, observe, placed
from aiops_provider.cli.demo.airflow_config import USER
from aiops_provider.cli.demo.airflow_stage import AirflowStage
from aiops_provider.cli.demo.closing import commands, super_alarm_lines, task_lines
from aiops_provider.cli.demo.data import DATA_VARIABLE
from aiops_provider.cli.demo.history import WEEKS, kpi_history, load, past_periods, run_history
from aiops_provider.cli.demo.narrator import Narrator
from aiops_provider.cli.demo.outcome import ActResult, DemoOptions, DemoReport, Expectation
from aiops_provider.cli.demo.partitions import FrozenModel, Hospitals, freeze_model
from aiops_provider.cli.demo.scene import Scene
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import AiopsError

DAG_IDS = (observe.DAG_ID, placed.DAG_ID, lost_cluster.DAG_ID, incident.BROKEN_TASK.namespace)

_TOKEN_VALID_S = 24 * 3600.0


def run(options: DemoOptions, narrator: Narrator) -> DemoReport:
    """
    Tell the whole story.

    Args:
        options: What the user asked for.
        narrator: Tells it.

    Returns:
        What was expected and observed in each act; the demo's folder stays for further questions.
    """
    home = Path(tempfile.mkdtemp(prefix="aiops-demo-")) / "airflow"
    data = home / "data"
    narrator.title(f"A real Airflow in {home}")
    stage = AirflowStage(home, options.examples, variables={DATA_VARIABLE: str(data)})
    with stage:
        with narrator.waiting("databases are created"):
            stage.migrate()
        model = freeze_model()
        model.save(data)
        with narrator.waiting("API server, scheduler and DAG processor start"):
            stage.start(DAG_IDS)
        with _scene(stage, narrator, data) as scene:
            acts = tuple(_acts(scene, model))
            report = _report(scene, acts)
        options.on_report(report)
        if options.keep:
            _wait_for_the_user(stage, narrator)
    # A hundred megabytes of patients that no question needs; store, logs and configuration stay.
    shutil.rmtree(data)
    return report


@contextmanager
def _scene(stage: AirflowStage, narrator: Narrator, data: Path) -> Iterator[Scene]:
    from aiops_provider.control.installation import Installation
    from aiops_provider.control.tokens import issue_token
    from aiops_provider.settings.load import load_settings

    installation = Installation.open(
        load_settings(stage.aiops_config, environ={}),
        default_store_url=stage.config.database_url,
        default_token_secret=stage.config.jwt_secret,
    )
    token = issue_token(
        installation.token_secret, scope="ingest read", subject="demo", valid_s=_TOKEN_VALID_S
    )
    with httpx.Client(
        base_url=f"{stage.config.url}/aiops",
        headers={"Authorization": f"Bearer {token}"},
        timeout=60.0,
        trust_env=False,
    ) as layer:
        scene = Scene(
            stage=stage,
            installation=installation,
            layer=layer,
            narrator=narrator,
            data=data,
            hospitals=Hospitals(),
        )
        for note in _stand_ins(scene):
            narrator.say(note)
        try:
            yield scene
        finally:
            installation.close()


def _acts(scene: Scene, model: FrozenModel) -> Iterator[ActResult]:
    began, began_at = time.monotonic(), utc_now()
    scene.narrator.title(f"Act 0. {observe.TITLE}")
    started = scene.begin(observe.DAG_ID, "observed")
    # Loaded while the tasks of act 0 run: neither needs the other.
    loaded = _load_history(scene, model, began_at)
    observed_run = scene.finish(observe.DAG_ID, "observed", started)
    first = [loaded, *observe.perform(scene, observed_run)]
    yield _told(scene, "act 0", observe.TITLE, first, began)
    for name, title, expectations in (
        ("act 1", placed.TITLE, placed.perform(scene, observed_run)),
        ("act 2", lost_cluster.TITLE, lost_cluster.perform(scene)),
        ("act 3", incident.TITLE, incident.perform(scene)),
    ):
        scene.narrator.title(f"{name.capitalize()}. {title}")
        yield _told(scene, name, title, expectations, time.monotonic())


def _told(
    scene: Scene, name: str, title: str, expectations: Iterable[Expectation], began: float
) -> ActResult:
    checked = []
    for one in _guarded(expectations):
        scene.narrator.expectation(one)
        checked.append(one)
    duration_s = round(time.monotonic() - began, 1)
    scene.stage.phases_s[name] = duration_s
    return ActResult(act=name, title=title, expectations=tuple(checked), duration_s=duration_s)


def _guarded(expectations: Iterable[Expectation]) -> Iterator[Expectation]:
    """An act that breaks off has not done what it says; the report tells it like anything else."""
    try:
        yield from expectations
    except AiopsError as error:
        yield Expectation(
            what="the act comes to its end", expected="it does", observed=str(error), met=False
        )


def _load_history(scene: Scene, model: FrozenModel, now: datetime) -> Expectation:
    with scene.narrator.waiting("history is loaded"), scene.stage.timed("history is loaded"):
        stranger = httpx.post(
            f"{scene.layer.base_url}api/v1/kpis", json={"samples": []}, timeout=60.0
        )
        periods = past_periods(now)
        clusters = scene.installation.clusters
        records = load(scene.layer, "api/v1/executions", "records", run_history(clusters, periods))
        samples = load(
            scene.layer, "api/v1/kpis", "samples", kpi_history(scene.hospitals, model, periods)
        )
    scene.narrator.say(
        f"history of {WEEKS} weeks, generated from a seed and loaded through the API: "
        f"{samples} KPI samples and {records} runs of the DAG {lost_cluster.DAG_ID}"
    )
    return Expectation(
        what="the API's answer to a caller without a token",
        expected="401",
        observed=str(stranger.status_code),
        met=stranger.status_code == 401,
    )


def _report(scene: Scene, acts: tuple[ActResult, ...]) -> DemoReport:
    told = list(scene.installation.require_store().super_alarms())
    last = incident.BROKEN_TASK.namespace
    lines, alone = task_lines(
        scene, [one.run_id for one in scene.runs if one.dag_id not in (observe.DAG_ID, last)]
    )
    return DemoReport(
        host="airflow",
        acts=acts,
        notes=(
            *_stand_ins(scene),
            f"The {WEEKS} weeks of history of the DAG {lost_cluster.DAG_ID} were generated from a "
            "seed; everything else was measured here.",
            "Costs are the declared price of the machine share that a task held, for its duration; "
            f"`alone` is the same share of {alone or 'no cluster'}, the cheapest that could have "
            "held all of this at its peak.",
            f"Everything lies in {scene.stage.home.parent}; remove that folder when done.",
        ),
        tasks=lines,
        single_cluster=alone,
        super_alarms=super_alarm_lines(told),
        commands=commands(scene, told),
        phases_s=dict(scene.stage.phases_s),
    )


def _stand_ins(scene: Scene) -> tuple[str, ...]:
    places = [
        f"{one.name} ({one.provider}, {one.region})"
        for one in scene.installation.clusters
        if one.stands_in
    ]
    return (
        f"Processes of this machine stand in for the clouds: {', '.join(places)}. Provider, "
        "region, machines, prices and capacity are those that aiops.yaml declares.",
    )


def _wait_for_the_user(stage: AirflowStage, narrator: Narrator) -> None:
    narrator.title(f"Airflow stays up at {stage.config.url}")
    narrator.say(f"user {USER}, password {stage.config.password}; Ctrl-C ends it")
    narrator.say("the layer's own page is AIOps in its navigation")
    try:
        while True:
            stage.check()
            time.sleep(1.0)
    except KeyboardInterrupt:
        narrator.say("ending it")
