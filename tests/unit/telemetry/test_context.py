from __future__ import annotations

import json
from pathlib import Path

import pytest

from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.telemetry.context import default_spool, worker_context

_NAMES = ("INGEST_URL", "TOKEN", "SPOOL", "TASK", "CLUSTER", "PROVIDER", "REGION", "POOL", "INPUTS")


@pytest.fixture
def environment(monkeypatch):
    for name in _NAMES:
        monkeypatch.delenv(f"AIOPS_{name}", raising=False)

    def put(**values):
        for name, value in values.items():
            monkeypatch.setenv(f"AIOPS_{name}", value)

    return put


@pytest.mark.parametrize("said", [{}, {"INGEST_URL": "http://x"}, {"TOKEN": "t"}])
def test_no_place_to_report_to(environment, said):
    """Without address or token there is no context."""
    environment(**said)
    assert worker_context() is None


def test_least_that_can_be_said(environment):
    """With address and token alone, there is no task and no place, and the spool is the user's own."""
    environment(INGEST_URL="http://x", TOKEN="secret")
    context = worker_context()
    assert context is not None
    assert (context.run, context.dimensions, context.labels) == (None, {}, {})
    assert context.spool == default_spool()
    assert "secret" not in repr(context)


def test_all_that_can_be_said(environment):
    """Every variable finds its place."""
    run = TaskRun(TaskKey("medical", "train"), "run 1", 3, 2)
    task = {
        "namespace": "medical",
        "name": "train",
        "run_id": "run 1",
        "map_index": 3,
        "try_number": 2,
    }
    environment(
        INGEST_URL="http://x",
        TOKEN="secret",
        SPOOL="/spool",
        TASK=json.dumps(task),
        CLUSTER="eks",
        PROVIDER="aws",
        REGION="eu",
        POOL="spot",
    )
    context = worker_context()
    assert context is not None
    assert context.run == run
    assert context.spool == Path("/spool")
    assert context.dimensions == {"dag": "medical", "task": "train", "partition": "3"}
    assert context.labels == {
        "cluster": "eks",
        "provider": "aws",
        "region": "eu",
        "pool": "spot",
        "run_id": "run 1",
        "try_number": "2",
    }


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ('[["model", "ab"], ["n", 5]]', (("model", "ab"), ("n", 5.0))),
        ("[]", ()),
        ("", ()),
        ("{", ()),
        ('[["n"]]', ()),
        ('[["n", null]]', ()),
    ],
)
def test_what_was_known_of_the_input(environment, said, known):
    """What cannot be read tells nothing, and disturbs no report."""
    environment(INGEST_URL="http://x", TOKEN="secret", INPUTS=said)
    context = worker_context()
    assert context is not None
    assert context.inputs == known
