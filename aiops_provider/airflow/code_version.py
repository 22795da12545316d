"""Which code a task runs, as its own process sees it."""

from __future__ import annotations

import logging
from typing import Any

from aiops_provider.telemetry.code_hash import code_hash

log = logging.getLogger(__name__)


def code_version(task: Any) -> str | None:
    """
    Hash of what a task does: its callable, else its class, and its templates as they were written.

    What templates are rendered to differs from run to run; the DAG keeps them as they were. Parameters
    that are no template, and what other tasks hand over, are not looked at.

    Args:
        task: The operator that ran, or runs.

    Returns:
        ``None`` where nothing can be told.
    """
    try:
        function = getattr(task, "python_callable", None) or type(task).execute
        written = _as_written(task)
        fields = {name: _field(written, name) for name in sorted(task.template_fields)}
        return code_hash(function, task.task_type, fields)
    except Exception:
        # Whatever an operator is made of: how its try ended must be told all the same.
        log.debug("No hash of the code of %r", task, exc_info=True)
        return None


def _as_written(task: Any) -> Any:
    """The task in its DAG: the one that runs is a copy with its templates rendered."""
    dag = getattr(task, "dag", None)
    return dag.task_dict.get(task.task_id, task) if dag is not None else task


def _field(written: Any, name: str) -> Any:
    # A mapped operator keeps what is the same for all of its instances apart.
    partial = getattr(written, "partial_kwargs", None)
    return getattr(written, name, None) if partial is None else partial.get(name)
