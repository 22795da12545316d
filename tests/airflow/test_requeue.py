"""Tasks that go back to the scheduler, in Airflow's own tables."""

from uuid import uuid4

import pytest
from airflow.utils.state import TaskInstanceState
from sqlalchemy import create_engine, insert, select
from sqlalchemy.orm import scoped_session, sessionmaker

from aiops_provider.airflow.requeue import end_to_move, fence, give_back, run_moved, settled


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """The tables of an Airflow that has just been installed, in a file of their own."""
    from airflow import models, settings
    from airflow.models.base import Base
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.taskreschedule import TaskReschedule

    models.import_all_models()
    engine = create_engine(f"sqlite:///{tmp_path_factory.mktemp('airflow') / 'metadata.db'}")
    Base.metadata.create_all(engine)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "Session", scoped_session(sessionmaker(engine)))
        yield TaskInstance.__table__, TaskReschedule.__table__
        settings.Session.remove()
    engine.dispose()


@pytest.fixture
def stored(tables):
    """Stores a task in a state; its id."""
    from airflow.utils.session import create_session

    instances, _ = tables

    def stored(state: str, task_id: str):
        ti_id = uuid4()
        with create_session() as session:
            # SQLite does not look for the rows that it refers to unless it is asked to.
            session.execute(
                insert(instances).values(
                    id=ti_id,
                    dag_id="medical",
                    task_id=task_id,
                    run_id="r1",
                    map_index=-1,
                    state=state,
                    try_number=2,
                    max_tries=3,
                    pool="default_pool",
                    pool_slots=1,
                    queued_by_job_id=1,
                    external_executor_id="job-1",
                )
            )
        return ti_id

    return stored


def row(tables, task_id: str):
    from airflow.utils.session import create_session

    instances, _ = tables
    with create_session() as session:
        return session.execute(select(instances).where(instances.c.task_id == task_id)).one()


def test_a_queued_task_goes_back_under_a_new_id(tables, stored):
    """The try is the same; whoever holds the old id can do nothing with it."""
    ti_id = stored("queued", "waits")
    assert {ti_id} == give_back({ti_id})
    found = row(tables, "waits")
    assert ti_id != found.id
    assert (TaskInstanceState.SCHEDULED, 2) == (found.state, found.try_number)
    assert (None, None) == (found.external_executor_id, found.queued_by_job_id)


@pytest.mark.parametrize("state", ["running", "success", "up_for_retry", "deferred"])
def test_whatever_is_not_queued_stays_as_it_is(tables, stored, state):
    """It has started, or it is over, or somebody else has it."""
    ti_id = stored(state, f"is_{state}")
    assert set() == give_back({ti_id})
    assert (ti_id, state) == (row(tables, f"is_{state}").id, row(tables, f"is_{state}").state)


def test_what_is_over_is_settled_and_what_went_back_too(stored):
    """Nothing is queued or running under that id any more."""
    over, runs, waits = stored("success", "a"), stored("running", "b"), stored("queued", "c")
    assert {over} == settled({over, runs, waits})
    give_back({waits})
    assert {over, waits} == settled({over, runs, waits})


def test_nothing_asked_nothing_done():
    """No database is needed for no task."""
    assert (set(), set()) == (give_back(()), settled(()))


def test_a_running_task_is_fenced_under_a_new_id_and_at_no_cost_of_its_retries(tables, stored):
    """Airflow schedules it as its next try; the old one is in its history."""
    from airflow.models.log import Log
    from airflow.models.taskinstancehistory import TaskInstanceHistory
    from airflow.utils.session import create_session

    ti_id = stored("running", "lost")
    assert {ti_id} == fence({ti_id}, reason="eks is lost")
    found = row(tables, "lost")
    assert ti_id != found.id
    assert (None, None, 4) == (found.state, found.external_executor_id, found.max_tries)
    with create_session() as session:
        history = TaskInstanceHistory.__table__
        old = session.execute(select(history).where(history.c.task_id == "lost")).one()
        assert ("failed", 2) == (old.state, old.try_number)
        events = Log.__table__
        said = session.execute(select(events).where(events.c.task_id == "lost")).one()
        assert ("fenced by aiops", "eks is lost") == (said.event, said.extra)


@pytest.mark.parametrize("state", ["queued", "success", "deferred"])
def test_only_what_runs_is_fenced(tables, stored, state):
    """It is on no cluster, or it is over."""
    ti_id = stored(state, f"not_{state}")
    assert set() == fence({ti_id}, reason="eks is lost")
    assert (ti_id, state) == (row(tables, f"not_{state}").id, row(tables, f"not_{state}").state)


def test_a_moved_task_begins_anew_only_when_somebody_says_that_it_has_ended(tables, stored):
    """Until then it is restarting under its old id, for which no worker may go on."""
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    ti_id = stored("running", "moved")
    assert set() == run_moved({ti_id}, reason="it has ended")
    assert {ti_id} == end_to_move({ti_id: "onprem is cheaper"})
    found = row(tables, "moved")
    assert (ti_id, "restarting", 3) == (found.id, found.state, found.max_tries)
    assert set() == settled({ti_id})
    assert set() == end_to_move({ti_id: "once more"})
    assert {ti_id} == run_moved({ti_id}, reason="it has ended")
    found = row(tables, "moved")
    assert ti_id != found.id
    assert (None, None, 4) == (found.state, found.external_executor_id, found.max_tries)
    with create_session() as session:
        events = Log.__table__
        said = session.execute(select(events.c.event).where(events.c.task_id == "moved"))
        assert {"moved by aiops", "ended to be moved"} == set(said.scalars())


@pytest.mark.parametrize("state", ["queued", "success", "deferred"])
def test_only_what_runs_is_moved(tables, stored, state):
    """It is on no cluster, or it is over."""
    ti_id = stored(state, f"stays_{state}")
    assert set() == end_to_move({ti_id: "onprem is cheaper"})
    assert state == row(tables, f"stays_{state}").state


def test_a_task_that_is_being_moved_is_fenced_when_its_cluster_is_lost(tables, stored):
    """Nobody will tell of its end any more."""
    ti_id = stored("running", "lost_while_moved")
    end_to_move({ti_id: "onprem is cheaper"})
    assert {ti_id} == fence({ti_id}, reason="aws is lost")
    assert row(tables, "lost_while_moved").state is None
