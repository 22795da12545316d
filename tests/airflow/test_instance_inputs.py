"""What is known of an instance's input costs the scheduler little, and never its transaction."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Column, MetaData, Table, create_engine
from sqlalchemy.orm import Session

from aiops_provider.airflow.instance_inputs import (
    InstanceInputs,
    keeps_what_was_returned,
    read_xcom,
)
from aiops_provider.airflow.task_arguments import TaskArguments, arguments_of
from aiops_provider.airflow.xcom_references import OfInstances, Reference
from aiops_provider.domain.workload import Generic

# Airflow's own tables, which are not ours to clean of warnings (3.2 with SQLAlchemy 2.1).
pytestmark = pytest.mark.filterwarnings("default")

SOURCE = ("d", "r1", "parts", "return_value")


def mapped(name: str = "n") -> TaskArguments:
    over = {"__type": "xcomref", "__var": {"task_id": "parts", "key": "return_value"}}
    return arguments_of(
        {
            "_is_mapped": True,
            "_expand_input_attr": "op_kwargs_expand_input",
            "op_kwargs_expand_input": {"type": "dict-of-lists", "value": {name: over}},
        }
    )


def instance(index: int = 0, run_id: str = "r1") -> Any:
    return SimpleNamespace(dag_id="d", task_id="work", run_id=run_id, map_index=index)


def test_one_look_serves_all_instances_of_a_run() -> None:
    """Another run is another input."""
    asked = []

    def read(source: Any, session: object) -> list[int]:
        asked.append(source)
        return [1, 50]

    inputs = InstanceInputs(read)
    facts = [inputs.of(instance(index), mapped(), object()) for index in (0, 1, 1)]
    assert [dict(each)["n"] for each in facts] == [1.0, 50.0, 50.0]
    inputs.of(instance(run_id="r2"), mapped(), object())
    assert asked == [SOURCE, ("d", "r2", *SOURCE[2:])]


def test_a_slow_database_does_not_hold_up_the_scheduler() -> None:
    """What is beyond a twentieth of a second is placed without, until the next second."""
    now, asked = [0.0], []

    def read(source: Any, session: object) -> list[int]:
        asked.append(source[1])
        now[0] += 0.06
        return [1]

    inputs = InstanceInputs(read, clock=lambda: now[0])
    first, second = (inputs.of(instance(0, run), mapped(), object()) for run in ("r1", "r2"))
    assert (dict(first).get("n"), dict(second).get("n")) == (1.0, None)
    now[0] = 1.5
    assert dict(inputs.of(instance(0, "r2"), mapped(), object()))["n"] == 1.0
    assert asked == ["r1", "r2"]


def test_a_database_that_fails_is_not_asked_by_every_instance() -> None:
    """The instances are placed as any."""
    asked = []

    def read(source: Any, session: object) -> None:
        asked.append(source)
        raise OSError("gone")

    inputs = InstanceInputs(read)
    assert [inputs.of(instance(i), mapped(), object()) for i in range(3)] == [(), (), ()]
    assert len(asked) == 1


def test_what_was_cleared_is_read_again_after_a_minute() -> None:
    """A task upstream may return something else then."""
    now, values = [0.0], iter([[1], [9]])
    inputs = InstanceInputs(lambda *_: next(values), clock=lambda: now[0])
    seen = []
    for now[0] in (0.0, 59.0, 61.0):
        seen.append(dict(inputs.of(instance(), mapped(), object()))["n"])
    assert seen == [1.0, 1.0, 9.0]


def test_a_description_names_the_argument() -> None:
    """Of a task that is not mapped as well."""
    described = Generic(input_gib_of="gib")
    facts = InstanceInputs().of(instance(-1), TaskArguments({"gib": 3}), None, described)
    assert dict(facts)["input_gib"] == 3.0


def reading(*, own: bool = False) -> TaskArguments:
    return TaskArguments(reads={"n": Reference("", "parts", "return_value", own=own)})


def test_what_a_task_reads_that_is_not_mapped_is_looked_at() -> None:
    """Of a mapped task upstream the results of all instances."""
    returned = {"r1": {"rows": 50}, "r2": OfInstances({0: 3, 2: 4})}
    inputs = InstanceInputs(lambda source, _: returned[source[1]])
    assert ("n.rows", 50.0) in inputs.of(instance(-1), reading(), object())
    facts = dict(inputs.of(instance(-1, "r2"), reading(), object()))
    assert (facts["n.length"], facts["n.sum"]) == (2.0, 7.0)


def test_results_of_a_mapped_group_are_read_as_its_instances_return_them() -> None:
    """Each is there when what follows it is placed; who needs all of them does not see too few."""
    ended, asked = OfInstances({0: 10}), []

    def read(source: Any, session: object) -> OfInstances:
        asked.append(source)
        return OfInstances(ended)

    inputs = InstanceInputs(read)
    assert dict(inputs.of(instance(0), reading(own=True), object()))["n"] == 10.0
    ended[1] = 500
    assert dict(inputs.of(instance(1), reading(own=True), object()))["n"] == 500.0
    assert dict(inputs.of(instance(0), reading(own=True), object()))["n"] == 10.0
    assert len(asked) == 2
    ended[2] = 7
    assert dict(inputs.of(instance(-1), reading(), object()))["n.length"] == 3.0


def test_nothing_is_read_of_a_backend_of_one_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it wrote into Airflow's database is not what was returned."""
    assert keeps_what_was_returned()
    backend = "airflow.providers.common.io.xcom.backend.XComObjectStorageBackend"
    monkeypatch.setenv("AIRFLOW__CORE__XCOM_BACKEND", backend)
    assert not keeps_what_was_returned()
    session = SimpleNamespace()  # which would fail if it were asked
    assert InstanceInputs().of(instance(-1), reading(), session) == ()


