"""The arguments of mapped instances, against what Airflow itself hands to them."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, task
from airflow.serialization.serialized_objects import DagSerialization

from aiops_provider.airflow.dag_facts import known_tasks
from aiops_provider.airflow.task_arguments import given_arguments

PARTS = [{"path": "a", "rows": 1}, {"path": "b", "rows": 50}]
XCOMS = {("parts", "return_value"): PARTS, ("more", "return_value"): [7]}


@pytest.fixture(scope="module")
def made() -> DAG:
    with DAG("d", schedule=None) as dag:

        @task
        def parts() -> list[dict[str, Any]]:
            return PARTS

        @task
        def more() -> list[int]:
            return [7]

        @task(pool="heavy", pool_slots=3)
        def work(item: Any, factor: int = 2) -> None: ...

        these, others = parts(), more()
        work.partial(factor=3).expand(item=these)
        work.override(task_id="literal").expand(item=[1, 50])
        work.override(task_id="cross").expand(item=[1, 2], factor=[10, 20, 30])
        work.override(task_id="named").expand_kwargs([{"item": 1}, {"item": 50, "factor": 9}])
        work.override(task_id="from_upstream").expand_kwargs(these)
        work.override(task_id="changed").expand(item=these.map(lambda part: part["rows"]))
        work.override(task_id="zipped").expand(item=these.zip(others))
        work.override(task_id="filled").expand(item=these.zip(others, fillvalue=0))
        work.override(task_id="joined").expand(item=these.concat(others))
        work.override(task_id="each_key").expand(item={"x": 1, "y": 2})
        work.override(task_id="plain")(5, factor=4)
        work.override(task_id="templated")("{{ ds }}", factor=these)
        work.override(task_id="huge").expand(item=list(range(5000)))
        BashOperator.partial(task_id="shell").expand(bash_command=["true", "false"])
    return dag


@pytest.fixture(scope="module")
def known(made: DAG) -> dict[str, Any]:
    return dict(known_tasks(DagSerialization.to_dict(made)))


@pytest.mark.parametrize(
    ("task_id", "map_index", "expected"),
    [
        ("work", 1, {"map_length": 2, "factor": 3, "item": PARTS[1]}),
        ("literal", 1, {"map_length": 2, "item": 50}),
        ("cross", 0, {"map_length": 6, "item": 1, "factor": 10}),
        ("cross", 2, {"map_length": 6, "item": 1, "factor": 30}),
        ("cross", 3, {"map_length": 6, "item": 2, "factor": 10}),
        ("named", 1, {"map_length": 2, "item": 50, "factor": 9}),
        ("from_upstream", 1, {"map_length": 2, **PARTS[1]}),
        ("changed", 0, {"map_length": 2, "item": PARTS[0]}),
        ("zipped", 0, {"map_length": 1, "item": (PARTS[0], 7)}),
        ("filled", 1, {"map_length": 2, "item": (PARTS[1], None)}),
        ("joined", 2, {"map_length": 3, "item": 7}),
        ("each_key", 1, {"map_length": 2, "item": ("y", 2)}),
        ("plain", -1, {"0": 5, "factor": 4}),
        ("templated", -1, {}),
        ("huge", 3, {}),
        ("shell", 1, {"map_length": 2, "bash_command": "false"}),
    ],
)
def test_each_instance_has_its_own_arguments(
    known: dict[str, Any], task_id: str, map_index: int, expected: dict[str, Any]
) -> None:
    """In Airflow's own order of combinations; before a transformation where there is one."""
    assert known[task_id].arguments.of(map_index, XCOMS) == expected


def test_what_upstream_has_not_told_is_left_out(known: dict[str, Any]) -> None:
    """The literals are known all the same."""
    assert known["work"].arguments.of(1, {}) == {"factor": 3}
    assert known["zipped"].arguments.of(0, {("parts", "return_value"): PARTS}) == {}
    assert known["from_upstream"].arguments.of(7, XCOMS) == {"map_length": 2}


def test_only_the_xcoms_that_are_needed_are_read(known: dict[str, Any]) -> None:
    """None for what is no mapping over them."""
    of = {task_id: {name for name, _ in each.arguments.upstream} for task_id, each in known.items()}
    assert of["work"] == of["changed"] == of["from_upstream"] == {"parts"}
    assert of["zipped"] == of["joined"] == {"parts", "more"}
    assert not of["literal"] | of["cross"] | of["plain"] | of["templated"]


def test_pool_and_slots_belong_to_the_description(known: dict[str, Any]) -> None:
    """Where the author chose them, mapped or not."""
    assert known["work"].description.parameters == {"pool": "heavy", "pool_slots": 3}
    assert known["plain"].description.parameters == {"pool": "heavy", "pool_slots": 3}
    assert known["shell"].description.parameters == {}


def test_a_task_that_runs_here_has_the_same_arguments(made: DAG, known: dict[str, Any]) -> None:
    """As for `dag.test()`, which has no serialized DAG."""
    plain, mapped = made.get_task("plain"), made.get_task("literal")
    assert given_arguments(plain) == known["plain"].arguments.of(-1, {})
    instance = mapped.unmap({"op_kwargs": {"item": 50}, "op_args": []})
    of_scheduler = known["literal"].arguments.of(1, {})
    assert given_arguments(instance).items() <= of_scheduler.items()
    assert given_arguments(made.get_task("shell").unmap({"bash_command": "true"})) == {}
