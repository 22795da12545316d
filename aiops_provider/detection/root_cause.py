"""
What do the alarmed observations share that the healthy ones lack?

Hypotheses are ordered by explanatory power, then simplicity, then significance; the p-value is
corrected for the number of hypotheses that could have been significant (Tarone, 1990: among many
tasks one that ran once can never be, so it costs nothing to look at it).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from aiops_provider.detection.attributes import NEVER_AT_FAULT, kind_of
from aiops_provider.detection.candidates import Candidate, find_candidates
from aiops_provider.detection.contingency import Observations
from aiops_provider.detection.wording import counter_evidence, next_check
from aiops_provider.domain.alarm import CauseKind, Hypothesis, RootCause

# A cause is told when chance would have made one as good in at most one of twenty such incidents.
# Acting on it asks for more, see response.py.
MAXIMUM_P = 0.05

_HYPOTHESES = 8
# Powers that differ by less are equal: one more healthy observation would change their order.
_EQUAL_POWER = 0.03


def rank_root_causes(
    alarmed_rows: Sequence[Mapping[str, str]], healthy_rows: Sequence[Mapping[str, str]]
) -> RootCause:
    """
    Rank what may be at fault.

    Args:
        alarmed_rows: Attributes of the alarmed observations, at least one.
        healthy_rows: Attributes of the healthy observations of the same time.

    Returns:
        At most eight hypotheses, the best first. Where none is significant, the first is "unknown"
        with an empty cause.

    >>> rows = [{"provider": p, "task": str(t)} for p in ("aws", "azure") for t in range(9)]
    >>> found = rank_root_causes(rows[:9], rows[9:])
    >>> dict(found.best.cause), found.best.kind.value, found.best.support
    ({'provider': 'aws'}, 'cluster', 1.0)
    """
    observations = Observations(alarmed_rows, healthy_rows)
    candidates = _ranked(find_candidates(observations))
    names = {name for row in alarmed_rows for name in row} - NEVER_AT_FAULT
    possible = observations.least_p_values(names)
    tests = _tests(possible)
    kept = candidates[:_HYPOTHESES]
    parents = [_parent(one, kept) for one in kept]
    hypotheses = [
        _hypothesis(
            one,
            # A further condition could have been any other value.
            tests * max(len(possible), 1) ** (len(one.conditions) - 1),
            parent=kept[p] if p is not None else None,
            depth=_depth(parents, i),
        )
        for i, (one, p) in enumerate(zip(kept, parents, strict=True))
    ]
    if not hypotheses or hypotheses[0].p_value > MAXIMUM_P:
        hypotheses.insert(0, unknown(observations))
    return RootCause(hypotheses=tuple(hypotheses))


def unknown(observations: Observations) -> Hypothesis:
    """The hypothesis that says so when nothing tells alarmed from healthy."""
    alarmed, all_of_them = observations.alarmed_executions, observations.executions
    healthy = all_of_them - alarmed
    return Hypothesis(
        cause={},
        kind=CauseKind.UNKNOWN,
        support=1.0,
        precision=alarmed / max(all_of_them, 1),
        lift=1.0,
        p_value=1.0,
        confidence=0.0,
        counter_evidence=(
            f"Nothing that the {alarmed} alarmed executions share is rare among the {healthy} "
            "healthy ones."
            if healthy
            else "No execution was healthy at that time, so there is nothing to compare with."
        ),
        next_check="Wait for more tasks to end, or run one of the alarmed tasks elsewhere.",
    )


def _ranked(candidates: list[Candidate]) -> list[Candidate]:
    left, ranked = list(candidates), []
    while left:
        best_power = max(one.evidence.power for one in left)
        equal = [one for one in left if one.evidence.power >= best_power - _EQUAL_POWER]
        best = min(
            equal, key=lambda one: (len(one.conditions), one.evidence.p_value, one.conditions)
        )
        ranked.append(best)
        left.remove(best)
    return ranked


def _tests(least_p_values: Sequence[float]) -> int:
    """Number of tests to correct for: those that could be significant after the correction."""
    ordered = sorted(least_p_values)
    for tests in range(1, len(ordered) + 1):
        if bisect_right(ordered, MAXIMUM_P / tests) <= tests:
            return tests
    return max(len(ordered), 1)


def _parent(candidate: Candidate, others: Sequence[Candidate]) -> int | None:
    """Place of the narrowest other hypothesis that covers all of this one, and more."""
    wider = [
        (int(other.mask.sum()), place)
        for place, other in enumerate(others)
        if other is not candidate
        and int(other.mask.sum()) > int(candidate.mask.sum())
        and not (candidate.mask & ~other.mask).any()
    ]
    return min(wider)[1] if wider else None


def _depth(parents: Sequence[int | None], place: int) -> int:
    depth, parent = 0, parents[place]
    while parent is not None:
        depth, parent = depth + 1, parents[parent]
    return depth


def _hypothesis(
    candidate: Candidate, tests: int, *, parent: Candidate | None, depth: int
) -> Hypothesis:
    evidence = candidate.evidence
    kind = kind_of(name for name, _ in candidate.conditions)
    p_value = min(1.0, evidence.p_value * tests)
    # Jeffreys' estimate: three of three are not yet certainty.
    precision = (evidence.alarmed_with + 0.5) / (evidence.alarmed_with + evidence.healthy_with + 1)
    # Names for the same observations that would call for another response share the confidence.
    kinds = {kind, *(kind_of([name]) for name, _ in candidate.also)}
    return Hypothesis(
        cause=dict(candidate.conditions),
        kind=kind,
        support=evidence.support,
        precision=evidence.precision,
        lift=evidence.lift,
        p_value=p_value,
        confidence=evidence.support * precision * (1.0 - p_value) / len(kinds),
        counter_evidence=counter_evidence(candidate),
        next_check=next_check(candidate, kind),
        depth=depth,
        parent=dict(parent.conditions) if parent is not None else None,
    )
