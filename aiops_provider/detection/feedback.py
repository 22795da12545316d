"""What people found to be the real cause of earlier incidents moves what is believed of the next one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from aiops_provider.detection.similar import SAME_KIND
from aiops_provider.domain.alarm import Hypothesis, RootCause, SuperAlarm

# What is believed before anybody said anything counts as much as so many incidents.
_PRIOR = 2.0


def weigh_by_feedback(
    root_cause: RootCause, kpis: Collection[str], past: Iterable[SuperAlarm]
) -> RootCause:
    """
    The hypotheses with confidence and order as feedback lets expect.

    An earlier incident speaks of a hypothesis if it hit one of the same KPIs. Where the hypothesis was the
    real cause then, it is preferred; where it was told first and was not, it is less sure by ``2 / (2 + n)`` after n such
    incidents. A cause of the same kind, such as another cluster, counts half. An unknown cause stays one.

    Args:
        root_cause: Ranked by what was observed.
        kpis: Names of the KPIs in alarm.
        past: Earlier incidents; those of which nobody said the real cause are passed over.
    """
    told = [one for one in past if one.real_cause and set(kpis) & set(one.kpis)]
    if not told or not root_cause.best.cause:
        return root_cause
    odds = [_odds(one, told) for one in root_cause.hypotheses]
    weighed = [
        (one.confidence * factor, replace(one, confidence=one.confidence * min(factor, 1.0)))
        for one, factor in zip(root_cause.hypotheses, odds, strict=True)
    ]
    if all(factor == 1.0 for factor in odds):
        return root_cause
    # Stable: hypotheses that are believed alike stay in the order of what they explain.
    ordered = sorted(weighed, key=lambda one: -one[0])
    return RootCause(hypotheses=tuple(one for _, one in ordered))


def _odds(hypothesis: Hypothesis, told: Sequence[SuperAlarm]) -> float:
    right = sum(_alike(hypothesis.cause, one.real_cause) for one in told)
    wrong = sum(
        _alike(hypothesis.cause, first)
        for one in told
        if (first := one.root_cause.best.cause) != one.real_cause
    )
    return (_PRIOR + right) / (_PRIOR + wrong)


def _alike(cause: Mapping[str, str], then: Mapping[str, str]) -> float:
    if not cause or cause.keys() != then.keys():
        return 0.0
    return 1.0 if cause == then else SAME_KIND
