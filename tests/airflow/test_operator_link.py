"""The link *Why this cluster?*, as Airflow's API server makes it out of a stored DAG."""

from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
from airflow import plugins_manager
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.serialization.serialized_objects import DagSerialization

from aiops_provider.airflow.operator_link import WhyThisClusterLink
from aiops_provider.airflow.plugin import AiopsPlugin


@pytest.fixture
def stored(monkeypatch):
    """A task of a stored DAG, in an Airflow that has our plugin and no other."""
    monkeypatch.setattr(
        plugins_manager,
        "get_global_operator_extra_links",
        lambda: AiopsPlugin.global_operator_extra_links,
    )
    with DAG("medical", schedule=None) as dag:
        EmptyOperator(task_id="train")
    return DagSerialization.from_dict(DagSerialization.to_dict(dag)).get_task("train")


def test_every_task_has_the_link_of_its_try(stored):
    """Mapped instance and try included, whatever is in the names."""
    name = WhyThisClusterLink.name
    assert name in stored.extra_links
    key = TaskInstanceKey("medical", "train", "manual__2026-03-02T12:00:00+00:00", 3, 7)
    link = stored.get_extra_links(SimpleNamespace(key=key), name)
    parts = urlsplit(link)
    assert ("/aiops/", "routes") == (parts.path, parts.fragment)
    assert {
        "task": ["medical/train"],
        "run_id": ["manual__2026-03-02T12:00:00+00:00"],
        "map_index": ["7"],
        "try_number": ["3"],
    } == parse_qs(parts.query)


def test_the_link_respects_the_path_of_the_web_server(stored, monkeypatch):
    """Airflow may be served below a prefix."""
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://example.org/airflow/")
    key = TaskInstanceKey("medical", "train", "r1", 1, -1)
    link = WhyThisClusterLink().get_link(stored, ti_key=key)
    assert link.startswith("/airflow/aiops/?")
