"""Whose team a DAG is, read in the scheduler's own transaction, with real databases."""

from __future__ import annotations

import pytest
from airflow.models.dag import DagModel
from sqlalchemy import create_engine, text
from sqlalchemy.orm import sessionmaker

from aiops_provider.airflow.teams import Teams
from aiops_provider.settings.schema import Settings

SETTINGS = Settings.model_validate(
    {"teams": {"science": {"clusters": "local", "dags": ["paper_*"]}}}
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def teams(monkeypatch, clock):
    monkeypatch.setenv("AIRFLOW__CORE__MULTI_TEAM", "True")
    return Teams(SETTINGS, clock=clock)


@pytest.fixture
def session(store_url):
    """Of a database in which Airflow's tables are missing, so that each look is an error."""
    engine = create_engine(store_url.replace("postgresql://", "postgresql+psycopg://"))
    with sessionmaker(engine)() as session:
        yield session
    engine.dispose()


def test_a_database_error_leaves_the_schedulers_transaction_alone(teams, session, caplog):
    """What it wrote before is still committed; the team is the one that aiops.yaml says."""
    session.execute(text("CREATE TABLE written (number INTEGER)"))
    session.execute(text("INSERT INTO written VALUES (7)"))
    assert "science" == teams.of("paper_1", session)
    assert teams.of("medical", session) is None
    session.commit()
    assert [7] == list(session.scalars(text("SELECT number FROM written")))
    assert "Airflow's team of paper_1 cannot be read" in caplog.text


def test_a_team_that_was_known_holds_while_it_cannot_be_read(teams, clock, monkeypatch, session):
    """And is asked about again after a while, not by every task of the moment."""
    asked: list[str] = []
    answers = iter(["research", OSError("gone"), "people"])

    def team_of_airflow(dag_id, *, session):
        asked.append(dag_id)
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(DagModel, "get_team_name", team_of_airflow)
    found = []
    for _ in range(3):
        found += [teams.of("paper_1", session), teams.of("paper_1", session)]
        clock.now += 60
    assert ["research"] * 4 + ["people"] * 2 == found
    assert ["paper_1"] * 3 == asked
