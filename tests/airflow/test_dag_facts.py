"""What Airflow's own serialization tells of tasks that nobody described."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, TaskGroup, task
from airflow.serialization.serialized_objects import DagSerialization

from aiops_provider.airflow.dag_facts import DagFacts, known_operator, known_tasks


@pytest.fixture(scope="module")
def serialized() -> dict[str, Any]:
    with DAG("d", schedule=None) as dag:
        SQLExecuteQueryOperator(task_id="query", sql="SELECT 1", conn_id="none")
        SQLExecuteQueryOperator(task_id="both", sql=["DROP TABLE a", "SELECT 2"], conn_id="none")
        SQLExecuteQueryOperator.partial(task_id="same", sql="SELECT 3").expand(conn_id=["a", "b"])
        SQLExecuteQueryOperator.partial(task_id="each", conn_id="a").expand(sql=["SELECT 4"])
        BashOperator(task_id="shell", bash_command="true")

        @task
        def python() -> None: ...

        python()
    made: dict[str, Any] = DagSerialization.to_dict(dag)
    return made


def instance(task_id: str, version: str = "v1") -> Any:
    return SimpleNamespace(task_id=task_id, dag_version_id=version)


def test_operators_and_queries_are_read(serialized: dict[str, Any]) -> None:
    """Also of mapped tasks, whose query is the same for all or another for each."""
    found = {task_id: each.description for task_id, each in known_tasks(serialized)}
    sql = {task_id: each.parameters.get("sql") for task_id, each in found.items()}
    assert sql == {
        "query": "SELECT 1",
        "both": "DROP TABLE a;\nSELECT 2",
        "same": "SELECT 3",
        "each": "SELECT 4",
        "shell": None,
        "python": None,
    }
    assert found["query"].operator == found["each"].operator == "SQLExecuteQueryOperator"
    assert (found["shell"].operator, found["python"].operator) == (
        "BashOperator",
        "_PythonDecoratedOperator",
    )


def test_what_is_downstream_is_read_through_groups_and_mapping() -> None:
    """Once for all tasks of the DAG, so that it is told once."""
    with DAG("sales", schedule=None) as dag:
        extract = BashOperator(task_id="extract", bash_command="true")
        with TaskGroup("clean"):
            load = BashOperator.partial(task_id="load").expand(bash_command=["true", "false"])
        report = BashOperator(task_id="report", bash_command="true")
        extract >> load >> report
    found = dict(known_tasks(DagSerialization.to_dict(dag)))
    lineage = found["extract"].lineage
    assert lineage == {"extract": ("clean.load",), "clean.load": ("report",), "report": ()}
    assert all(one.lineage is lineage for one in found.values())


def test_a_version_is_read_once(serialized: dict[str, Any]) -> None:
    """Also one of which nothing can be known."""
    asked = []

    def read(version: str, session: object) -> dict[str, Any] | None:
        asked.append(version)
        return serialized if version == "v1" else None

    facts, session = DagFacts(read), object()
    for _ in range(3):
        assert (
            facts.of(instance("query"), session).description.operator == "SQLExecuteQueryOperator"
        )
        assert facts.of(instance("query", "gone"), session) is None
        assert facts.of(instance("unknown"), session) is None
    assert asked == ["v1", "gone"]


def test_a_slow_database_does_not_hold_up_the_scheduler(serialized: dict[str, Any]) -> None:
    """What is beyond a twentieth of a second is read in a thread, and known for the next task."""
    now, open_gate, threads = [0.0], threading.Event(), []

    def read(version: str, session: object) -> dict[str, Any]:
        threads.append(threading.current_thread() is threading.main_thread())
        if session is None:
            open_gate.wait(10)
        else:
            now[0] += 0.06
        return serialized

    facts, session = DagFacts(read, clock=lambda: now[0]), object()
    assert facts.of(instance("query", "v1"), session) is not None
    assert facts.of(instance("query", "v2"), session) is None
    assert facts.of(instance("query", "v2"), session) is None
    coming = facts._coming["v2"]
    open_gate.set()
    coming.result(10)
    assert facts.of(instance("query", "v2"), session) is not None
    now[0] = 2.0
    assert facts.of(instance("query", "v3"), session) is not None
    assert threads == [True, False, True]


def test_what_cannot_be_read_is_not_known(caplog: pytest.LogCaptureFixture) -> None:
    """A task is placed all the same."""

    def read(version: str, session: object) -> dict[str, Any]:
        raise OSError("the database is gone")

    assert DagFacts(read).of(instance("query"), object()) is None
    assert "Nothing is known of DAG version v1" in caplog.text
    assert DagFacts(read).of(SimpleNamespace(task_id="t"), object()) is None


def test_what_could_not_be_read_once_is_read_later(serialized: dict[str, Any]) -> None:
    """But not by every task of the same moment."""
    now, answers = [0.0], [OSError("gone"), serialized]

    def read(version: str, session: object) -> dict[str, Any]:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    facts, session = DagFacts(read, clock=lambda: now[0]), object()
    assert facts.of(instance("query"), session) is None
    assert facts.of(instance("query"), session) is None
    now[0] = 61.0
    assert facts.of(instance("query"), session) is not None


def test_an_operator_at_hand_is_known_as_its_serialized_dag_knows_it():
    """Plain and mapped; ``dag.test()`` and ``aiops route --dag`` see what the scheduler sees."""
    from airflow.sdk import BaseOperator

    class Query(BaseOperator):
        def __init__(self, sql="", part=None, **kwargs):
            super().__init__(**kwargs)
            self.sql = sql

    plain = Query(task_id="plain", sql="SELECT 1", pool="warehouse", pool_slots=2)
    mapped = Query.partial(task_id="mapped", sql="SELECT 1", pool="warehouse", pool_slots=2)
    said = {"sql": "SELECT 1", "pool": "warehouse", "pool_slots": 2}
    for each in (plain, mapped.expand(part=["a", "b"])):
        known = known_operator(each)
        assert ("Query", said) == (known.operator, known.parameters)
    assert {} == known_operator(BaseOperator(task_id="bare")).parameters
