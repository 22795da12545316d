"""
Two reports of one try become one record.

The worker knows what was used, the scheduler how it ended and what was asked; they report
independently, in any order, and either may repeat itself. The rules, in this order:

1. *A part and a later part*: a try that was suspended – deferred, or a sensor between two looks – goes
   on in a further stay on some worker. Both are kept, see :mod:`.execution_segments`.
2. *Different clusters*: the try was placed anew after a cluster was lost. The execution that started
   later is the one that counts; the earlier adds only what both have in common – the input's size,
   the operator, the code, when the host queued it.
3. *Outcome*: the more specific one stands – out of memory, cluster lost, killed, failed, success,
   suspended.
   A scheduler that only saw "failed" does not undo the pool's "out of memory".
4. *Place and times* come from whoever measured the usage, because it was there; when both or
   neither did, from the later report.
5. *Everything optional*: the later report's, else what is known. Nothing known is wiped.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from aiops_provider.domain.execution import ExecutionRecord, Outcome, Segment, Usage
from aiops_provider.store.execution_segments import merge_segments, segment_of

_FROM_WITNESS = ("cluster", "provider", "region", "pool", "started_at", "ended_at")
_OF_THE_INPUT = ("input_gib", "input_rows", "operator", "code_hash")
_OF_THE_TASK = ("queued_at", *_OF_THE_INPUT)
# Another cluster may have another image.
_OPTIONAL = (*_OF_THE_TASK, "image", "request", "cost_usd", "exit_code")

_LEAST_SPECIFIC_FIRST = (
    Outcome.SUSPENDED,
    Outcome.SUCCESS,
    Outcome.FAILED,
    Outcome.KILLED,
    Outcome.CLUSTER_LOST,
    Outcome.OUT_OF_MEMORY,
)


def merge_executions(known: ExecutionRecord, new: ExecutionRecord) -> ExecutionRecord:
    """
    What is known of a try after a further report of it.

    Merging a record with itself changes nothing, so a repeated report is harmless.

    Args:
        known: What the store has.
        new: The later report; of the same try.
    """
    if _further_part(known, new):
        first, second = sorted((known, new), key=lambda record: record.segment)
        return replace(
            second,
            **_filled(_OF_THE_INPUT, second, first),
            inputs=second.inputs or first.inputs,
            earlier=merge_segments(_earlier(known, new), [segment_of(first)], _merged_usage),
        )
    if known.cluster != new.cluster:
        earlier, later = (new, known) if new.started_at < known.started_at else (known, new)
        return replace(
            later,
            **_filled(_OF_THE_TASK, later, earlier),
            inputs=later.inputs or earlier.inputs,
            earlier=_earlier(known, new),
        )
    witness = known if known.usage is not None and new.usage is None else new
    decisive = max(new, known, key=lambda record: _LEAST_SPECIFIC_FIRST.index(record.outcome))
    other = known if decisive is new else new
    return replace(
        new,
        **{name: getattr(witness, name) for name in _FROM_WITNESS},
        **_filled(_OPTIONAL, new, known),
        inputs=new.inputs or known.inputs,
        usage=_merged_usage(known.usage, new.usage),
        outcome=decisive.outcome,
        message=decisive.message or other.message,
        segment=max(known.segment, new.segment),
        segments=max(known.segments, new.segments),
        earlier=_earlier(known, new),
    )


def _further_part(known: ExecutionRecord, new: ExecutionRecord) -> bool:
    """Whether one of two is a suspended part of the try, and the other a later part of it."""
    if not (known.segment and new.segment) or known.segment == new.segment:
        return False
    return min(known, new, key=lambda record: record.segment).outcome is Outcome.SUSPENDED


def _earlier(known: ExecutionRecord, new: ExecutionRecord) -> tuple[Segment, ...]:
    if max(known.segments, new.segments) > 1:
        return ()  # one of them stands for all of them already
    return merge_segments(known.earlier, new.earlier, _merged_usage)


def _filled(
    names: tuple[str, ...], first: ExecutionRecord, second: ExecutionRecord
) -> dict[str, Any]:
    return {
        name: getattr(second, name) if getattr(first, name) is None else getattr(first, name)
        for name in names
    }


def _merged_usage(known: Usage | None, new: Usage | None) -> Usage | None:
    if known is None or new is None:
        return new or known
    gaps = {
        field.name: getattr(known, field.name)
        for field in fields(Usage)
        if getattr(new, field.name) is None
    }
    return replace(new, **gaps)
