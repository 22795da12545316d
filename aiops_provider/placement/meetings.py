"""How many of a task's runs are expected to meet a run of another, by the hours at which both start."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from aiops_provider.domain.profile import Quantity, WorkloadProfile
from aiops_provider.domain.units import HOURS_PER_WEEK
from aiops_provider.placement.demand import Series, concurrent_runs, starts_by_hour

# A duration is taken as its quantiles with these chances, which have the mean of expected_value(): of the
# mean alone nobody sees that a run now and then lasts into the hour of another.
_CHANCES = (0.65, 0.225, 0.125)


class WeeklyRuns:
    """
    When a task's runs start, and how many of them are in progress, by hour of the week.

    Args:
        profile: Of the task.

    Attributes:
        is_known: Whether its cadence is known at all.
        starts: Expected in each hour; 168 entries.
        running: Expected in progress; 168 entries, with the chance that a run takes long.
    """

    __slots__ = ("is_known", "running", "starts")

    def __init__(self, profile: WorkloadProfile) -> None:
        self.is_known = bool(profile.starts_by_hour_of_week)
        self.starts = _weekly(starts_by_hour(profile))
        duration = profile.duration_s
        parts = [
            [chance * runs for runs in _weekly(concurrent_runs(_taking(profile, seconds)))]
            for chance, seconds in zip(
                _CHANCES, (duration.p50, duration.p80, duration.p95), strict=True
            )
        ]
        self.running = tuple(map(math.fsum, zip(*parts, strict=True)))


def met_share(own: WeeklyRuns, other: WeeklyRuns) -> float:
    """
    Share of the runs of one task that meet a run of another, 1 at most.

    Two runs meet when one starts while the other is in progress. Starts are taken as uniform within
    their hour and as independent of each other; a run that meets two counts twice. Where either cadence
    is unknown all runs may meet.

    Args:
        own: Of the task whose runs are counted.
        other: Of the one that they may meet.
    """
    if not (own.is_known and other.is_known):
        return 1.0
    starts = math.fsum(own.starts)
    if not starts:
        return 0.0
    met = sum(map(_product, own.starts, other.running))
    met += sum(map(_product, own.running, other.starts))
    return min(1.0, met / starts)


def _product(one: float, other: float) -> float:
    return one * other


def _weekly(series: Sequence[float]) -> Series:
    return tuple(series) if len(series) > 1 else tuple(series) * HOURS_PER_WEEK


def _taking(profile: WorkloadProfile, seconds: float) -> WorkloadProfile:
    exactly = Quantity(p50=seconds, p80=seconds, p95=seconds, source=profile.duration_s.source)
    return replace(profile, duration_s=exactly)
