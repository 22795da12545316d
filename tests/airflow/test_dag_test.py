"""A DAG tried out by its author, with and without an executor, in a process of its own."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from aiops_provider.airflow.dag_test import InProcessRuns
from aiops_provider.airflow.task_request import asked_executor
from aiops_provider.cli.demo.airflow_stage import AirflowStage
from aiops_provider.control.installation import Installation
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.task import TaskKey
from aiops_provider.settings.schema import Settings

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

DAGS = Path(__file__).with_name("tried_dags")
TRAIN, SCORE = TaskKey("tried", "train"), TaskKey("tried", "score")


class Author:
    """Somebody with an Airflow of their own and no scheduler."""

    def __init__(self, stage: AirflowStage) -> None:
        self.stage = stage
        self.spool = stage.home / "spool"
        self.store = Installation.open(
            Settings(), default_store_url=stage.config.database_url
        ).require_store()

    def tries(self, *arguments: str) -> str:
        """Run the file of the DAG; all that it says."""
        answer = subprocess.run(
            [sys.executable, str(self.stage.config.dags / "tried.py"), *arguments],
            env={
                **self.stage.environment,
                "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
                "AIOPS_SPOOL": str(self.spool),
                "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
            check=False,
        )
        assert answer.returncode == 0, answer.stdout[-5000:]
        assert "ended: success" in answer.stdout, answer.stdout[-5000:]
        assert "Traceback" not in answer.stdout, answer.stdout
        return answer.stdout

    def ran(self) -> list[str]:
        """Where the tasks of the last try ran, by their own word."""
        file = self.stage.home / "ledger" / "tried"
        lines = file.read_text().splitlines()
        file.unlink()
        return lines

    def samples(self) -> dict[str, set[str]]:
        """The kinds of runs of which KPIs are in the store, by KPI."""
        found, _ = self.store.samples_after(0, 10_000)
        kinds: dict[str, set[str]] = {}
        for sample in found:
            kinds.setdefault(sample.name, set()).add(sample.dimensions.get("run_kind", ""))
        return kinds

    def told(self, said: str) -> list[str]:
        """What was said of routes."""
        mark = "would run on"
        return [line[line.index("tried/") :] for line in said.splitlines() if mark in line]


@pytest.fixture(scope="module")
def author(tmp_path_factory):
    home = tmp_path_factory.mktemp("tried") / "home"
    with AirflowStage(home, DAGS, variables={"LEDGER": str(home / "ledger")}) as stage:
        (home / "ledger").mkdir()
        stage.migrate()
        author = Author(stage)
        yield author
        author.store.close()


@pytest.fixture(scope="module")
def first(author):
    """Nothing is up: no API server, no scheduler."""
    return author.told(author.tries()), author.ran()


def test_what_is_wrong_with_us_is_told_and_disturbs_no_test(monkeypatch, tmp_path, caplog):
    """The environment is as before when the task is over."""
    from airflow.sdk import BaseOperator

    task = BaseOperator(task_id="train")
    ti = SimpleNamespace(
        dag_id="tried", task_id="train", run_id="r", map_index=-1, try_number=1, task=task
    )
    config = tmp_path / "aiops.yaml"
    monkeypatch.setenv("AIOPS_CONFIG", str(config))
    monkeypatch.setenv("AIOPS_TASK", "of somebody else")
    config.write_text("mode: maybe\n")
    runs = InProcessRuns()
    runs.begin(ti)
    assert runs.running
    assert "Where train would run cannot be told" in caplog.text
    config.write_text(f"store: sqlite:///{tmp_path / 'none.db'}\n")
    with caplog.at_level("INFO"):
        runs.begin(ti)
        runs.begin(ti)
    assert os.environ["AIOPS_RUN_KIND"] == "test"
    assert '"train"' in os.environ["AIOPS_TASK"]
    assert "AIOPS_CLUSTER" not in os.environ
    runs.end()
    assert not runs.running
    assert os.environ["AIOPS_TASK"] == "of somebody else"
    assert "AIOPS_RUN_KIND" not in os.environ
    assert 1 == caplog.text.count("tried/train would run on")


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ({}, None),
        ({"executor": "CeleryExecutor"}, "CeleryExecutor"),
        ({"executor": "AiopsExecutor"}, None),
        ({"executor": "aiops_provider.airflow.AiopsExecutor"}, None),
        ({"executor_config": {"pod_override": {}}}, "KubernetesExecutor"),
    ],
)
def test_which_executor_an_author_asked_for(asked, meant):
    """Ours by name means any cluster."""
    task = SimpleNamespace(**({"executor": None, "executor_config": {}} | asked))
    assert meant == asked_executor(task)


def test_tasks_run_here_and_are_told_where_they_would(first):
    """Once per task, with its size and the reason, mapped or not; described or not."""
    told, ran = first
    assert ran == ["train here", "score here", "score here", "publish here"]
    train, score, publish = told
    assert train.startswith("tried/train would run on onprem with ")
    assert score.startswith("tried/score would run on aws with 1 core and 2 GiB, for about ")
    assert publish.startswith("tried/publish would run on onprem with ")
    assert all(" because " in line for line in told)


def test_nothing_of_a_test_is_remembered(first, author):
    """Neither where it would have gone nor what its process used, nor what its author said."""
    assert [] == author.store.executions()
    assert [] == author.store.placements()
    assert [] == author.store.profiles()


def test_what_is_reported_waits_while_nobody_takes_it(first, author):
    """On disk, without a word of complaint: the traceback of one would have failed the fixture."""
    assert list(author.spool.rglob("*.jsonl"))


@pytest.fixture(scope="module")
def with_executor(author, first):
    """The API server is up, as tasks of executors need it."""
    author.stage.start_beside("api-server", author.stage.command("api-server"))
    author.stage.api.wait_until("the API answers", author.stage.api.answers, timeout_s=180)
    return author.tries("--use-executor"), author.ran()


def test_with_our_executor_tasks_go_where_they_are_routed(with_executor, author):
    """As under a scheduler: placed, run there, and learned from."""
    said, ran = with_executor
    assert [] == author.told(said)
    assert ran == ["train onprem", "score aws", "score aws", "publish onprem"]
    assert {"onprem"} == {each.cluster for each in author.store.placements(task=TRAIN)}
    (record,) = author.store.executions(TRAIN)
    assert (Outcome.SUCCESS, 20_000) == (record.outcome, record.input_rows)
    assert record.usage.peak_memory_gib > 0
    assert 2 == len(author.store.executions(SCORE))


def test_a_test_uses_the_profile_that_was_learned_and_does_not_add_to_it(with_executor, author):
    """The same as in production; its KPIs arrive, those that waited too, as series of their own."""
    before = author.store.executions()
    train, *_ = author.told(author.tries())
    assert "(own_history)" in train
    assert before == author.store.executions()
    wanted = {"precision": {"", "test"}, "row_count": {"", "test"}, "scored": {"", "test"}}
    deadline = time.monotonic() + 20
    while not wanted.items() <= author.samples().items() and time.monotonic() < deadline:
        time.sleep(0.5)
    kinds = author.samples()
    assert wanted.items() <= kinds.items()
    assert {""} == kinds["task_failed"]
    assert not list(author.spool.rglob("*.jsonl"))
