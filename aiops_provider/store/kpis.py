"""
KPI samples: series, and what was observed of them.

**No sample is missed.** ``samples_after`` reads by row id, so a row must never appear below an id
that was already read. SQLite has one writer at a time: ids are committed in their order. PostgreSQL
hands out ids before the commit, so a slow writer's rows would appear behind the back of a reader
that already went past them. Therefore ingest takes an advisory lock for the length of its
transaction: the next writer gets its first id after the last one has committed. The alternative, a
horizon below which no transaction is open, needs no lock but stops at any long transaction of the
host in whose database we live. Everything that can be computed before the lock is.

**No sample is counted twice.** Each has a digest of its idempotency key – of everything in it when
it has none – which is unique.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from itertools import islice
from struct import pack
from typing import Any

from sqlalchemy import Connection, func, select, text

from aiops_provider.domain.kpi import KpiSample, SeriesKey, split_dimensions
from aiops_provider.errors import KpiRejectedError
from aiops_provider.store.columns import microseconds
from aiops_provider.store.payload import encode
from aiops_provider.store.statements import chunks, count_inserted, insert_into
from aiops_provider.store.tables import sample, series

# Any number that nobody else in the database uses; "aiops" in ASCII, and 1 for ingest.
INGEST_LOCK = 0x61696F7073_01
SERIES_CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReceipt:
    """
    What became of a batch of samples.

    Attributes:
        accepted: Samples that are stored now.
        duplicates: Samples that were stored before, or are there twice in the batch.
    """

    accepted: int
    duplicates: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """
    Samples made ready for the tables, outside any transaction.

    Attributes:
        series: Row of each series by its digest.
        samples: Rows, with the digest of their series in place of its id.
    """

    series: dict[bytes, dict[str, Any]]
    samples: list[dict[str, Any]]


def prepare(samples: Iterable[KpiSample]) -> Batch:
    """
    Compute the rows of a batch.

    Raises:
        KpiRejectedError: If a value is not finite; the whole batch is refused then.
    """
    all_series: dict[bytes, dict[str, Any]] = {}
    digests: dict[SeriesKey, bytes] = {}
    rows = []
    for item in samples:
        key = item.series
        if key not in digests:
            row = _series_row(key)
            digests[key] = row["digest"]
            all_series[row["digest"]] = row
        rows.append(_sample_row(item, digests[key]))
    return Batch(series=all_series, samples=rows)


def _series_row(key: SeriesKey) -> dict[str, Any]:
    dimensions = encode(dict(sorted(key.dimensions)))
    return {
        "name": key.name,
        "dimensions": dimensions,
        "digest": _digest(key.name.encode("utf-8", "replace"), dimensions.encode()),
    }


def _sample_row(item: KpiSample, series_digest: bytes) -> dict[str, Any]:
    if not math.isfinite(item.value):
        raise KpiRejectedError(
            f"the value of {item.series} must be finite",
            field="value",
            value=item.value,
            mend="Leave out what was not measured",
        )
    context = encode(dict(sorted(item.context.items())))
    if item.idempotency_key:
        digest = _digest(b"key", item.idempotency_key.encode("utf-8", "replace"))
    else:
        moment = pack("<qd", microseconds(item.observed_at), item.value)
        digest = _digest(b"sample", series_digest, moment, context.encode())
    return {
        "series": series_digest,
        "observed_at": item.observed_at,
        "value": float(item.value),
        "context": context,
        "idempotency_key": item.idempotency_key,
        "digest": digest,
    }


def _digest(*parts: bytes) -> bytes:
    # With the lengths, so that ("ab", "c") is not ("a", "bc").
    lengths = b",".join(b"%d" % len(part) for part in parts)
    return blake2b(b"".join((lengths, b":", *parts)), digest_size=16).digest()


def add(connection: Connection, batch: Batch) -> IngestReceipt:
    """Insert the samples that are new; see the module's text for the lock."""
    lock_ingest(connection)
    ids = _series_ids(connection, batch.series)
    rows = [row | {"series_id": ids[row.pop("series")]} for row in map(dict, batch.samples)]
    accepted = _insert_samples(connection, rows)
    return IngestReceipt(accepted=accepted, duplicates=len(rows) - accepted)


