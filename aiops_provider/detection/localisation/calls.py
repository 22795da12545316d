"""
Which service is at fault when one that users see is slow or fails?

Harm travels against the calls: whoever calls a slow service is slow. So a service is told by the harm
that its own callees do not explain. What counts is harm per period, not per call: a call that got a
second slower but is made once an hour explains no hour of complaints. A callee that nobody called before
the trouble is where the trouble shows; its caller, who began to call it, is at fault.

The moment at which the trouble is said to have begun may be wrong by a sampling period: the step of the
target's own KPI, among the moments next to it, decides. (Where the onset is trusted, the best methods lose
most of their accuracy by one wrong sample: Pham et al., BARO, FSE 2024, and RCAEval, ASE 2024.)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ServiceSeries:
    """
    What was measured of one service, one figure for each moment.

    Attributes:
        values: The KPI per call, such as seconds or the share of failures; NaN where unknown.
        requests: Calls in the period; NaN counts as none. ``None`` if nobody counted: all weigh alike.
    """

    values: Floats
    requests: Floats | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCause:
    """
    A service that may be at fault.

    Attributes:
        service: Its name.
        own: Harm per period that its callees do not explain, in the KPI's unit times calls.
        harm: Harm per period that its callers see.
        share: ``own`` as a share of all services' own harm on the way to the target, in [0, 1].
        calls_away: Calls between the target and it; 0 is the target itself.
        new: Nobody called it before the trouble.
    """

    service: str
    own: float
    harm: float
    share: float
    calls_away: int
    new: bool


def rank_services(
    series: Mapping[str, ServiceSeries],
    calls: Iterable[tuple[str, str]],
    *,
    moments: Sequence[float],
    onset: float,
    target: str,
    higher_is_worse: bool = True,
) -> list[ServiceCause]:
    """
    Rank the services that the target reaches by calls.

    Args:
        series: By service; all as long as *moments*. Services without one are passed through.
        calls: Caller and callee.
        moments: Seconds, ascending, at least two.
        onset: When the trouble is said to have begun, seconds; right within a sampling period.
        target: The service that users complain about.
        higher_is_worse: ``False`` for a KPI such as availability.

    Returns:
        The most likely first; services further down the calls before their callers where both explain
        as much.

    Raises:
        ValueError: Fewer than two moments, or the target has no series.
    """
    times = np.asarray(moments, dtype=np.float64)
    if len(times) < 2:
        raise ValueError("a trouble shows only between at least two moments")
    if target not in series:
        raise ValueError(f"nothing was measured of the target {target!r}")
    sign = 1.0 if higher_is_worse else -1.0
    callees: dict[str, set[str]] = {}
    for caller, callee in calls:
        if caller != callee:
            callees.setdefault(caller, set()).add(callee)
    before = _before(series[target], times, onset, sign)
    harm = {name: _harm(one, before, sign) for name, one in series.items()}
    distance = _distances(target, callees)
    own = {name: _own(name, harm, callees.get(name, ())) for name in distance}
    total = sum(own.values()) or 1.0
    found = [
        ServiceCause(
            service=name,
            own=own[name],
            harm=harm.get(name) or 0.0,
            share=own[name] / total,
            calls_away=away,
            new=name in harm and harm[name] is None,
        )
        for name, away in distance.items()
    ]
    return sorted(found, key=lambda one: (-one.own, -one.harm, -one.calls_away, one.service))


def _before(target: ServiceSeries, times: Floats, onset: float, sign: float) -> Mask:
    """Which moments are before the trouble: the clearest step within a period of the onset."""
    period = float(np.median(np.diff(times)))
    first = int(np.searchsorted(times, onset - period / 2.0))
    possible = [place for place in (first, first - 1, first + 1) if 0 < place < len(times)]
    place = max(
        possible or [min(max(first, 1), len(times) - 1)],
        key=lambda place: _step(sign * target.values, place),
    )
    before: Mask = np.arange(len(times)) < place
    return before


def _step(values: Floats, place: int) -> float:
    """How clear a step up at this place is: the square root of the variance that it explains."""
    left, right = values[:place], values[place:]
    left, right = left[np.isfinite(left)], right[np.isfinite(right)]
    if not len(left) or not len(right):
        return -np.inf
    weight = len(left) * len(right) / (len(left) + len(right))
    return float((right.mean() - left.mean()) * np.sqrt(weight))


def _harm(one: ServiceSeries, before: Mask, sign: float) -> float | None:
    """Harm per period since the trouble began; ``None`` of a service nobody called before."""
    calls = np.ones(len(before)) if one.requests is None else np.nan_to_num(one.requests)
    known = np.isfinite(one.values) & (calls > 0.0)
    early, late = known & before, known & ~before
    if not late.any():
        return 0.0
    if not early.any():
        return None
    usual = np.average(one.values[early], weights=calls[early])
    excess = (sign * (one.values[late] - usual) * calls[late]).sum()
    return max(float(excess) / float((~before).sum()), 0.0)


def _own(name: str, harm: Mapping[str, float | None], callees: Collection[str]) -> float:
    """What the callee that harms most does not explain; several are mostly one after another."""
    explained = max((harm.get(callee) or 0.0 for callee in callees), default=0.0)
    return max((harm.get(name) or 0.0) - explained, 0.0)


def _distances(target: str, callees: Mapping[str, set[str]]) -> dict[str, int]:
    found = {target: 0}
    waiting = [target]
    for name in waiting:
        for callee in sorted(callees.get(name, ())):
            if callee not in found:
                found[callee] = found[name] + 1
                waiting.append(callee)
    return found
