"""How often a task starts in each hour of the week: what was seen, else what was said."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.units import HOURS_PER_WEEK, SECONDS_PER_HOUR, hour_of_week
from aiops_provider.domain.workload import Cadence
from aiops_provider.profiling.cron import CronError, starts_of_cron

log = logging.getLogger(__name__)

# A pattern of the week shows after two of them, one of the day after two days; with fewer runs
# than these it is chance. A mean rate needs three runs.
_WEEKLY_SPAN = timedelta(days=14)
_DAILY_SPAN = timedelta(days=2)
_RUNS_FOR_PATTERN = 8
_RUNS_FOR_RATE = 3
_HOUR = timedelta(hours=1)


def starts_by_hour_of_week(
    cadence: Cadence | None, history: Sequence[ExecutionRecord]
) -> tuple[float, ...]:
    """
    Expected number of runs started in each hour of the week.

    Two weeks of own runs speak for themselves; before that the cadence that was said decides. Where
    none was said, two days give a pattern of the day, and three runs a mean rate. Retries and the runs
    of a backfill are not counted, mapped runs are, one by one.

    Args:
        cadence: What the user said.
        history: Finished runs.

    Returns:
        168 entries, Monday 00 UTC first; empty when nothing is known.
    """
    return moments_by_hour_of_week(ordinary_starts(history), cadence=cadence)


def moments_by_hour_of_week(
    moments: Sequence[datetime], *, cadence: Cadence | None = None
) -> tuple[float, ...]:
    """
    The same from bare moments of starts, with time zone, in any order.

    Args:
        moments: When something started.
        cadence: What the user said.
    """
    starts = sorted(moments)
    span = starts[-1] - starts[0] if starts else timedelta(0)
    pattern = len(starts) >= _RUNS_FOR_PATTERN
    if pattern and span >= _WEEKLY_SPAN:
        counts = [0] * HOURS_PER_WEEK
        for moment in starts:
            counts[hour_of_week(moment)] += 1
        # The span ends with the last start; the time up to the next one belongs to it.
        weeks = (span + span / (len(starts) - 1)) / timedelta(weeks=1)
        return tuple(count / weeks for count in counts)
    if cadence is not None and (said := _said(cadence)):
        return said
    if pattern and span >= _DAILY_SPAN:
        by_hour = [0] * 24
        for moment in starts:
            by_hour[hour_of_week(moment) % 24] += 1
        days = (span + span / (len(starts) - 1)) / timedelta(days=1)
        return tuple(count / days for count in by_hour) * 7
    if len(starts) >= _RUNS_FOR_RATE and span > timedelta(0):
        rate = (len(starts) - 1) / max(span / _HOUR, 1.0)
        return (rate,) * HOURS_PER_WEEK
    return ()


def ordinary_starts(history: Sequence[ExecutionRecord]) -> list[datetime]:
    """Moments of the first tries, rising; runs of a backfill were asked for by nobody's schedule."""
    first_tries = [r for r in history if r.run.try_number <= 1 and not r.run.is_backfill]
    return sorted(r.started_at for r in first_tries)


def _said(cadence: Cadence) -> tuple[float, ...]:
    if cadence.every_s is not None:
        return (SECONDS_PER_HOUR / cadence.every_s,) * HOURS_PER_WEEK
    if cadence.cron is None:
        return ()
    try:
        return starts_of_cron(cadence.cron)
    except CronError as error:
        # A task must get its profile even if its cadence was mistyped; `aiops profile` refuses it.
        log.warning("The cadence %r is ignored: %s", cadence.cron, error)
        return ()
