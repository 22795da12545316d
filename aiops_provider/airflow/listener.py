"""
What a worker notes about its own task: how it ended, and what it used where nobody else measures.

Runs in the task's process, for a bounded time, and never fails a task: Airflow swallows what a
listener raises, and everything here that waits has a limit.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

from aiops_provider.airflow.inner import carrier
from aiops_provider.airflow.inner.workload import OUTCOME_VARIABLE
from aiops_provider.airflow.results import report_results

if TYPE_CHECKING:
    from aiops_provider.telemetry.sampler import UsageSampler

log = logging.getLogger(__name__)

_FLUSH_LIMIT_S = 2.0
_sampler: UsageSampler | None = None


@hookimpl
def on_task_instance_running(previous_state: Any, task_instance: Any) -> None:  # noqa: ARG001
    """Learn who we are, and start measuring where the cluster does not measure by itself."""
    global _sampler  # noqa: PLW0603 (one task per process, and Airflow calls plain functions)
    carrier.unload(getattr(task_instance, "context_carrier", None), os.environ)
    if not _placed_by_us() or os.environ.get(OUTCOME_VARIABLE):
        return
    from aiops_provider.telemetry.sampler import UsageSampler

    _sampler = UsageSampler()
    _sampler.start()


@hookimpl
def on_task_instance_success(previous_state: Any, task_instance: Any) -> None:  # noqa: ARG001
    """Note the success and send what was reported, and what the result tells."""
    if _placed_by_us():
        report_results(task_instance)
    _ended(task_instance, "success", None)


@hookimpl
def on_task_instance_failed(
    previous_state: Any,  # noqa: ARG001
    task_instance: Any,
    error: str | BaseException | None,
) -> None:
    """Note the failure; a retry that follows is a failure of this try all the same."""
    _ended(task_instance, "failed", error)


@hookimpl
def on_task_instance_skipped(previous_state: Any, task_instance: Any) -> None:  # noqa: ARG001
    """A task that skips itself has done its work."""
    _ended(task_instance, "success", None)


def _placed_by_us() -> bool:
    return bool(os.environ.get("AIOPS_CLUSTER"))


def _ended(task_instance: Any, state: str, error: str | BaseException | None) -> None:
    if not _placed_by_us():
        return
    reports = sys.modules.get("aiops_provider.telemetry.report")
    if reports is not None:  # nothing was reported without it, and its import takes milliseconds
        reports.flush(timeout_s=_FLUSH_LIMIT_S)
    # Only the class of an error: its text may hold a password or a patient's name.
    name = (
        type(error).__name__ if isinstance(error, BaseException) else "" if not error else "error"
    )
    operator = type(getattr(task_instance, "task", None)).__name__
    path = os.environ.get(OUTCOME_VARIABLE)
    if path:
        ended_at = datetime.now(UTC).isoformat()
        note = json.dumps(
            {"state": state, "operator": operator, "error": name, "ended_at": ended_at}
        )
        temporary = Path(f"{path}.part")
        temporary.write_text(note, encoding="utf-8")
        temporary.replace(path)
        return
    _report_execution(task_instance, state, operator, name)


def _report_execution(task_instance: Any, state: str, operator: str, error: str) -> None:
    from aiops_provider.domain.execution import ExecutionRecord, Outcome
    from aiops_provider.telemetry.context import worker_context
    from aiops_provider.telemetry.report import report_execution

    context = worker_context()
    if context is None or context.run is None:
        return
    now = datetime.now(UTC)
    report_execution(
        ExecutionRecord(
            run=context.run,
            cluster=context.cluster,
            provider=context.provider,
            region=context.region,
            pool=context.pool,
            started_at=getattr(task_instance, "start_date", None) or now,
            ended_at=now,
            outcome=Outcome.SUCCESS if state == "success" else Outcome.FAILED,
            usage=_sampler.stop() if _sampler is not None else None,
            operator=operator,
            message=error,
        )
    )