@pytest.fixture
def session(empty_url: str) -> Iterator[Session]:
    """Airflow's table without what it refers to, on each kind of database."""
    from airflow.models import import_all_models
    from airflow.models.xcom import XComModel

    import_all_models()  # which its keys refer to
    engine = create_engine(empty_url.replace("postgresql://", "postgresql+psycopg://"))
    columns = [
        Column(each.name, each.type, primary_key=each.primary_key)
        for each in XComModel.__table__.columns
    ]
    Table("xcom", MetaData(), *columns).create(engine)
    with Session(engine) as opened:
        yield opened
    engine.dispose()


def put(session: Session, value: Any, *, map_index: int = -1, run_id: str = "r1") -> None:
    from airflow.models.xcom import XComModel

    session.execute(
        XComModel.__table__.insert().values(
            dag_run_id=1,
            dag_id="d",
            run_id=run_id,
            task_id="parts",
            map_index=map_index,
            key="return_value",
            value=value,
        )
    )


def test_an_xcom_is_read_as_it_was_returned(session: Session) -> None:
    """Without the envelopes of types that JSON does not know."""
    assert read_xcom(SOURCE, session) is None
    enveloped = {"__classname__": "builtins.tuple", "__version__": 1, "__data__": [2, 3]}
    put(session, [{"rows": 1}, enveloped])
    assert read_xcom(SOURCE, session) == [{"rows": 1}, [2, 3]]


def test_of_a_mapped_task_all_are_read_in_order(session: Session) -> None:
    """As Airflow hands them on."""
    for index in (2, 0, 1):
        put(session, index * 10, map_index=index)
    assert list(read_xcom(SOURCE, session).items()) == [(0, 0), (1, 10), (2, 20)]


@pytest.mark.parametrize("rows", [1, 3])
def test_too_much_is_not_read(session: Session, rows: int) -> None:
    """Together, not each."""
    for index in range(rows):
        put(session, secrets.token_hex(150_000 // rows), map_index=index)
    assert read_xcom(SOURCE, session) is None


def test_what_compresses_well_is_as_large_as_it_is(session: Session) -> None:
    """However small it lies in the database."""
    put(session, "x" * 300_000)
    assert read_xcom(SOURCE, session) is None


def test_nothing_of_the_scheduler_s_session_is_flushed_or_undone(session: Session) -> None:
    """The look happens in a savepoint of the connection."""
    from airflow.models.xcom import XComModel

    put(session, [1])
    pending = XComModel(dag_run_id=2, dag_id="d", run_id="r2", task_id="t", key="k", value=1)
    session.add(pending)
    assert read_xcom(SOURCE, session) == [1]
    assert pending in session.new
