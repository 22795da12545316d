"""``aiops plan list``, ``diff`` and ``nominate``."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime

import pytest

from aiops_provider.domain.task import TaskKey
from aiops_provider.profiling.profiler import Profiler
from aiops_provider.store import Store

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CONFIG = """\
store: sqlite:///{folder}/aiops.db
clusters:
  - {{name: a, kind: local, provider: x, region: r, price_usd_per_hour: {a},
     capacity: {{cores: 64, memory_gib: 256}}}}
  - {{name: b, kind: local, provider: y, region: r, price_usd_per_hour: 0.5,
     capacity: {{cores: 64, memory_gib: 256}}}}
"""


@pytest.fixture
def store(aiops, tmp_path):
    (tmp_path / "aiops.yaml").write_text(CONFIG.format(folder=tmp_path, a=0.1))
    with closing(Store.open(f"sqlite:///{tmp_path}/aiops.db")) as opened:
        opened.upgrade()
        opened.save_profiles([Profiler().predict(TaskKey("dag", "t"), now=NOW)])
        yield opened


def test_prices_change_and_the_difference_is_told(aiops, store, tmp_path):
    """When a cluster becomes dear the next plan moves the task, and the difference says so."""
    assert aiops("plan").status == 0
    (tmp_path / "aiops.yaml").write_text(CONFIG.format(folder=tmp_path, a=9.0))
    store.save_profiles([Profiler().predict(TaskKey("dag", "t2"), now=NOW)])
    # What the cycle would do after its period:
    from aiops_provider.control.installation import Installation
    from aiops_provider.control.replan import replan
    from aiops_provider.settings.load import load_settings

    with closing(Installation.open(load_settings(tmp_path / "aiops.yaml", {}))) as installation:
        replan(installation, NOW, "test")
    found = aiops("plan", "diff", "--output", "json").data
    listed = aiops("plan", "list", "--output", "json").data

    assert [("t", "moved", {"a/default": 1.0}, {"b/default": 1.0})] == [
        (each["task"]["name"], each["change"], each["before"], each["after"])
        for each in found["changes"]
        if each["change"] == "moved"
    ]
    assert (1, 2) == (found["old_version"], found["new_version"])
    assert [(2, True), (1, False)] == [(each["version"], each["in_force"]) for each in listed]
    assert "dag/t2" in aiops("plan", "diff", "1", "2").out


def test_clusters_are_nominated_as_kueue_spells_it(aiops, store):
    """The plan in force as lists of clusters, those to try next apart."""
    aiops("plan")

    assert [
        {
            "task": "dag/t", "group": "dag/t",
            "nominatedClusterNames": ["a"], "nextClusterNames": ["b"],
        }
    ] == aiops("plan", "nominate", "--output", "json").data  # fmt: skip


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("diff",), "no plan is in force"),
        (("nominate",), "no plan is in force"),
        (("diff", "7", "8"), "there is no such plan (got 8)"),
    ],
)
def test_what_is_not_there_is_told(aiops, store, words, told):
    """Status 2 and what to do."""
    answer = aiops("plan", *words)

    assert answer.status == 2
    assert told in answer.err


def test_first_plan_has_none_before_it(aiops, store):
    """There is nothing to compare the first plan with."""
    aiops("plan")
    answer = aiops("plan", "diff")

    assert answer.status == 2
    assert "no plan was in force before plan 1" in answer.err
