"""The arguments of mapped instances, against what Airflow itself hands to them."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, task, task_group
from airflow.serialization.serialized_objects import DagSerialization

from aiops_provider.airflow.dag_facts import known_tasks
from aiops_provider.airflow.task_arguments import given_arguments
from aiops_provider.airflow.xcom_references import OfInstances

PARTS = [{"path": "a", "rows": 1}, {"path": "b", "rows": 50}]
XCOMS = {
    ("parts", "return_value"): PARTS,
    ("parts", "places"): {"left": "x", "right": [4, 5]},
    ("more", "return_value"): [7],
    ("work", "return_value"): OfInstances({0: 10, 2: 30}),
    ("group.inside", "return_value"): OfInstances({1: 20}),
}


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
        work.override(task_id="several")([these, others], factor={"most": others, "least": 1})
        work.override(task_id="of_all")(work.override(task_id="returning").expand(item=these))
        work.override(task_id="same_factor").partial(factor=others).expand(item=[1, 2])
        work.override(task_id="pulled")("{{ ti.xcom_pull('parts', key='places')['right'][1] }}")
        work.override(task_id="other_dag")("{{ ti.xcom_pull('parts', dag_id='e') }}")
        work.override(task_id="earlier")("{{ ti.xcom_pull('parts', include_prior_dates=True) }}")
        work.override(task_id="computed")("{{ ti.xcom_pull('pa' ~ 'rts') }}")
        work.override(task_id="of_variable")("{{ ti.xcom_pull(params.task) }}")
        work.override(task_id="odd")("{{ 1 if ti.xcom_pull('parts') is defined }}")
        BashOperator(
            task_id="in_text",
            bash_command="load {{ ti.xcom_pull(task_ids=['more', 'work']) | length }} "
            "{{ task_instance.xcom_pull('parts')[0].rows }} {{ ds }} {{ ti.xcom_pull('nowhere') }}",
            env={"PARTS": others, "HOME": "/home", "TOKEN": "{{ ds }}"},
        )

        @task
        def login_token() -> str:
            return "s3cret"

        work.override(task_id="secret")(login_token())

        @task_group
        def group(part: Any, units: int = 1) -> None:
            inside = work.override(task_id="inside")(part)
            work.override(task_id="named")(factor=units, item=part)
            work.override(task_id="after")(inside)
            work.override(task_id="of_group")("{{ ti.xcom_pull('group.inside') }}", factor=others)

            @task_group
            def within(deeper: Any) -> None:
                work.override(task_id="deep")(deeper)

            within(part)

        group.partial(units=5).expand(part=these)
        group.override(group_id="rows").expand_kwargs([{"part": "a", "units": 3}, {"part": "b"}])
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
        ("templated", -1, {"factor": PARTS}),
        ("several", -1, {"0": [PARTS, [7]], "factor": {"most": [7], "least": 1}}),
        ("same_factor", 1, {"map_length": 2, "item": 2, "factor": [7]}),
        ("pulled", -1, {"0": 5}),
        ("other_dag", -1, {}),
        ("earlier", -1, {}),
        ("computed", -1, {}),
        ("of_variable", -1, {}),
        ("odd", -1, {}),
        (
            "in_text",
            -1,
            {
                "bash_command": {"more": [7], "work": [10, 30], "parts.0.rows": 1},
                "env": {"PARTS": [7]},
            },
        ),
        ("secret", -1, {}),
        ("group.inside", 1, {"map_length": 2, "part": PARTS[1]}),
        ("group.named", 1, {"map_length": 2, "item": PARTS[1], "factor": 5}),
        ("group.after", 1, {"map_length": 2, "0": 20, "part": PARTS[1]}),
        ("group.after", 0, {"map_length": 2, "part": PARTS[0]}),
        ("group.of_group", 0, {"map_length": 2, "0": [20], "factor": [7], "part": PARTS[0]}),
        ("group.within.deep", 1, {"map_length": 2, "part": PARTS[1]}),
        ("rows.named", 0, {"map_length": 2, "item": "a", "factor": 3}),
        ("rows.inside", 1, {"map_length": 2, "part": "b"}),
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
    assert known["several"].arguments.of(-1, {}) == {"factor": {"least": 1}}
    assert known["group.inside"].arguments.of(1, {}) == {}
    assert known["zipped"].arguments.of(0, {("parts", "return_value"): PARTS}) == {}
    assert known["from_upstream"].arguments.of(7, XCOMS) == {"map_length": 2}


def test_only_the_xcoms_that_are_needed_are_read(known: dict[str, Any]) -> None:
    """None for literals and for what is a secret by its name."""
    of = {task_id: {name for name, _ in each.arguments.upstream} for task_id, each in known.items()}
    assert of["work"] == of["changed"] == of["from_upstream"] == {"parts"}
    assert of["zipped"] == of["joined"] == {"parts", "more"}
    assert not of["literal"] | of["cross"] | of["plain"] | of["secret"] | of["computed"]
    assert of["group.named"] == {"parts"}


def test_within_a_mapped_group_the_xcom_of_the_same_index_is_meant(known: dict[str, Any]) -> None:
    """Where it is handed over directly; a template of one's own gets those of all, as in Airflow."""
    returned = ("group.inside", "return_value")
    assert known["group.after"].arguments.upstream[returned]
    assert not known["group.of_group"].arguments.upstream[returned]
    assert not known["of_all"].arguments.upstream["returning", "return_value"]


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
