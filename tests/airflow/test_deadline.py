"""Later than its own p95: Airflow's own serialisation and tables around our reference."""

from datetime import UTC, datetime, timedelta

import pytest
from airflow.models import DagRun
from airflow.models.tasklog import LogTemplate
from airflow.sdk import DeadlineAlert
from airflow.sdk.definitions.callback import AsyncCallback
from airflow.serialization.decoders import decode_deadline_alert
from airflow.serialization.encoders import encode_deadline_alert
from sqlalchemy import create_engine, insert
from sqlalchemy.orm import Session

from aiops_provider.airflow import RuntimeQuantileDeadline
from aiops_provider.errors import DescriptionError

START = datetime(2026, 3, 1, tzinfo=UTC)
INTERVAL = timedelta(minutes=5)


@pytest.fixture
def session():
    """Airflow's table of DAG runs, empty."""
    engine = create_engine("sqlite://")
    LogTemplate.__table__.create(engine)
    DagRun.__table__.create(engine)
    with Session(engine) as session:
        yield session
    engine.dispose()


def ran(session, minutes, *, dag_id="nightly", state="success", run_type="scheduled", queued=True):
    """Runs of those durations, one a day; the later in the list, the later."""
    for minute in minutes:
        number = session.query(DagRun.id).count()
        begun = START + timedelta(days=number)
        row = {
            "dag_id": dag_id,
            "run_id": f"r{number}",
            "logical_date": begun,
            "run_after": begun,
            "queued_at": begun if queued else None,
            "start_date": begun + timedelta(seconds=30 if queued else 0),
            "end_date": begun + timedelta(minutes=minute),
            "state": state,
            "run_type": run_type,
        }
        session.execute(insert(DagRun).values(**row))


async def tell(**context): ...


def lateness(session, reference):
    """Minutes until the deadline of a run that begins now, as Airflow finds it; without interval."""
    alert = DeadlineAlert(reference, interval=INTERVAL, callback=AsyncCallback(tell))
    stored = decode_deadline_alert(encode_deadline_alert(alert)).reference
    before = datetime.now(UTC)
    deadline = stored.evaluate_with(
        session=session, interval=INTERVAL, dag_id="nightly", run_id="now"
    )
    if deadline is None:
        return None
    minutes = (deadline - INTERVAL - before).total_seconds() / 60
    return round(minutes)


def test_the_deadline_is_the_quantile_of_its_own_runs(session):
    """From being queued on, over what succeeded, whatever the order."""
    ran(session, [60, *range(1, 20)])
    assert 19 == lateness(session, RuntimeQuantileDeadline())
    assert 60 == lateness(session, RuntimeQuantileDeadline(quantile=1.0))
    assert 10 == lateness(session, RuntimeQuantileDeadline(quantile=0.5))


def test_only_ordinary_runs_of_that_dag_count(session):
    """Neither failures nor backfills nor another DAG's."""
    ran(session, [10] * 20, queued=False)
    ran(session, [99] * 20, state="failed")
    ran(session, [99] * 20, run_type="backfill")
    ran(session, [99] * 20, dag_id="other")
    assert 10 == lateness(session, RuntimeQuantileDeadline())


def test_the_latest_runs_count(session):
    """A DAG that has become slower is not late for ever."""
    ran(session, [10] * 30 + [50] * 20)
    assert 50 == lateness(session, RuntimeQuantileDeadline(max_runs=20))


def test_too_few_runs_are_no_reason_to_be_late(session):
    """Nothing is a p95 before 20 runs."""
    ran(session, [10] * 19)
    assert lateness(session, RuntimeQuantileDeadline()) is None
    assert 10 == lateness(session, RuntimeQuantileDeadline(min_runs=19))


@pytest.mark.parametrize(
    "wrong",
    [{"quantile": 0}, {"quantile": 1.1}, {"max_runs": 0}, {"min_runs": 0}, {"min_runs": 101}],
)
def test_figures_out_of_range_are_refused(wrong):
    """When the DAG is parsed, not in the scheduler."""
    with pytest.raises(DescriptionError, match=next(iter(wrong))):
        RuntimeQuantileDeadline(**wrong)
