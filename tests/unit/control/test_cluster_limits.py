"""Which clusters queues, executors and teams leave."""

import pytest

from aiops_provider.control.cluster_limits import cluster_limits, team_of
from aiops_provider.settings.schema import Settings

CLUSTERS = [{"name": name, "kind": "local"} for name in ("onprem", "eks", "gpu")]
SAID = {
    "clusters": CLUSTERS,
    "airflow": {"queues": {"fast": ["gpu", "eks"]}, "executors": {"CeleryExecutor": "onprem"}},
    "teams": {
        "science": {"clusters": ["eks", "gpu"], "dags": ["ml_*", "paper"]},
        "finance": {"clusters": "onprem", "dags": ["*"]},
    },
}


@pytest.fixture
def settings() -> Settings:
    return Settings.model_validate(SAID)


def test_what_is_said_nowhere_limits_nothing(settings):
    """No queue, no executor, no team; and names mean nothing where nothing is mapped."""
    assert () == cluster_limits(settings)
    assert () == cluster_limits(Settings(), queue="fast", executor="CeleryExecutor", team="science")


def test_names_lead_to_their_clusters_in_order(settings):
    """A single cluster may be written without a list; only the team holds against a pin."""
    limits = cluster_limits(settings, queue="fast", executor="CeleryExecutor", team="science")
    assert [("eks", "gpu"), ("gpu", "eks"), ("onprem",)] == [each.clusters for each in limits]
    assert [True, False, False] == [each.binding for each in limits]
    assert "executor CeleryExecutor is mapped to onprem" == limits[2].reason


def test_a_name_that_a_filled_mapping_lacks_leaves_no_cluster(settings):
    """Its author meant a place that is not known here."""
    (limit,) = cluster_limits(settings, queue="fsat")
    assert ((), "queue fsat is mapped to no cluster (airflow.queues)") == (
        limit.clusters,
        limit.reason,
    )


@pytest.mark.parametrize(
    ("dag", "team"), [("ml_train", "science"), ("paper", "science"), ("ledger", "finance")]
)
def test_the_first_team_whose_pattern_matches_owns_a_dag(settings, dag, team):
    """Patterns are tried in the order of the file."""
    assert team == team_of(settings, dag)


def test_a_dag_of_nobody_has_no_team():
    """Then it may use every cluster."""
    assert team_of(Settings(), "ledger") is None
