"""What the planning benchmark tells: rows, limits fixed beforehand, and HiGHS against CBC."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from aiops_provider.domain.plan import Objective
from benchmarks.placement.plan_cases import PlanCase
from benchmarks.placement.plan_peers import CBC, HIGHS, Answer
from benchmarks.report import Must, at_most

OURS = "aiops"
LARGE_GROUPS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """
    One problem under one objective, and what was found of it.

    Attributes:
        size: Groups x clusters x slots.
        seed: Of the problem.
        case: The problem.
        objective: What for.
        answers: Of those that ran.
        missing: Names of those that did not run yet.
    """

    size: str
    seed: int
    case: PlanCase
    objective: Objective
    answers: Sequence[Answer]
    missing: Sequence[str]

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.size}, seed {self.seed}, {goal_of(self.objective)}"

    @property
    def limit(self) -> float:
        """The best bound that anybody proved; NaN if none did."""
        bounds = [answer.bound for answer in self.answers if math.isfinite(answer.bound)]
        if not bounds:
            return math.nan
        return min(bounds) if self.objective.maximize_sla else max(bounds)

    def of(self, peer: str) -> Answer | None:
        """What one peer came to."""
        return next((answer for answer in self.answers if answer.peer == peer), None)


def table_row(comparison: Comparison, answer: Answer) -> dict[str, object]:
    """One line of the table."""
    return {
        "size": comparison.size,
        "seed": comparison.seed,
        "objective": goal_of(comparison.objective),
        "peer": answer.peer,
        "ended": answer.ending,
        "value": answer.value,
        "own bound": answer.bound,
        "bound": comparison.limit,
        "gap %": 100 * _gap(answer.value, comparison.limit),
        "wall s": answer.seconds,
        "process s": answer.process_seconds,
        "violations": answer.violations,
        "GiB": answer.gib,
    }


def goal_of(objective: Objective) -> str:
    """An objective in a word or two."""
    return "most" if objective.maximize_sla else "least cost"


def _gap(value: float, bound: float) -> float:
    if not math.isfinite(value):
        return math.inf
    return abs(value - bound) / max(abs(value), abs(bound), 1e-12)


def plan_musts(comparison: Comparison) -> list[Must]:
    """What ours must reach; nothing where it did not run."""
    ours = comparison.of(OURS)
    if ours is None:
        return []
    large = len(comparison.case.groups) >= LARGE_GROUPS
    name, seconds = comparison.name, 300.0 if large else 25.0
    gap = _gap(ours.value, ours.bound if large else comparison.limit)
    musts = [
        at_most(f"{name}: gap to the best bound", gap, 0.03 if large else 0.02),
        at_most(f"{name}: seconds by the wall", ours.seconds, seconds),
        at_most(f"{name}: seconds of the process", ours.process_seconds, seconds),
        at_most(f"{name}: violations", ours.violations, 0),
    ]
    if large:
        musts.append(at_most(f"{name}: GiB", ours.gib, 8.0))
    return musts


def _both(comparisons: Sequence[Comparison]) -> list[tuple[Answer, Answer]]:
    found = [(one.of(HIGHS), one.of(CBC)) for one in comparisons]
    return [(highs, cbc) for highs, cbc in found if highs is not None and cbc is not None]


def _ratios(comparisons: Sequence[Comparison]) -> list[float]:
    """CPU time of HiGHS over that of CBC, where both ended by themselves."""
    return [
        max(highs.process_seconds, 1e-3) / max(cbc.process_seconds, 1e-3)
        for highs, cbc in _both(comparisons)
        if highs.ending == cbc.ending == "done"
    ]


def verdict_musts(comparisons: Sequence[Comparison]) -> list[Must]:
    """That the solver which the package takes first deserves it, where both ended by themselves."""
    ratios = _ratios(comparisons)
    if not ratios:
        return []
    ratio = statistics.geometric_mean(ratios)
    left = sum(h.ending != "done" and c.ending == "done" for h, c in _both(comparisons))
    return [
        at_most("one program: CPU time of HiGHS over CBC's, where both ended", ratio, 1.0),
        at_most("one program: ended by CBC and not by HiGHS", left, 0),
    ]


def verdict(comparisons: Sequence[Comparison]) -> list[str]:
    """HiGHS against CBC in a sentence, where both ran."""
    both = _both(comparisons)
    if not both:
        return []
    ended = [(highs.ending == "done", cbc.ending == "done") for highs, cbc in both]
    told = (
        f"HiGHS against CBC, the whole program at once, programs: {len(both)}; HiGHS ended "
        f"{sum(one for one, _ in ended)}, CBC {sum(one for _, one in ended)}"
    )
    ratios = sorted(_ratios(comparisons))
    if ratios:
        told += (
            f"; where both did, HiGHS took {statistics.geometric_mean(ratios):.3g} times the CPU time "
            f"with building the problem (geometric mean of {len(ratios)}, from {ratios[0]:.3g} to "
            f"{ratios[-1]:.3g})"
        )
    return [told + "."]


def not_run(comparisons: Sequence[Comparison]) -> list[str]:
    """Who is missing in the table, if anybody."""
    missing = [f"{one.name}: {', '.join(one.missing)}" for one in comparisons if one.missing]
    return [f"Not run: {'; '.join(missing)}."] if missing else []
