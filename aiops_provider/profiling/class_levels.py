"""
Runs of other classes of input as evidence for one of them.

A class has few runs, and few runs ask for a wide margin. How much runs scatter about the level of their
class is taken to be the same for all, so that the runs of the others count too, brought to its level.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import median

from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.profile import Quantity

# As many as own history looks at.
_MOST_RUNS = 64


def brought_to(
    group: float | str, members: Mapping[float | str, Sequence[ExecutionRecord]]
) -> list[ExecutionRecord]:
    """
    The runs of a class, and those of the others as if they had been of it.

    Args:
        group: Which class; its own runs stay as they are.
        members: The runs of each, oldest first.

    Returns:
        Its own runs alone where none of them ended well: nobody knows its level then.
    """
    own = list(members[group])[-_MOST_RUNS:]
    level = _level(own)
    if level is None:
        return own
    others = []
    for other, runs in members.items():
        theirs = _level(runs) if other != group else None
        if theirs is not None:
            memory, duration = level[0] / theirs[0], level[1] / theirs[1]
            others += [_scaled(each, memory, duration) for each in runs if _tells(each)]
    others.sort(key=lambda record: record.ended_at)
    room = _MOST_RUNS - len(own)
    return own + (others[-room:] if room else [])


def widened(figure: Quantity, own_runs: int) -> Quantity:
    """
    A figure of pooled runs for one class, whose level is known from its own runs only.

    The next run scatters about a level that is itself known up to its scatter, hence by ``sqrt(1 + 1/m)``
    as much (the prediction interval of a mean of *m*), in logarithms.

    Args:
        figure: Its quantiles.
        own_runs: *m*, of the class, >= 1.
    """
    if figure.p50 <= 0:
        return figure
    wider = math.sqrt(1 + 1 / own_runs)
    p80, p95 = (
        figure.p50 * math.pow(each / figure.p50, wider) for each in (figure.p80, figure.p95)
    )
    return replace(figure, p80=p80, p95=p95)


def good_runs(runs: Sequence[ExecutionRecord]) -> int:
    """How many of them tell a level."""
    return sum(_tells(each) for each in runs)


def _level(runs: Sequence[ExecutionRecord]) -> tuple[float, float] | None:
    """Median memory and duration of those that ended well."""
    good = [each.usage for each in runs if _tells(each) and each.usage]
    if not good:
        return None
    return median(each.peak_memory_gib for each in good), median(each.duration_s for each in good)


def _tells(record: ExecutionRecord) -> bool:
    usage = record.usage
    measured = usage is not None and usage.peak_memory_gib > 0 and usage.duration_s > 0
    return measured and record.outcome is Outcome.SUCCESS


def _scaled(record: ExecutionRecord, memory: float, duration: float) -> ExecutionRecord:
    usage = record.usage
    assert usage is not None  # noqa: S101 - it tells
    return replace(
        record,
        usage=replace(
            usage,
            peak_memory_gib=usage.peak_memory_gib * memory,
            duration_s=usage.duration_s * duration,
            cpu_seconds=usage.cpu_seconds * duration,
        ),
    )
