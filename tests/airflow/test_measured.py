"""KPIs that tasks tell without calling us, under Airflow's real scheduler."""

import time

import pytest

from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.task import TaskKey

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def samples(airflow):
    """All samples of one run, once those of every way are there."""
    assert airflow.run("measured", "m1", timeout_s=180) == "success"
    deadline = time.monotonic() + 60
    wanted = {"rows_declared", "rows_pushed", "rows_emitted", "sql_row_count"}
    while True:
        found, _ = airflow.installation.store.samples_after(0, 10_000)
        names = [each.name for each in found]
        # Both mapped instances push.
        if (wanted <= set(names) and names.count("rows_pushed") > 1) or time.monotonic() > deadline:
            return found
        time.sleep(0.5)


def of(samples, name):
    return sorted((s for s in samples if s.name == name), key=lambda s: s.value)


def test_a_declared_kpi_is_read_from_the_returned_value(samples):
    """With who it was and where."""
    (sample,) = of(samples, "rows_declared")
    assert sample.value == 11
    assert sample.dimensions == {"dag": "measured", "task": "declares"}
    assert (sample.context["run_id"], sample.context["try_number"]) == ("m1", "1")
    assert sample.context["cluster"] in {"onprem", "aws"}


def test_a_callback_reports_what_each_mapped_task_returned(samples):
    """Its own value and no other's."""
    pushed = [(s.value, s.dimensions["partition"]) for s in of(samples, "rows_pushed")]
    assert pushed == [(20, "0"), (21, "1")]


def test_an_asset_event_carries_kpis_without_any_token(samples):
    """It is known where its task ran all the same."""
    (sample,) = of(samples, "rows_emitted")
    assert sample.value == 31
    assert sample.dimensions == {"dag": "measured", "task": "emits", "asset": "claims"}
    assert (sample.context["run_id"], sample.context["try_number"]) == ("m1", "1")
    assert sample.context["cluster"] in {"onprem", "aws"}


def test_sql_operators_tell_their_row_counts(samples):
    """Those that the database driver knows."""
    (sample,) = of(samples, "sql_row_count")
    assert sample.value == 3
    assert sample.dimensions["task"] == "inserts"


def test_an_undescribed_query_is_known_as_one_at_its_first_dispatch(airflow):
    """Airflow's own serialized DAG tells the operator: its work is done elsewhere."""
    task = TaskKey("undescribed", "query")
    assert airflow.installation.store.executions(task) == []
    assert airflow.run("undescribed", "u1", timeout_s=180) == "failed"
    (placement,) = airflow.installation.store.placements(task=task)
    assert placement.route.request.cores == 0.25
    # A task of which nothing is known gets a whole core.
    (unknown,) = airflow.installation.store.placements(task=TaskKey("measured", "emits"))
    assert unknown.route.request.cores >= 1.0


def test_records_tell_which_code_ran(airflow, samples):
    """Mapped tasks run the same code, others another."""
    store = airflow.installation.store
    deadline = time.monotonic() + 60
    while len(found := store.executions(TaskKey("measured", "pushes"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    (code,) = {each.code_hash for each in found}
    (other,) = store.executions(TaskKey("measured", "emits"))
    assert len(code) == len(other.code_hash) == 16
    assert code != other.code_hash


def test_a_failure_that_never_reached_its_code_is_seen(airflow):
    """No listener told of it, for the worker died over the DAG's file: the scheduler's side did."""
    task = TaskKey("broken", "never")
    airflow.api.wait_until(
        "the DAG is known", lambda: "broken" in airflow.api.dag_ids(), timeout_s=120
    )
    assert airflow.run("broken", "b1", timeout_s=180) == "failed"
    store, deadline = airflow.installation.store, time.monotonic() + 60
    while True:
        found, _ = store.samples_after(0, 10_000)
        failed = [s for s in of(found, "task_failed") if s.dimensions["dag"] == "broken"]
        if failed or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    assert [sample.value for sample in failed] == [1.0]
    (record,) = store.executions(task)
    assert record.outcome is Outcome.FAILED
