"""Tasks of a scheduler that died."""

from types import SimpleNamespace

import pytest

from aiops_provider.airflow.inner.cluster import Orphan
from aiops_provider.airflow.orphans import limits_of
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.settings.schema import Settings

SETTINGS = Settings.model_validate(
    {
        "clusters": [
            {"name": name, "kind": "local", "provider": "on_premises"} for name in ("cheap", "dear")
        ],
        "teams": {"vision": {"clusters": ["dear"]}},
        "airflow": {"queues": {"gpu": ["dear"]}},
    }
)


@pytest.mark.parametrize(
    ("team", "queue", "allowed"),
    [
        (None, "default", []),
        ("vision", "default", [("dear",)]),
        (None, "gpu", [("dear",)]),
        ("vision", "gpu", [("dear",), ("dear",)]),
    ],
)
def test_an_adopted_task_keeps_to_the_clusters_of_its_team_and_queue(team, queue, allowed):
    """As when it was placed, so that it is not moved elsewhere."""
    orphan = Orphan(
        ti=SimpleNamespace(queue=queue, executor_config={}),
        run=TaskRun(TaskKey("medical", "train"), "r1"),
        epoch=1,
        placement=SimpleNamespace(route=SimpleNamespace(team=team)),
    )
    assert allowed == [limit.clusters for limit in limits_of(orphan, SETTINGS)]