def lock_ingest(connection: Connection) -> None:
    """Wait until no other transaction adds samples or removes series; SQLite's writers do anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": INGEST_LOCK})


def _series_ids(connection: Connection, rows: dict[bytes, dict[str, Any]]) -> dict[bytes, int]:
    ids = _known_series(connection, list(rows))
    missing = [row for digest, row in rows.items() if digest not in ids]
    if missing:
        connection.execute(insert_into(connection, series).on_conflict_do_nothing(), missing)
        ids |= _known_series(connection, [row["digest"] for row in missing])
    return ids


def _known_series(connection: Connection, digests: Sequence[bytes]) -> dict[bytes, int]:
    ids: dict[bytes, int] = {}
    for chunk in chunks(digests, SERIES_CHUNK):
        query = select(series.c.digest, series.c.id).where(series.c.digest.in_(chunk))
        ids.update((bytes(row.digest), row.id) for row in connection.execute(query))
    return ids


def _insert_samples(connection: Connection, rows: list[dict[str, Any]]) -> int:
    statement = insert_into(connection, sample).on_conflict_do_nothing()
    return count_inserted(connection, statement, rows)


def after(connection: Connection, cursor: int, limit: int) -> tuple[list[KpiSample], int]:
    """
    Samples in order of arrival.

    Args:
        connection: In a transaction.
        cursor: What the last call returned; 0 at first.
        limit: At most so many.

    Returns:
        Samples, and the cursor to go on from.
    """
    query = (
        select(sample, series.c.name, series.c.dimensions)
        .join(series, series.c.id == sample.c.series_id)
        .where(sample.c.id > cursor)
        .order_by(sample.c.id)
        .limit(limit)
    )
    samples = []
    for row in connection.execute(query):
        cursor = row.id
        samples.append(_sample(row, row.name, json.loads(row.dimensions)))
    return samples, cursor


def newest(
    connection: Connection, name: str, *, labels: Mapping[str, str], since: datetime, limit: int
) -> list[KpiSample]:
    """
    The newest samples of a KPI that have all of these labels, newest first.

    Args:
        connection: In a transaction.
        name: Of the KPI.
        labels: Of the series (dag, task, partition …) or of the sample (run_id, cluster …).
        since: None that are older.
        limit: At most so many.
    """
    identity, context = split_dimensions(labels)
    known = connection.execute(
        select(series.c.id, series.c.dimensions).where(series.c.name == name)
    )
    dimensions = {row.id: json.loads(row.dimensions) for row in known}
    wanted = [key for key, own in dimensions.items() if identity.items() <= own.items()]
    query = (
        select(sample)
        .where(
            sample.c.observed_at >= since,
            *(sample.c.context.contains(_pair(*item), autoescape=True) for item in context.items()),
        )
        .order_by(sample.c.observed_at.desc(), sample.c.id.desc())
    )
    # Only a context must be looked at again, for SQLite compares without case: so no limit then.
    query = query if context else query.limit(limit)
    found: list[KpiSample] = []
    for chunk in chunks(wanted, SERIES_CHUNK):
        rows = connection.execute(query.where(sample.c.series_id.in_(chunk)))
        each = (_sample(row, name, dimensions[row.series_id]) for row in rows)
        found += islice((one for one in each if context.items() <= one.context.items()), limit)
    return sorted(found, key=lambda one: one.observed_at, reverse=True)[:limit]


def last_of_each(connection: Connection, *, since: datetime) -> list[KpiSample]:
    """The newest sample of every series that has one since then, the newest first."""
    newest_at = (
        select(func.max(sample.c.observed_at))
        .where(sample.c.series_id == series.c.id)
        .scalar_subquery()
    )
    last = select(series, newest_at.label("newest_at")).subquery()
    query = (
        select(sample, last.c.name, last.c.dimensions)
        .join(last, (last.c.id == sample.c.series_id) & (last.c.newest_at == sample.c.observed_at))
        .where(last.c.newest_at >= since)
        .order_by(sample.c.observed_at.desc(), sample.c.id.desc())
    )
    found: dict[int, KpiSample] = {}
    for row in connection.execute(query):
        if row.series_id not in found:
            found[row.series_id] = _sample(row, row.name, json.loads(row.dimensions))
    return list(found.values())


def _sample(row: Any, name: str, dimensions: Mapping[str, str]) -> KpiSample:
    return KpiSample(
        name=name,
        observed_at=row.observed_at,
        value=row.value,
        dimensions=dimensions,
        context=json.loads(row.context),
        idempotency_key=row.idempotency_key,
    )


def _pair(label: str, value: str) -> str:
    """One label as it stands in the text of a context; quotes inside values are escaped there."""
    return encode({label: value})[1:-1]


def series_ids(connection: Connection, keys: Sequence[SeriesKey]) -> dict[int, SeriesKey]:
    """The series that are known, by row id."""
    by_digest = {_series_row(key)["digest"]: key for key in keys}
    return {
        row_id: by_digest[digest]
        for digest, row_id in _known_series(connection, list(by_digest)).items()
    }


def history(
    connection: Connection, ids: Sequence[int], *, since: datetime, before: datetime | None
) -> list[tuple[int, datetime, float]]:
    """Row id of the series, moment and value; oldest first within each series."""
    query = (
        select(sample.c.series_id, sample.c.observed_at, sample.c.value)
        .where(sample.c.series_id.in_(ids), sample.c.observed_at >= since)
        .order_by(sample.c.series_id, sample.c.observed_at, sample.c.id)
    )
    if before is not None:
        query = query.where(sample.c.observed_at < before)
    return [(row_id, moment, value) for row_id, moment, value in connection.execute(query)]
