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
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.listeners import hookimpl

from aiops_provider.airflow import dag_test
from aiops_provider.airflow.code_version import code_version
from aiops_provider.airflow.inner import carrier
from aiops_provider.airflow.inner.workload import OUTCOME_VARIABLE
from aiops_provider.airflow.results import report_results
from aiops_provider.telemetry.context import IMAGE_VARIABLE

if TYPE_CHECKING:
    from aiops_provider.telemetry.sampler import UsageSampler

log = logging.getLogger(__name__)

_FLUSH_LIMIT_S = 2.0
_sampler: UsageSampler | None = None
_running: Any = None


@hookimpl
def on_task_instance_running(previous_state: Any, task_instance: Any) -> None:  # noqa: ARG001
    """Learn who we are, and start measuring where the cluster does not measure by itself."""
    # One task per process, and Airflow calls plain functions.
    global _running, _sampler  # noqa: PLW0603
    carrier.unload(getattr(task_instance, "context_carrier", None), os.environ)
    reports = _loaded_reports()
    if reports is not None:
        reports.begin_task()
    _running = task_instance
    if not _placed_by_us() and dag_test.runs_in_process():
        dag_test.RUNS.begin(task_instance)
    if not _placed_by_us() or os.environ.get(OUTCOME_VARIABLE):
        return
    from aiops_provider.telemetry.sampler import UsageSampler

    _sampler = UsageSampler()
    _sampler.start()


@hookimpl
def on_task_instance_success(previous_state: Any, task_instance: Any) -> None:  # noqa: ARG001
    """Note the success and send what was reported, and what the result tells."""
    if _placed_by_us() or dag_test.RUNS.running:
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


@hookimpl
def before_stopping(component: Any) -> None:  # noqa: ARG001
    """Note that a task leaves which has not ended: deferred, or a sensor between two looks."""
    if _running is not None:
        _ended(_running, "suspended", None)


def _loaded_reports() -> Any:
    """The module through which tasks report; nothing was without it, and it takes milliseconds."""
    return sys.modules.get("aiops_provider.telemetry.report")


def _placed_by_us() -> bool:
    return bool(os.environ.get("AIOPS_CLUSTER"))


def _ended(task_instance: Any, state: str, error: str | BaseException | None) -> None:
    global _running  # noqa: PLW0603 - as above
    _running = None
    if dag_test.RUNS.running:
        reports = _loaded_reports()
        if reports is not None:
            reports.close(timeout_s=_FLUSH_LIMIT_S)
        dag_test.RUNS.end()
        return
    if not _placed_by_us():
        return
    reports = _loaded_reports()
    if reports is not None:
        reports.flush(timeout_s=_FLUSH_LIMIT_S)
    # Only the class of an error: its text may hold a password or a patient's name.
    name = (
        type(error).__name__ if isinstance(error, BaseException) else "" if not error else "error"
    )
    task = getattr(task_instance, "task", None)
    operator = type(task).__name__
    version = {"code_hash": code_version(task), "image": os.environ.get(IMAGE_VARIABLE)}
    path = os.environ.get(OUTCOME_VARIABLE)
    if path:
        ended_at = datetime.now(UTC).isoformat()
        note = json.dumps(
            {
                "state": state,
                "operator": operator,
                "error": name,
                "ended_at": ended_at,
                **{
                    key: size
                    for key, size in _input_size(task_instance).items()
                    if size is not None
                },
                **{key: value for key, value in version.items() if value},
            }
        )
        temporary = Path(f"{path}.part")
        temporary.write_text(note, encoding="utf-8")
        temporary.replace(path)
        return
    _report_execution(task_instance, state, operator, name, version)


def _report_execution(
    task_instance: Any, state: str, operator: str, error: str, version: Mapping[str, str | None]
) -> None:
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
            outcome=Outcome(state),
            usage=_sampler.stop() if _sampler is not None else None,
            operator=operator,
            code_hash=version["code_hash"],
            image=version["image"] or None,
            message=error,
            segment=context.identity.segment if context.identity is not None else 0,
            inputs=context.inputs,
            **_input_size(task_instance),
        )
    )


def _input_size(task_instance: Any) -> dict[str, Any]:
    """What the task has reported of its input, else its author or its arguments, in GiB and in rows."""
    reports = _loaded_reports()
    gib, rows = reports.reported_input_size() if reports is not None else (None, None)
    config = getattr(getattr(task_instance, "task", None), "executor_config", None)
    if gib is None and rows is None and config:
        gib, rows = _described_input_size(config)
    if gib is None and rows is None:
        gib, rows = _placed_input_size()
    return {"input_gib": gib, "input_rows": rows}


def _described_input_size(config: Any) -> tuple[float | None, int | None]:
    from aiops_provider.airflow.description import EXECUTOR_CONFIG_KEY, read_description
    from aiops_provider.domain.workload import input_size
    from aiops_provider.errors import DescriptionError

    if EXECUTOR_CONFIG_KEY not in config:
        return None, None
    try:
        return input_size(read_description(config))
    except DescriptionError:
        # The scheduler has said so already, where the task was placed without it.
        log.debug("The size of the input is not taken from the description", exc_info=True)
        return None, None


def _placed_input_size() -> tuple[float | None, int | None]:
    """By the argument that the description names, as the scheduler saw it."""
    from aiops_provider.domain.input_facts import said_input
    from aiops_provider.telemetry.context import worker_context

    context = worker_context()
    return said_input(context.inputs) if context is not None else (None, None)
