"""Finished runs as the profiling room gets them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
TASK = TaskKey("medical", "train")


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def task() -> TaskKey:
    return TASK


@pytest.fixture
def run() -> Callable[..., ExecutionRecord]:
    """``run(hours_ago=2, peak=0.3)``: a run of the task that ended two hours ago."""

    def make(
        hours_ago: float = 1.0,
        *,
        peak: float | None = 0.25,
        duration: float = 20.0,
        cores: float = 0.8,
        asked: float | None = 1.0,
        granted: float = 2.0,
        outcome: Outcome = Outcome.SUCCESS,
        gib: float | None = None,
        rows: int | None = None,
        task: TaskKey = TASK,
        **others: object,
    ) -> ExecutionRecord:
        ended = NOW - timedelta(hours=hours_ago)
        usage = None
        if peak is not None:
            usage = Usage(peak_memory_gib=peak, cpu_seconds=cores * duration, duration_s=duration)
        request = None
        if asked is not None:
            request = ResourceRequest(cores=granted, memory_gib=asked)
        fields = {
            "run": TaskRun(task, f"ended {hours_ago:g} h ago"),
            "cluster": "onprem",
            "provider": "on_premises",
            "region": "no-oslo",
            "started_at": ended - timedelta(seconds=duration),
            "ended_at": ended,
            "outcome": outcome,
            "request": request,
            "usage": usage,
            "input_gib": gib,
            "input_rows": rows,
        }
        return ExecutionRecord(**(fields | others))

    return make
