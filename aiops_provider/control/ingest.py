"""
What workers report is checked here, then stored: all of it or nothing.

A sample that is not a number, comes from the future or claims to be another task's would poison
every baseline that it enters, so it is refused with the field, the value and what to do about it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from aiops_provider.control.sample_checks import check_moment, check_samples, check_text
from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.input_facts import MOST_INPUT_FACTS
from aiops_provider.domain.kpi import KpiSample
from aiops_provider.domain.task import TaskRun
from aiops_provider.errors import DataError, KpiRejectedError

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation
    from aiops_provider.control.tokens import TokenClaims
    from aiops_provider.store import IngestReceipt

_MAX_MESSAGE_CHARACTERS = 4000

# Without these a sample would enter a series that is not the task's own.
_IDENTITY_NEEDED = frozenset({"dag", "task"})


def accept_samples(
    installation: Installation, samples: Sequence[KpiSample], claims: TokenClaims, now: datetime
) -> IngestReceipt:
    """
    Check and store KPI samples.

    Args:
        installation: Where to store.
        samples: As sent.
        claims: Of the sender's token.
        now: The present moment.

    Raises:
        KpiRejectedError: One of them cannot be used; nothing was stored.
        StoreError: The store does not answer; sending them again is safe.
    """
    server = installation.settings.server
    _check_size("samples", samples, server.max_batch)
    checked = check_samples(samples, now=now, clock_tolerance_s=server.clock_tolerance_s)
    if claims.run is not None:
        for position, sample in enumerate(checked):
            _check_own(sample, claims.run, f"samples[{position}]")
    return installation.require_store().add_samples(checked)


def accept_executions(
    installation: Installation,
    records: Sequence[ExecutionRecord],
    claims: TokenClaims,
    now: datetime,
) -> int:
    """
    Check execution records and learn from them.

    Returns:
        Number of records accepted.

    Raises:
        DataError: One of them cannot be used; nothing was stored.
        StoreError: The store does not answer; sending them again is safe.
    """
    server = installation.settings.server
    _check_size("records", records, server.max_batch)
    for position, record in enumerate(records):
        place = f"records[{position}]"
        _check_record(record, place, now, server.clock_tolerance_s)
        if claims.run is not None and record.run != claims.run:
            raise DataError(
                f"this token may only report for {claims.run}",
                field=f"{place}.run",
                value=str(record.run),
                mend="Use the token of that try, or one made by `aiops token create`.",
            )
    from aiops_provider.control.learn import learn

    learn(installation, [_storable(record) for record in records], now)
    return len(records)


def _check_own(sample: KpiSample, run: TaskRun, place: str) -> None:
    labels = {**sample.dimensions, **sample.context}
    for name, expected in _identity(run).items():
        given = labels.get(name)
        if given == expected or (given is None and name not in _IDENTITY_NEEDED):
            continue
        raise KpiRejectedError(
            f"this token may only report for {run}",
            field=f"{place}.{name}",
            value=given or "nothing",
            mend=f"Report {name}={expected}, or use a token made by `aiops token create`.",
        )


def _identity(run: TaskRun) -> dict[str, str]:
    """Labels that a try's token binds to that try, wherever a sample has them."""
    identity = {
        "dag": run.task.namespace,
        "task": run.task.name,
        "run_id": run.run_id,
        "try_number": str(run.try_number),
        "map_index": str(run.map_index),
    }
    if run.map_index >= 0:
        identity["partition"] = str(run.map_index)
    return identity


def _check_record(record: ExecutionRecord, place: str, now: datetime, tolerance_s: float) -> None:
    moments = {"started_at": record.started_at, "ended_at": record.ended_at}
    if record.queued_at is not None:
        moments["queued_at"] = record.queued_at
    for name, moment in moments.items():
        check_moment(moment, f"{place}.{name}", now, tolerance_s)
    if record.ended_at < record.started_at:
        raise DataError(
            "lies before started_at",
            field=f"{place}.ended_at",
            value=record.ended_at.isoformat(),
            mend="Send the moments of one clock.",
        )
    for name, value in _figures(record):
        if not math.isfinite(value) or value < 0:
            raise DataError(
                "is not a finite number >= 0",
                field=f"{place}.{name}",
                value=value,
                mend="Leave it out when it is unknown.",
            )
    run = record.run
    texts = {
        "run.task.namespace": run.task.namespace,
        "run.task.name": run.task.name,
        "run.run_id": run.run_id,
        "cluster": record.cluster,
        "provider": record.provider,
        "region": record.region,
        "pool": record.pool,
        "operator": record.operator or "",
        "code_hash": record.code_hash or "",
        "image": record.image or "",
    }
    if len(record.inputs) > MOST_INPUT_FACTS:
        raise DataError(
            "are more than a host keeps of a run",
            field=f"{place}.inputs",
            value=len(record.inputs),
            mend=f"Send the {MOST_INPUT_FACTS} that tell most.",
        )
    for number, (measure, of_input) in enumerate(record.inputs):
        kind = of_input if isinstance(of_input, str) else ""
        texts[f"inputs[{number}]"] = f"{measure} {kind}"
    for name, text in texts.items():
        check_text(text, f"{place}.{name}")


def _storable(record: ExecutionRecord) -> ExecutionRecord:
    """Last words may be anything; keep what a database can hold, and no more than a screenful."""
    text = record.message.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    # A worker tells of one stay; which there were before is for the store to say.
    return replace(record, message=text[:_MAX_MESSAGE_CHARACTERS], segments=1, earlier=())


def _figures(record: ExecutionRecord) -> Iterator[tuple[str, float]]:
    optional = {
        "input_gib": record.input_gib,
        "input_rows": record.input_rows,
        "cost_usd": record.cost_usd,
        "segment": record.segment,
    }
    if record.usage is not None:
        usage = record.usage
        optional |= {
            "usage.peak_memory_gib": usage.peak_memory_gib,
            "usage.cpu_seconds": usage.cpu_seconds,
            "usage.duration_s": usage.duration_s,
            "usage.io_read_gib": usage.io_read_gib,
            "usage.io_write_gib": usage.io_write_gib,
        }
    if record.request is not None:
        optional |= {
            "request.cores": record.request.cores,
            "request.memory_gib": record.request.memory_gib,
        }
    optional |= {
        f"inputs[{number}]": abs(value)
        for number, (_, value) in enumerate(record.inputs)
        if not isinstance(value, str)
    }
    yield from ((name, value) for name, value in optional.items() if value is not None)


def _check_size(name: str, items: Sequence[object], limit: int) -> None:
    if len(items) > limit:
        raise DataError(
            f"are more than {limit} in one request",
            field=name,
            value=len(items),
            mend="Send smaller batches (server.max_batch).",
        )
