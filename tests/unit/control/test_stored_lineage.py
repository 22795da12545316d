"""What is downstream of what, as a host told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.stored_lineage import LineageReader, store_lineage, stored_lineage
from aiops_provider.domain.task import TaskKey
from aiops_provider.store import Store

NOW = datetime(2026, 11, 24, 14, tzinfo=UTC)
EDGE = (TaskKey("sales", "extract"), TaskKey("sales", "load"))


@pytest.fixture
def store(tmp_path):
    made = Store.open(f"sqlite:///{tmp_path / 'aiops.db'}")
    made.upgrade()
    yield made
    made.close()


def test_the_last_lineage_of_a_dag_counts(store):
    """Each DAG by itself; one of which nothing was told has none."""
    store_lineage(store, "sales", {"extract": ("old",)})
    store_lineage(store, "sales", {"extract": ("load",), "load": ()})
    store_lineage(store, "other", {"a": ("b",)})
    assert [EDGE] == list(stored_lineage(store, ["sales", "unknown"]))


def test_lineage_is_read_for_dags_in_alarm_only_now_and_then(store):
    """At once when another DAG is in alarm, again after ten minutes, and dropped with the alarms."""
    store_lineage(store, "sales", {"extract": ("load",)})
    reader, sales = LineageReader(), frozenset({"sales"})
    assert reader.news(store, frozenset(), NOW) is None
    assert [EDGE] == reader.news(store, sales, NOW)
    assert reader.news(store, sales, NOW + timedelta(minutes=9)) is None
    assert [EDGE] == reader.news(store, sales, NOW + timedelta(minutes=10))
    assert [EDGE] == reader.news(store, sales | {"other"}, NOW + timedelta(minutes=11))
