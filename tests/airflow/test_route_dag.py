"""A whole DAG file profiled, routed and priced, without a scheduler and without a store."""

import json

import pytest

from aiops_provider.cli.app import main

DAG = """
from airflow.sdk import dag, task
from aiops_provider import Dataset, Training
from aiops_provider.airflow import describe

@dag(schedule=None)
def nightly():
    @task
    def extract(): ...

    @task.aiops(Training(dataset=Dataset(rows=1000), {pin}))
    def train(part): ...

    @task(executor_config={config})
    def score(): ...

    extract() >> train.expand(part=[1, 2]) >> score()

nightly()
"""
CLUSTERS = """
airflow: {queues: {gpu: aws}, executors: {LocalExecutor: onprem, KubernetesExecutor: aws}}
teams: {science: {clusters: aws, dags: ["paper_*"]}}
clusters:
  - {name: onprem, kind: local, capacity: {cores: 4, memory_gib: 16}, price_usd_per_hour: 0.4}
  - {name: aws, kind: local, provider: aws, capacity: {cores: 8, memory_gib: 64}, price_usd_per_hour: 3.0}
"""


@pytest.fixture
def route(tmp_path, capsys, monkeypatch):
    """Calls the command on a DAG file; its exit status, standard output and error."""
    (tmp_path / "aiops.yaml").write_text(CLUSTERS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AIOPS_CONFIG", raising=False)

    def route(pin="", config="{}", text=DAG, options=("--output", "json")):
        (tmp_path / "dags.py").write_text(text.replace("{pin}", pin).replace("{config}", config))
        status = main(["route", "--dag", "dags.py", "--dry-run", *options])
        said = capsys.readouterr()
        return status, said.out, said.err

    return route


def test_every_task_of_a_file_gets_a_place_and_a_price(route):
    """Descriptions decide, the operators and the priors fill in."""
    status, out, _ = route(pin="cluster='aws'")
    told = json.loads(out)
    assert (0, True) == (status, told["feasible"])
    places = {each["task"]["name"]: each["route"]["cluster"] for each in told["tasks"]}
    assert {"extract": "onprem", "train": "aws", "score": "onprem"} == places
    costs = [each["route"]["expected_cost_usd"] for each in told["tasks"]]
    assert sum(costs) == pytest.approx(told["expected_cost_usd"])
    assert 0 < told["expected_cost_usd"]


def test_tasks_that_cannot_run_fail_the_check(route):
    """Status 2, each with its reason, and the other tasks are told all the same."""
    status, out, _ = route(pin="memory_gib=500", config="{'aiops': {'memory': 3}}")
    told = json.loads(out)
    assert (2, False) == (status, told["feasible"])
    problems = {each["task"]["name"]: each["problem"] for each in told["tasks"]}
    assert "500" in problems["train"]
    assert "executor_config['aiops']" in problems["score"]
    assert "" == problems["extract"]


def test_an_operator_describes_a_task_that_nobody_described(route):
    """One that waits for a warehouse is not sized like one that computes."""
    text = """
from airflow.sdk import DAG, BaseOperator, task

class RedshiftDataOperator(BaseOperator): ...

with DAG("nightly", schedule=None):
    RedshiftDataOperator(task_id="ask")

    @task
    def compute(): ...

    compute()
"""
    _, out, _ = route(text=text)
    told = {each["task"]["name"]: each["profile"] for each in json.loads(out)["tasks"]}
    assert "RedshiftDataOperator" in told["ask"]["memory_gib"]["reason"]
    assert told["ask"]["cores"]["p50"] < told["compute"]["cores"]["p50"]


def test_a_pin_does_not_hide_the_operator(route):
    """As in the scheduler: who only pins a task has said nothing of what it does."""
    text = """
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from aiops_provider.airflow import describe

BATCH = {"containerOverrides": {"memory": 4096}}

with DAG("nightly", schedule=None):
    EmptyOperator(task_id="free")
    EmptyOperator(task_id="pinned", executor_config=describe(cluster="onprem"))
    EmptyOperator(task_id="asked", executor_config=BATCH)
"""
    _, out, _ = route(text=text)
    told = {each["task"]["name"]: each["profile"] for each in json.loads(out)["tasks"]}
    for figure in ("cores", "memory_gib", "duration_s"):
        assert told["free"][figure]["p50"] == told["pinned"][figure]["p50"], figure
    assert told["free"]["memory_gib"]["p50"] < told["asked"]["memory_gib"]["p50"]


def test_a_table_for_people(route):
    """One line a task."""
    status, out, _ = route(options=())
    assert 0 == status
    assert all(name in out for name in ("nightly/extract", "nightly/train", "nightly/score"))


@pytest.mark.parametrize(
    ("text", "why"), [("import airflow, no_such_dag", "no_such_dag"), ("x = 1", "no task")]
)
def test_a_file_that_is_no_dag_file_is_told(route, text, why):
    """Status 2 with the reason."""
    status, _, error = route(text=text)
    assert 2 == status
    assert why in error


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("memory_gib=-1", ("Training", "memory_gib", "greater than 0", "-1")),
        ("memory=4", ("Training", "memory", "not permitted", "4")),
        ("sla=Sla(deadline_s=1)", ("NameError", "Sla")),
    ],
)
def test_a_wrong_word_in_a_description_is_named(route, said, words):
    """Its field and its value, on one line, though pydantic's last line is a link."""
    status, out, error = route(text=DAG, pin=said)
    assert (2, "") == (status, out)
    assert all(word in error for word in words), error
    assert 1 == len(error.strip().splitlines()), error
    assert "errors.pydantic.dev" not in error


@pytest.mark.parametrize(
    "arguments",
    [["route"], ["route", "a/b", "--dag", "f.py"], ["route", "a/b", "--dry-run"]],
)
def test_either_a_task_or_a_file(arguments, capsys):
    """Both or neither is a mistake."""
    assert 2 == main(arguments)
    assert "--dag" in capsys.readouterr().err


NAMED = """
from airflow.sdk import dag, task
POD = {"spec": {"containers": [{"name": "base", "resources": {"requests": {"cpu": "2"}}}]}}

@dag(dag_id="{dag}", schedule=None)
def named():
    @task
    def work(): ...
    work.override(task_id="queue", queue="gpu")()
    work.override(task_id="executor", executor="LocalExecutor")()
    work.override(task_id="pod", executor_config={"pod_override": POD})()
    work.override(task_id="typo", queue="gppu")()

named()
"""


def test_what_existing_dags_name_is_understood(route):
    """Queue, executor and pod lead to the clusters of aiops.yaml; a typo fails the check."""
    status, out, _ = route(text=NAMED.replace("{dag}", "named"))
    told = {each["task"]["name"]: each for each in json.loads(out)["tasks"]}
    places = {n: each["route"] and each["route"]["cluster"] for n, each in told.items()}
    assert {"queue": "aws", "executor": "onprem", "pod": "aws", "typo": None} == places
    assert 2 == told["pod"]["route"]["request"]["cores"]
    assert "queue gppu is mapped to no cluster" in told["typo"]["problem"]
    assert 2 == status


def test_the_team_of_a_dag_limits_its_tasks(route):
    """Known by the name of the DAG."""
    _, out, _ = route(text=NAMED.replace("{dag}", "paper_figures"))
    told = {each["task"]["name"]: each for each in json.loads(out)["tasks"]}
    assert "team science may use aws only" in told["executor"]["problem"]
