"""
What workers report is checked here, then stored: all of it or nothing.

A sample that is not a number, comes from the future or claims to be another task's would poison
every baseline that it enters, so it is refused with the field, the value and what to do about it.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.kpi import KpiSample, split_dimensions
from aiops_provider.domain.workload import TaskRun
from aiops_provider.errors import DataError, KpiRejectedError

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation
    from aiops_provider.control.tokens import TokenClaims
    from aiops_provider.store import IngestReceipt

MAX_DIMENSIONS = 32
MAX_NAME_CHARACTERS = 64
MAX_LABEL_CHARACTERS = 256
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/-]*")

# Everything before is a clock that was never set.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)

# A try's token binds these labels, where a sample has them, to that try.
_IDENTITY: dict[str, Callable[[TaskRun], str]] = {
    "dag": lambda run: run.task.namespace,
    "task": lambda run: run.task.name,
    "run_id": lambda run: run.run_id,
    "map_index": lambda run: str(run.map_index),
    "try_number": lambda run: str(run.try_number),
}
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

    learn(installation, list(records), now)
    return len(records)


def check_samples(
    samples: Iterable[KpiSample], *, now: datetime, clock_tolerance_s: float
) -> list[KpiSample]:
    """
    Check samples and bring them into the one form in which they are kept.

    Labels that say where a sample was taken are moved into its context, whichever way they were
    sent: otherwise every cluster would have a series of its own.

    Raises:
        KpiRejectedError: The first one that cannot be used.
    """
    return [
        _checked(sample, f"samples[{position}]", now, clock_tolerance_s)
        for position, sample in enumerate(samples)
    ]


def _checked(sample: KpiSample, place: str, now: datetime, tolerance_s: float) -> KpiSample:
    if len(sample.name) > MAX_NAME_CHARACTERS or not _NAME.fullmatch(sample.name):
        raise KpiRejectedError(
            "is no name of a KPI",
            field=f"{place}.name",
            value=sample.name[:MAX_NAME_CHARACTERS],
            mend=f"Use a letter, then up to {MAX_NAME_CHARACTERS - 1} letters, digits, or _ . : / -",
        )
    if not math.isfinite(sample.value):
        raise KpiRejectedError(
            "is not a finite number",
            field=f"{place}.value",
            value=sample.value,
            mend="Leave the sample out when there is nothing to report.",
        )
    _check_moment(sample.observed_at, f"{place}.observed_at", now, tolerance_s)
    _check_text(sample.idempotency_key, f"{place}.idempotency_key")
    for part, labels in (("dimensions", sample.dimensions), ("context", sample.context)):
        _check_labels(labels, f"{place}.{part}")
    dimensions, moved = split_dimensions(sample.dimensions)
    return replace(
        sample,
        observed_at=sample.observed_at.astimezone(UTC),
        dimensions=dimensions,
        context={**moved, **sample.context},
    )


def _check_labels(labels: Mapping[str, str], place: str) -> None:
    if len(labels) > MAX_DIMENSIONS:
        raise KpiRejectedError(
            f"has more than {MAX_DIMENSIONS} labels",
            field=place,
            value=len(labels),
            mend="Keep those that one would ask by.",
        )
    for name, value in labels.items():
        if len(name) > MAX_NAME_CHARACTERS or not _NAME.fullmatch(name):
            raise KpiRejectedError(
                "is no name of a label",
                field=place,
                value=name[:MAX_NAME_CHARACTERS],
                mend=f"Use a letter, then up to {MAX_NAME_CHARACTERS - 1} letters, digits, or _ . : / -",
            )
        _check_text(value, f"{place}.{name}")


def _check_text(text: str, place: str) -> None:
    if len(text) > MAX_LABEL_CHARACTERS:
        raise KpiRejectedError(
            f"is longer than {MAX_LABEL_CHARACTERS} characters",
            field=place,
            value=f"{text[:20]}…",
            mend="Shorten it: a label is what one would group by.",
        )
    # Databases refuse some of these (NUL, lone surrogates), terminals obey others.
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        raise KpiRejectedError(
            "holds a control character", field=place, value=text, mend="Remove it."
        )


def _check_moment(moment: datetime, place: str, now: datetime, tolerance_s: float) -> None:
    if moment.tzinfo is None:
        raise KpiRejectedError(
            "has no time zone",
            field=place,
            value=moment.isoformat(),
            mend="Append the offset, for example Z or +01:00.",
        )
    if moment > now + timedelta(seconds=tolerance_s):
        raise KpiRejectedError(
            f"lies in the future of this server, where it is {now.isoformat(timespec='seconds')}",
            field=place,
            value=moment.isoformat(),
            mend=f"Set the sender's clock; {tolerance_s:g} s are tolerated (server.clock_tolerance_s).",
        )
    if moment < _EARLIEST:
        raise KpiRejectedError(
            "lies before the year 2000",
            field=place,
            value=moment.isoformat(),
            mend="Send the moment of the observation.",
        )


def _check_own(sample: KpiSample, run: TaskRun, place: str) -> None:
    labels = {**sample.dimensions, **sample.context}
    for name, expected_of in _IDENTITY.items():
        given, expected = labels.get(name), expected_of(run)
        if given == expected or (given is None and name not in _IDENTITY_NEEDED):
            continue
        raise KpiRejectedError(
            f"this token may only report for {run}",
            field=f"{place}.{name}",
            value=given or "nothing",
            mend=f"Report {name}={expected}, or use a token made by `aiops token create`.",
        )


def _check_record(record: ExecutionRecord, place: str, now: datetime, tolerance_s: float) -> None:
    moments = {"started_at": record.started_at, "ended_at": record.ended_at}
    if record.queued_at is not None:
        moments["queued_at"] = record.queued_at
    for name, moment in moments.items():
        _check_moment(moment, f"{place}.{name}", now, tolerance_s)
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
    for text in (run.task.namespace, run.task.name, run.run_id, record.cluster, record.pool):
        _check_text(text, place)


def _figures(record: ExecutionRecord) -> Iterator[tuple[str, float]]:
    optional = {
        "input_gib": record.input_gib,
        "input_rows": record.input_rows,
        "cost_usd": record.cost_usd,
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
    yield from ((name, value) for name, value in optional.items() if value is not None)


def _check_size(name: str, items: Sequence[object], limit: int) -> None:
    if len(items) > limit:
        raise DataError(
            f"are more than {limit} in one request",
            field=name,
            value=len(items),
            mend="Send smaller batches (server.max_batch).",
        )
