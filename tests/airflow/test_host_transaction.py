"""What is written before a commit of Airflow's, with a real session and real databases."""

from __future__ import annotations

from contextlib import closing

import pytest
from airflow.executors.workloads import BundleInfo, ExecuteTask, TaskInstanceDTO
from airflow.utils.sqlalchemy import prohibit_commit
from sqlalchemy import create_engine, text
from sqlalchemy.orm import sessionmaker

from aiops_provider.airflow.host_transaction import BeforeCommit
from aiops_provider.airflow.placer import Placer
from aiops_provider.airflow.versions import workload_key
from aiops_provider.control.installation import Installation
from aiops_provider.control.layer import Layer
from aiops_provider.domain.task import TaskKey
from aiops_provider.settings.schema import Settings


@pytest.fixture
def handed():
    return []


@pytest.fixture
def before_commit(handed):
    return BeforeCommit(lambda session, items: handed.append(list(items)))


@pytest.fixture
def sessions(store_url):
    engine = create_engine(store_url.replace("postgresql://", "postgresql+psycopg://"))
    yield sessionmaker(engine)
    engine.dispose()


def test_everything_of_a_transaction_is_handed_over_at_once(before_commit, handed, sessions):
    """Also in the second transaction of a session, as the scheduler's is used again and again."""
    with sessions() as session:
        for items in ([1, 2], [3]):
            for item in items:
                before_commit.add(session, item)
            session.commit()
    assert [[1, 2], [3]] == handed


def test_what_is_rolled_back_is_not_handed_over(before_commit, handed, sessions):
    """It stands or falls with the transaction that it belongs to."""
    with sessions() as session:
        session.execute(text("SELECT 1"))
        before_commit.add(session, 1)
        session.rollback()
        before_commit.add(session, 2)
        session.commit()
    assert [[2]] == handed


def test_sessions_do_not_mix(before_commit, handed, sessions):
    """Each commit hands over its own."""
    with sessions() as one, sessions() as other:
        before_commit.add(one, 1)
        before_commit.add(other, 2)
        other.commit()
        assert [[2]] == handed


def task(index: int) -> ExecuteTask:
    return ExecuteTask(
        ti=TaskInstanceDTO(
            id=f"00000000-0000-0000-0000-{index:012}",
            dag_version_id="00000000-0000-0000-0000-000000000000",
            task_id="train",
            dag_id="medical",
            run_id="r1",
            try_number=1,
            map_index=index,
            pool_slots=1,
            queue="default",
            priority_weight=1,
        ),
        dag_rel_path="medical.py",
        token="t",
        bundle_info=BundleInfo(name="dags-folder"),
        log_path=None,
    )


@pytest.fixture
def layers(store_url):
    """Two schedulers of one Airflow."""
    settings = Settings.model_validate({"run_cycle": False})
    made = [
        Layer(Installation.open(settings, default_store_url=store_url), ingest_url=None)
        for _ in range(2)
    ]
    yield made
    for layer in made:
        layer.stop()


def placed(layer):
    with closing(layer.installation.require_store()) as store:
        return sorted(
            (each.run.map_index, each.epoch)
            for each in store.placements(task=TaskKey("medical", "train"))
        )


def test_placements_are_on_record_with_the_transaction_that_queued_their_tasks(layers, sessions):
    """Under the scheduler's own guard against commits; a rollback leaves none behind."""
    placer = Placer(layers[0])
    with sessions() as session, prohibit_commit(session) as guard:
        session.execute(text("SELECT 1"))
        placer.choose(task(9), session)
        session.rollback()
        for index in range(3):
            placer.choose(task(index), session)
        assert not placer.good_choice(task(0)).recorded
        guard.commit()
        assert placer.good_choice(task(0)).recorded
    assert [(0, 1), (1, 1), (2, 1)] == placed(layers[0])


def test_a_try_that_another_scheduler_placed_is_placed_anew_with_the_next_epoch(layers, sessions):
    """Those that were chosen in the same transaction keep theirs."""
    for layer, indices in zip(layers, ([1], [0, 1, 2]), strict=True):
        placer = Placer(layer)
        with sessions() as session:
            for index in indices:
                placer.choose(task(index), session)
            session.commit()
    assert [(0, 1), (1, 1), (1, 2), (2, 1)] == placed(layers[0])
    assert 2 == placer.good_choice(task(1)).placement.epoch


def test_what_was_forgotten_before_the_commit_is_not_written(layers, sessions):
    """A task that was revoked at once has no placement."""
    placer = Placer(layers[0])
    with sessions() as session:
        placer.choose(task(0), session)
        placer.choose(task(1), session)
        placer.forget(workload_key(task(0)))
        session.commit()
    assert [(1, 1)] == placed(layers[0])
