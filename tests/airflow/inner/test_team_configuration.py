"""Several executors of one kind in one process, each with settings of its own."""

import pytest
from airflow.configuration import conf

from aiops_provider.airflow.inner.team_configuration import (
    global_values,
    materialise,
    pseudo_team,
)


@pytest.fixture
def team():
    name = pseudo_team("test-cluster")
    yield name
    for section in [each for each in conf.sections() if each.startswith(f"{name}=")]:
        conf.remove_section(section)


def test_the_global_value_holds_unless_the_cluster_says_otherwise(team, monkeypatch):
    """A team's executor never looks into the global section, so everything is copied."""
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "http://api:8080/execution/")
    materialise(team, sections=("scheduler",), overrides={"core": {"parallelism": 7}})
    found = conf.get("core", "execution_api_server_url", team_name=team)
    assert "http://api:8080/execution/" == found
    assert 7 == conf.getint("core", "parallelism", team_name=team)
    assert 7 != conf.getint("core", "parallelism")


def test_every_key_that_has_a_value_is_copied(team):
    """None is forgotten when Airflow adds one."""
    materialise(team, sections=("scheduler",), overrides={})
    for section in ("core", "scheduler"):
        copied = {key: conf.get(section, key, team_name=team) for key in global_values(section)}
        assert global_values(section) == copied


def test_signs_that_mean_something_to_the_parser_survive(team):
    """A password may hold a per cent sign."""
    materialise(team, sections=(), overrides={"celery": {"broker_url": "redis://:a%b@h/0"}})
    assert "redis://:a%b@h/0" == conf.get("celery", "broker_url", team_name=team)


def test_an_operator_overrides_by_environment(team, monkeypatch):
    """Secrets need not stand in aiops.yaml."""
    monkeypatch.setenv("AIRFLOW__AIOPS_TEST_CLUSTER___CELERY__BROKER_URL", "redis://secret")
    materialise(team, sections=(), overrides={"celery": {"broker_url": "redis://plain"}})
    assert "redis://secret" == conf.get("celery", "broker_url", team_name=team)
