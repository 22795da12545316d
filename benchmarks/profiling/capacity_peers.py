"""
The ways to scale that people use, from their public descriptions.

Each gives the capacity of every step of the test part for a headroom factor, without limits and, to
their advantage, in fractions of an instance until the end. All know the past up to their decision.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiops_provider.profiling.capacity_outcome import seen_level
from benchmarks.profiling.capacity_series import Series

Values = NDArray[np.float64]

_DAY_S = 86400.0
_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Case:
    """
    A series, a cold start, how long demand waits, and where the test part begins.

    Attributes:
        series: With the test part.
        cold_start_s: From order to service.
        patience_s: Demand that has waited longer for capacity is unmet.
        begin: First step of the test part.
    """

    series: Series
    cold_start_s: float
    patience_s: float
    begin: int

    @property
    def lead(self) -> int:
        """Steps from demand that is seen to the first one that its instances serve."""
        return 1 + math.ceil(self.cold_start_s / self.series.step_s - 1e-9)

    def steps(self, seconds: float) -> int:
        """That time in steps, at least one."""
        return max(1, round(seconds / self.series.step_s))


Peer = Callable[[Case], Values]


def static_peak(case: Case) -> Values:
    """The largest demand ever seen, all the time."""
    values = case.series.values
    return np.full(len(values) - case.begin, values[: case.begin].max())


def hpa(case: Case) -> Values:
    """Kubernetes' autoscaler: the demand just seen, scale-in by the largest of 5 minutes."""
    level = seen_level(case.series.values, lead=case.lead, averaged=1, held=case.steps(300.0))
    return level[case.begin :]


def yesterday(case: Case) -> Values:
    """The same time of the day before; where there is none, the mean."""
    values, day = case.series.values, case.steps(_DAY_S)
    if case.begin < day:
        return np.full(len(values) - case.begin, values[: case.begin].mean())
    return values[np.arange(case.begin, len(values)) - day]


def hour_of_week_p95(case: Case) -> Values:
    """The p95 of the same hour of the week so far, of the day where there is no week."""
    return _by_hour(case, lambda seen: float(np.quantile(seen, 0.95)), days=math.inf)


def aws_predictive(case: Case) -> Values:
    """
    Like AWS' predictive scaling: two weeks of hourly history, only ever scales out ahead.

    Its forecast is not published; the mean of the same hours stands for it. Scaling in is left to
    target tracking, which goes by the largest demand of 15 minutes; both together, the larger counts.
    """
    ahead = _by_hour(case, lambda seen: float(seen.mean()), days=14.0)
    level = seen_level(case.series.values, lead=case.lead, averaged=1, held=case.steps(900.0))
    return np.maximum(ahead, level[case.begin :])


def _by_hour(case: Case, figure: Callable[[Values], float], *, days: float) -> Values:
    series, values = case.series, case.series.values
    start = series.starts.timestamp() + 3 * _DAY_S  # the epoch was a Thursday
    seconds = start + np.arange(len(values)) * series.step_s
    per_slot = min(_HOUR_S, series.slot_s)
    oldest = max(0, case.begin - round(min(days * _DAY_S / series.step_s, 1e9)))
    for period in (7 * _DAY_S, _DAY_S):
        if (case.begin - oldest) * series.step_s >= 2 * period:
            slots = (seconds % period // _HOUR_S).astype(int)
            break
    else:
        # Shorter than two days: what the last slots were.
        recent = values[
            max(0, case.begin - max(1, round(12 * per_slot / series.step_s))) : case.begin
        ]
        return np.full(len(values) - case.begin, figure(recent))
    past = slice(oldest, case.begin)
    table = {slot: figure(values[past][slots[past] == slot]) for slot in np.unique(slots[past])}
    fallback = figure(values[past])
    return np.array([table.get(slot, fallback) for slot in slots[case.begin :]])


def mstl(level: int) -> Peer | None:
    """The upper end of MSTL's interval, an hour at a time, a day ahead; ``None`` if not installed."""
    try:
        from statsforecast.models import MSTL
    except ImportError:
        return None

    def capacity(case: Case) -> Values:
        series, per_hour = case.series, max(1, round(_HOUR_S / case.series.step_s))
        if case.begin < 2 * case.steps(_DAY_S):
            return np.full(len(series.values) - case.begin, series.values[: case.begin].mean())
        day, found = 24 * per_hour, []
        for origin in range(case.begin, len(series.values), day):
            past = series.values[origin % per_hour : origin].reshape(-1, per_hour).mean(axis=1)
            seasons = [s for s in (24, 168) if 2 * s < len(past)]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # its own, about its fit
                upper = MSTL(season_length=seasons).forecast(y=past, h=24, level=[level])
            found.append(np.repeat(np.maximum(upper[f"hi-{level}"], 0.0), per_hour))
        return np.concatenate(found)[: len(series.values) - case.begin]

    return capacity


def peers() -> tuple[dict[str, Peer], list[str]]:
    """By name, and what to say about those that are missing."""
    found: dict[str, Peer] = {
        "static peak": static_peak,
        "HPA-like, reactive": hpa,
        "yesterday": yesterday,
        "hour of week p95": hour_of_week_p95,
        "AWS-predictive-like with target tracking": aws_predictive,
    }
    for name, level in (("MSTL p90", 80), ("MSTL p97.5", 95)):
        made = mstl(level)
        if made is None:
            return found, ["**Skipped: MSTL** (statsforecast is not installed)."]
        found[name] = made
    return found, []
