"""What happened before that looked the same, and what helped then."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from aiops_provider.detection.attributes import has
from aiops_provider.domain.alarm import (
    Alarm,
    AlarmState,
    Hypothesis,
    ResponseAction,
    SimilarIncident,
    SuperAlarm,
)

REMEMBERED = 200
"""Super-alarms that are over and compared with."""

_TOLD = 3
_LEAST = 0.5
# Of the likeness of two incidents: their cause, their KPIs, and how large they are.
_CAUSE, _KPIS, _SIZE = 0.5, 0.35, 0.15
# Causes that name the same kind of thing, but another one, are half as alike.
SAME_KIND = 0.5


def similarity(
    cause: Mapping[str, str], kpis: Collection[str], size: int, other: SuperAlarm
) -> float:
    """
    How alike an incident and an earlier one are, in [0, 1].

    Half of it is the cause – the share of its conditions that both have, those on another value of the same
    dimension counting half –, a third the share of KPIs that both hit, the rest the ratio of their sizes.

    Args:
        cause: What is at fault; empty: unknown.
        kpis: Names of the KPIs in alarm.
        size: Number of alarms.
        other: The earlier one.
    """
    then = other.real_cause or other.root_cause.best.cause
    ratio = min(size, len(other.alarms)) / max(size, len(other.alarms), 1)
    return (
        _CAUSE * _same_cause(cause, then)
        + _KPIS * _shared(set(kpis), set(other.kpis))
        + _SIZE * math.sqrt(ratio)
    )


def similar_incidents(
    cause: Mapping[str, str], kpis: Collection[str], size: int, past: Iterable[SuperAlarm]
) -> tuple[SimilarIncident, ...]:
    """The three earlier incidents that are most alike, the likest first; none that is less than half so."""
    rated = [(similarity(cause, kpis, size, one), one) for one in past]
    best = sorted(rated, key=lambda item: (-item[0], -item[1].opened_at.timestamp()))[:_TOLD]
    return tuple(_told(one, rate) for rate, one in best if rate >= _LEAST)


def with_remedy(
    hypothesis: Hypothesis, members: Collection[Alarm], past: Collection[SuperAlarm]
) -> Hypothesis:
    """
    A hypothesis with what helps.

    That is what the rules say about most of the alarms that it explains; without such a rule what
    was done about, or noted on, the likest earlier incident of that very cause.
    """
    explained = [one for one in members if has(one.attributes, hypothesis.cause)] or members
    said = Counter(one.remedy for one in explained if one.remedy)
    if said:
        return replace(hypothesis, remedy=min(said, key=lambda text: (-said[text], text)))
    if not hypothesis.cause:
        return replace(hypothesis, remedy="")
    kpis = {one.series.name for one in explained}
    same = [
        one for one in past if (one.real_cause or one.root_cause.best.cause) == hypothesis.cause
    ]
    helped = [
        one
        for one in similar_incidents(hypothesis.cause, kpis, len(explained), same)
        if one.closed_by
    ]
    remedy = (
        f"As in {helped[0].id} ({helped[0].opened_at:%Y-%m-%d}): {helped[0].closed_by}"
        if helped
        else ""
    )
    return replace(hypothesis, remedy=remedy)


def _same_cause(cause: Mapping[str, str], then: Mapping[str, str]) -> float:
    if not cause or not then:
        return 0.0
    names = cause.keys() | then.keys()
    shared = cause.keys() & then.keys()
    alike = sum(1.0 if cause[name] == then[name] else SAME_KIND for name in shared)
    return alike / len(names)


def _shared(one: set[str], other: set[str]) -> float:
    return len(one & other) / max(len(one | other), 1)


def _told(one: SuperAlarm, rate: float) -> SimilarIncident:
    return SimilarIncident(
        id=one.id,
        similarity=rate,
        opened_at=one.opened_at,
        closed_at=one.closed_at,
        cause=one.real_cause or one.root_cause.best.cause,
        closed_by=_closed_by(one),
    )


def _closed_by(one: SuperAlarm) -> str:
    """What a person noted, and what was done."""
    if one.state is AlarmState.FALSE_POSITIVE:
        return one.note or "marked a false positive"
    response, done = one.response, ""
    if response is not None and not response.dry_run:
        if response.action is ResponseAction.QUARANTINE:
            done = f"quarantine of {', '.join(response.clusters)}"
        elif response.action is ResponseAction.HOLD_TASK:
            done = f"hold of {response.task}"
    return "; ".join(part for part in (one.note, done) if part)
