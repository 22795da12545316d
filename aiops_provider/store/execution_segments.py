"""
The stays of one try on its workers become one run.

A deferred task leaves its worker, waits in the triggerer and comes back to another worker; a sensor
that reschedules itself does so at every look. The stays are kept apart, so that a report that comes
twice or late counts once, and are joined for whoever reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import reduce

from aiops_provider.domain.execution import ExecutionRecord, Segment, Usage

# A sensor may look thousands of times. Reports come in about the order of the stays, so that only the
# last few can still be told more of.
MOST_KEPT_APART = 16


def joined(record: ExecutionRecord) -> ExecutionRecord:
    """
    A record as one run: from its first start to its last end, with what all stays used together.

    The duration of its usage is the sum of the stays, without the time in between.
    """
    if not record.earlier:
        return record
    whole = reduce(_together, (*record.earlier, segment_of(record)))
    return replace(
        record,
        queued_at=whole.queued_at,
        started_at=whole.started_at,
        usage=whole.usage,
        cost_usd=whole.cost_usd,
        segments=whole.count,
        earlier=(),
    )


def segment_of(record: ExecutionRecord) -> Segment:
    """The last stay of a record on its own."""
    return Segment(
        number=record.segment,
        queued_at=record.queued_at,
        started_at=record.started_at,
        ended_at=record.ended_at,
        usage=record.usage,
        cost_usd=record.cost_usd,
    )


def merge_segments(
    known: Sequence[Segment],
    new: Iterable[Segment],
    merge_usage: Callable[[Usage | None, Usage | None], Usage | None],
) -> tuple[Segment, ...]:
    """
    What is known of the stays of a try after further reports of them, by rising number.

    The oldest become one when there are too many; later reports of these are left out.

    Args:
        known: What the store has.
        new: Later reports.
        merge_usage: Merges two reports of one stay's usage, the later one second.
    """
    by_number = {segment.number: segment for segment in known}
    folded = max((s.number for s in known if s.count > 1), default=-1)
    for segment in new:
        if segment.number <= folded:
            continue
        before = by_number.get(segment.number)
        by_number[segment.number] = (
            segment if before is None else _filled(segment, before, merge_usage)
        )
    ordered = [by_number[number] for number in sorted(by_number)]
    while len(ordered) > MOST_KEPT_APART:
        ordered[:2] = [_together(ordered[0], ordered[1])]
    return tuple(ordered)


def _filled(
    new: Segment,
    known: Segment,
    merge_usage: Callable[[Usage | None, Usage | None], Usage | None],
) -> Segment:
    witness = known if known.usage is not None and new.usage is None else new
    return replace(
        witness,
        queued_at=known.queued_at if new.queued_at is None else new.queued_at,
        usage=merge_usage(known.usage, new.usage),
        cost_usd=known.cost_usd if new.cost_usd is None else new.cost_usd,
    )


def _together(first: Segment, second: Segment) -> Segment:
    return Segment(
        number=second.number,
        queued_at=second.queued_at if first.queued_at is None else first.queued_at,
        started_at=first.started_at,
        ended_at=second.ended_at,
        usage=_usage_together(first, second),
        cost_usd=_sum(first.cost_usd, second.cost_usd),
        count=first.count + second.count,
    )


def _usage_together(first: Segment, second: Segment) -> Usage | None:
    if first.usage is None and second.usage is None:
        return None
    # A stay that nobody measured lasted all the same.
    one, other = first.usage or _unmeasured(first), second.usage or _unmeasured(second)
    return Usage(
        peak_memory_gib=max(one.peak_memory_gib, other.peak_memory_gib),
        cpu_seconds=one.cpu_seconds + other.cpu_seconds,
        duration_s=one.duration_s + other.duration_s,
        io_read_gib=_sum(one.io_read_gib, other.io_read_gib),
        io_write_gib=_sum(one.io_write_gib, other.io_write_gib),
    )


def _unmeasured(segment: Segment) -> Usage:
    return Usage(
        peak_memory_gib=0.0,
        cpu_seconds=0.0,
        duration_s=(segment.ended_at - segment.started_at) / timedelta(seconds=1),
    )


def _sum(first: float | None, second: float | None) -> float | None:
    if first is None or second is None:
        return second if first is None else first
    return first + second
