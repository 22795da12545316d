"""
One line in a task: ``report("precision", 0.93, feature="age")``.

Which task, which run and where it runs are added from the environment that the executor or worker
has set. Without such an environment – in a notebook, in a unit test – nothing happens.
"""

from __future__ import annotations

import logging
import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aiops_provider.telemetry.context import WorkerContext, worker_context

if TYPE_CHECKING:
    from aiops_provider.domain.execution import ExecutionRecord
    from aiops_provider.telemetry.client import KpiClient

log = logging.getLogger(__name__)

_FLUSH_LIMIT_S = 2.0
INPUT_GIB, INPUT_ROWS = "input_gib", "input_rows"
_input_size: dict[str, float] = {}
_clients: dict[tuple[str, str, str], KpiClient] = {}
_warned: set[tuple[str, str]] = set()


def report(name: str, value: float, **dimensions: object) -> None:
    """
    Report a key performance indicator of the task that is running.

    Returns at once and never raises: a task must not fail for its telemetry. What cannot be a KPI
    – a value that is no finite number – is dropped with one warning that names it.

    ``dag``, ``task`` and, when it is mapped, ``partition`` are added to the dimensions, and where
    it runs (cluster, provider, region, pool, run_id, try_number) as context, which does not tell
    series apart. A dimension of one of these names is overruled.

    ``input_gib`` and ``input_rows`` are more than KPIs: without dimensions they are the size of this
    run's input, by which runs on small inputs are told from those on large ones. The last one counts.

    Args:
        name: Which KPI: ``row_count``, ``precision``, ``feature_mean`` …
        value: A finite number; its unit belongs into the name.
        **dimensions: What was measured, such as ``feature="age"``; ``None`` is left out.
    """
    try:
        _report(name, value, dimensions)
    except Exception:  # noqa: BLE001 - a task must not fail for its telemetry, whatever is wrong
        _warn_once("error", name, "The KPI %r could not be reported", name, with_traceback=True)


def reported_input_size() -> tuple[float | None, int | None]:
    """GiB and rows of the input, as far as this process has reported them."""
    rows = _input_size.get(INPUT_ROWS)
    return _input_size.get(INPUT_GIB), None if rows is None else round(rows)


def begin_task() -> None:
    """Forget what an earlier task of this process has reported of its input."""
    _input_size.clear()


def report_execution(record: ExecutionRecord, *, timeout_s: float = _FLUSH_LIMIT_S) -> None:
    """
    Report how a try ended and what it used, and send it now, for the process is about to end.

    Args:
        record: What happened.
        timeout_s: The call takes no longer; what was not sent by then waits in the spool.
    """
    context = worker_context()
    if context is None:
        log.debug("Nobody said where to report to: the execution of %s is not reported", record.run)
        return
    client = _client(context)
    client.send_executions([record])
    client.flush(timeout_s)


def flush(timeout_s: float = _FLUSH_LIMIT_S) -> bool:
    """
    Send now what was reported, and what is left in the spool from before.

    Args:
        timeout_s: The call takes no longer; what was not sent by then waits in the spool.

    Returns:
        Whether the server has everything.
    """
    context = worker_context()
    if context is None or not _clients:
        return True
    return _client(context).flush(timeout_s)


def close(timeout_s: float = _FLUSH_LIMIT_S) -> None:
    """
    Send now what was reported and let go of the connections: this process goes on to other tasks.

    Args:
        timeout_s: As for :func:`flush`.
    """
    clients = list(_clients.values())
    _clients.clear()
    for client in clients:
        client.close(timeout_s)


def _report(name: str, value: float, dimensions: dict[str, object]) -> None:
    if name in {INPUT_GIB, INPUT_ROWS} and not dimensions:
        _note_input(name, value)
    context = worker_context()
    if context is None:
        log.debug("Nobody said where to report to: the KPI %s is not reported", name)
        return
    number = _finite(name, value)
    if number is None:
        return
    from aiops_provider.domain.kpi import KpiSample, split_dimensions

    given = {key: str(label) for key, label in dimensions.items() if label is not None}
    series, where = split_dimensions({**given, **context.dimensions, **context.labels})
    for key in given.keys() & (context.dimensions.keys() | context.labels.keys()):
        if given[key] != {**series, **where}[key]:
            _warn_once("overruled", key, "The dimension %s of a KPI is set by the layer", key)
    _client(context).send(
        [
            KpiSample(
                name=name,
                observed_at=datetime.now(UTC),
                value=number,
                dimensions=series,
                context=where,
            )
        ]
    )


def _note_input(name: str, value: float) -> None:
    size = _finite(name, value)
    if size is None:
        return
    if size < 0:
        _warn_once(
            "size", name, "The size %s of the input is left out: it is negative (%s)", name, size
        )
        return
    _input_size[name] = size


def _finite(name: str, value: float) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if math.isfinite(number):
        return number
    _warn_once(
        "value",
        name,
        "The KPI %s is not reported: value is not a finite number (got %.100r). "
        "Leave it out when there is nothing to report.",
        name,
        value,
    )
    return None


def _client(context: WorkerContext) -> KpiClient:
    key = (context.ingest_url, context.token, str(context.spool))
    client = _clients.get(key)
    if client is None:
        from aiops_provider.telemetry.client import KpiClient

        client = _clients[key] = KpiClient(context.ingest_url, context.token, context.spool)
    return client


def _warn_once(
    kind: str, about: str, message: str, *values: object, with_traceback: bool = False
) -> None:
    level = logging.DEBUG if (kind, about) in _warned else logging.WARNING
    _warned.add((kind, about))
    log.log(level, message, *values, exc_info=with_traceback)
