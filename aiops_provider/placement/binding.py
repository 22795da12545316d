"""
Solves a question with only those hours of the week written down that turn out to bind.

A week has 168 slots and every pool several resources, but a plan is decided by a few of them. The
search starts with the busiest slot of each hour of the day, looks where the solution breaks others,
adds those and solves again. A program with fewer limits is a relaxation, so every bound on the way
is a bound. Out of time, what the last solution chose is kept and only its shares are fitted, which
is a linear program and quick.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace

from aiops_provider.placement.figures import without_noise
from aiops_provider.placement.model import Question, build_model
from aiops_provider.placement.problem import PlacementProblem
from aiops_provider.placement.solver import Solution, solve

# Twice the solver's own tolerance: what it may call feasible must not send it round again.
_BROKEN = 2e-7
_ADDED_AT_ONCE = 12
_HOURS_PER_DAY = 24
# Written down before anything is known; more would cost more than the rounds they save.
_FIRST_ROWS = 500
# Another round takes about as long as the last; with less than this share of it left it is no use.
_SHORTEST_ROUND = 0.3
_FITTING_S = 5.0
_SEARCH_SHARE = 0.8


class BindingSearch:
    """
    Answers questions about one problem and remembers which slots have mattered.

    Args:
        problem: In plain numbers.

    Attributes:
        problem: As given.
    """

    def __init__(self, problem: PlacementProblem) -> None:
        self.problem = problem
        self._slots: dict[int, set[int]] = {}
        everything = [1.0] * len(problem.options)
        each = max(1, min(_HOURS_PER_DAY, _FIRST_ROWS // max(1, len(problem.limits))))
        for number, limit in enumerate(problem.limits):
            self._slots[number] = _busiest_hours(limit.usage(everything), each)

    def ask(
        self,
        question: Question,
        *,
        time_limit_s: float,
        gap_tolerance: float = 0.0,
        relaxed: bool = False,
        start: Sequence[float] | None = None,
    ) -> Solution:
        """
        The best solution found in time, within all limits.

        Args:
            question: What is minimised.
            time_limit_s: For all rounds together.
            gap_tolerance: As of the solver.
            relaxed: Ignore that some variables are integer; the solution then has ``worth``.
            start: Shares to begin the search with.

        Raises:
            PlanError: If no solver is installed.
        """
        deadline = time.perf_counter() + time_limit_s
        bound, spent_s = -math.inf, 0.0
        while True:
            model = build_model(self.problem, question, slots=self._slots, start=start)
            left_s = deadline - time.perf_counter()
            # A search may take all the time it gets; what is left allows for another round.
            found = solve(
                model,
                time_limit_s=left_s if relaxed else left_s * _SEARCH_SHARE,
                gap_tolerance=gap_tolerance,
                relaxed=relaxed,
            )
            spent_s += found.solve_s
            bound = max(bound, found.bound)
            found = replace(found, bound=bound, solve_s=spent_s)
            if found.values is None or not self._remember_broken(question, found):
                return found if relaxed else self._without_noise(found)
            if deadline - time.perf_counter() < _SHORTEST_ROUND * found.solve_s:
                if relaxed:
                    return replace(found, values=None, objective=math.inf)
                return self._fitted(question, found)

    def _without_noise(self, found: Solution) -> Solution:
        """What asks further by these shares must not take a trace of a group for its presence."""
        if found.values is None:
            return found
        return replace(found, values=without_noise(self.problem, found.values))

    def _remember_broken(self, question: Question, found: Solution) -> bool:
        values: Sequence[float] = found.values or ()
        broken = False
        for number, limit in enumerate(self.problem.limits):
            if limit.cluster in question.unlimited:
                continue
            more = found.more_machines.get((limit.cluster, limit.pool), 0.0)
            amount = limit.amount + more * limit.per_machine
            over = {
                slot: used
                for slot, used in limit.usage(values).items()
                if used > amount * (1 + _BROKEN) and slot not in self._slots[number]
            }
            if over:
                broken = True
                self._slots[number].update(_busiest(over, _ADDED_AT_ONCE))
        return broken

    def _fitted(self, question: Question, found: Solution) -> Solution:
        if question.modes_of is not None or found.values is None:
            return replace(found, values=None, objective=math.inf)
        kept = replace(question, modes_of=found.values)
        fitted = self.ask(kept, time_limit_s=_FITTING_S)
        return replace(fitted, bound=found.bound, infeasible=False)


def _busiest_hours(usage: dict[int, float], count: int) -> set[int]:
    """The busiest slot of each hour of the day, for as many hours as wanted."""
    best: dict[int, int] = {}
    for slot in _busiest(usage, len(usage)):
        best.setdefault(slot % _HOURS_PER_DAY, slot)
    return set(list(best.values())[:count])


def _busiest(usage: dict[int, float], count: int) -> list[int]:
    return sorted(usage, key=lambda slot: (-usage[slot], slot))[:count]
