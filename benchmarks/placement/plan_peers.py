"""What else could make a plan: a rule of thumb, and the whole program for a solver at once."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aiops_provider.domain.plan import Objective, PlacementPlan, PlanStatus
from aiops_provider.placement.feasibility import check_plan
from aiops_provider.placement.figures import (
    assignments,
    attained,
    spend,
    unplaced_shares,
    without_noise,
)
from aiops_provider.placement.greedy import greedy_shares
from aiops_provider.placement.model import Goal, Question, build_model
from aiops_provider.placement.problem import PlacementProblem, make_problem
from aiops_provider.placement.solver import solve
from benchmarks.placement.plan_cases import PlanCase

HIGHS, CBC = "HiGHS, one shot", "CBC, one shot"
_GIB = 2**20  # ru_maxrss counts KiB
_GAP = 0.0005
_ALMOST = 0.95  # CBC stops a little before its limit
# CP-SAT counts in whole numbers: shares in thousandths, needs in millionths of a capacity, costs in
# millionths of the dearest option.
_SHARES, _PARTS = 1_000, 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """
    What a peer came to.

    Attributes:
        peer: Its name.
        value: Share placed or USD per hour; NaN without a plan.
        bound: What it proves; infinite if nothing.
        seconds: By the wall, with building the problem.
        process_seconds: Of the process alone.
        violations: Counted by the independent checker.
        gib: Peak memory of its process; of CBC, the larger of its two. NaN if it was killed.
        ending: ``done``, ``time limit``, ``bound only``, or how its process was ended.
    """

    peer: str
    value: float
    bound: float
    seconds: float
    process_seconds: float
    violations: int
    gib: float
    ending: str


class _Watch:
    def __init__(self) -> None:
        self._wall, self._process = time.perf_counter(), _process_s()

    def answer(
        self,
        peer: str,
        case: PlanCase,
        objective: Objective,
        found: tuple[PlacementProblem, Sequence[float] | None, float],
        ending: str = "done",
    ) -> Answer:
        seconds, process_seconds = time.perf_counter() - self._wall, _process_s() - self._process
        problem, shares, bound = found
        value, violations = math.nan, 0
        if shares is not None:
            clean = without_noise(problem, shares)
            figures = attained(problem, clean), spend(problem, clean)
            value = figures[0] if objective.maximize_sla else figures[1]
            plan = _as_plan(problem, clean, objective, value)
            broken = check_plan(plan, case.clusters, egress=case.egress)
            violations = len(broken)
        return Answer(
            peer=peer,
            value=value,
            bound=bound,
            seconds=seconds,
            process_seconds=process_seconds,
            violations=violations,
            gib=_peak_gib(),
            ending=ending,
        )


def _peak_gib() -> float:
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(one).ru_maxrss for one in who) / _GIB


def _process_s() -> float:
    """With its children: CBC is a program of its own."""
    own = time.process_time()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own + children.ru_utime + children.ru_stime


def _as_plan(
    problem: PlacementProblem, shares: Sequence[float], objective: Objective, value: float
) -> PlacementPlan:
    return PlacementPlan(
        groups=problem.groups,
        assignments=assignments(problem, shares),
        objective=objective,
        objective_value=value,
        bound=value,
        gap=0.0,
        status=PlanStatus.FEASIBLE,
        cost_usd_per_hour=spend(problem, shares),
        sla_attainment=attained(problem, shares),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        unplaced=unplaced_shares(problem, shares),
    )


def greedy(case: PlanCase, objective: Objective, limit_s: float) -> Answer:
    """Group after group where it is cheapest; ends when it ends."""
    del limit_s
    watch = _Watch()
    problem = _problem(case)
    shares = greedy_shares(
        problem,
        budget_usd_per_hour=objective.budget_usd_per_hour,
        attainment=1.0 if objective.maximize_sla else objective.sla,
    )
    nothing = math.inf if objective.maximize_sla else -math.inf
    return watch.answer("greedy", case, objective, (problem, shares, nothing))


def highs(case: PlanCase, objective: Objective, limit_s: float) -> Answer:
    """The whole program at once for HiGHS."""
    return _one_program(HIGHS, "HiGHS", case, objective, limit_s, relaxed=False)


def cbc(case: PlanCase, objective: Objective, limit_s: float) -> Answer:
    """The whole program at once for CBC."""
    return _one_program(CBC, "CBC", case, objective, limit_s, relaxed=False)


def linear(case: PlanCase, objective: Objective, limit_s: float) -> Answer:
    """The linear relaxation of the whole program: a bound, and mostly no plan."""
    return _one_program("linear relaxation", "HiGHS", case, objective, limit_s, relaxed=True)


def _one_program(
    name: str, solver: str, case: PlanCase, objective: Objective, limit_s: float, *, relaxed: bool
) -> Answer:
    watch = _Watch()
    problem = _problem(case)
    model = build_model(problem, _question(problem, objective))
    found = solve(model, time_limit_s=limit_s, gap_tolerance=_GAP, relaxed=relaxed, solver=solver)
    bound = -found.bound if objective.maximize_sla else found.bound
    shares = None if relaxed else found.values
    proven = found.values is not None and found.objective - found.bound <= _GAP * abs(
        found.objective
    )
    stopped = found.solve_s >= _ALMOST * limit_s and (relaxed or not proven)
    ending = "time limit" if stopped else "bound only" if relaxed else "done"
    return watch.answer(name, case, objective, (problem, shares, bound), ending)


def _question(problem: PlacementProblem, objective: Objective) -> Question:
    if objective.maximize_sla:
        return Question(goal=Goal.UNPLACED, budget_usd_per_hour=objective.budget_usd_per_hour)
    return Question(
        goal=Goal.COST,
        budget_usd_per_hour=objective.budget_usd_per_hour,
        attainment=min(objective.sla, problem.placeable),
    )


def cp_sat(case: PlanCase, objective: Objective, limit_s: float) -> Answer:
    """The whole program for OR-Tools' CP-SAT, in whole numbers; its bound is not used for that."""
    from ortools.sat.python import cp_model

    watch = _Watch()
    problem = _problem(case)
    model = cp_model.CpModel()
    shares = [model.new_int_var(0, _SHARES, "") for _ in problem.options]
    for own in problem.options_of:
        _one_way(model, problem, own, shares)
    for limit in problem.limits:
        for slot in limit.slots:
            terms = limit.terms(slot)
            needs = [math.ceil(_PARTS * amount / limit.amount) for _, amount in terms]
            uses = sum(need * shares[i] for need, (i, _) in zip(needs, terms, strict=True))
            model.add(uses <= _PARTS * _SHARES)
    dearest = max(option.cost_usd_per_hour for option in problem.options) or 1.0
    costs = [math.ceil(_PARTS * o.cost_usd_per_hour / dearest) for o in problem.options]
    paid = sum(cost * share for cost, share in zip(costs, shares, strict=True))
    heaviest = max(group.sla_weight for group in problem.groups)
    weights = [
        math.floor(_PARTS * problem.groups[o.group].sla_weight / heaviest) for o in problem.options
    ]
    placed = sum(weight * share for weight, share in zip(weights, shares, strict=True))
    if objective.budget_usd_per_hour is not None:
        budget = math.floor(_PARTS * _SHARES * objective.budget_usd_per_hour / dearest)
        model.add(paid <= budget)
    if objective.maximize_sla:
        model.maximize(placed)
    else:
        level = objective.sla * problem.weight / heaviest
        model.add(placed >= math.ceil(_PARTS * _SHARES * level))
        model.minimize(paid)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = limit_s
    solver.parameters.num_workers = 1
    solver.parameters.relative_gap_limit = _GAP
    status = solver.solve(model)
    found = None
    if status in {cp_model.OPTIMAL, cp_model.FEASIBLE}:
        found = [solver.value(share) / _SHARES for share in shares]
    nothing = math.inf if objective.maximize_sla else -math.inf
    ending = "done" if status == cp_model.OPTIMAL else "time limit"
    return watch.answer("CP-SAT", case, objective, (problem, found, nothing), ending)


def _one_way(
    model: object, problem: PlacementProblem, own: Sequence[int], shares: Sequence[object]
) -> None:
    """A group is on one pool that holds it whole, or on any that hold a part of it."""
    whole = [[i] for i in own if problem.options[i].holds_whole]
    several = [i for i in own if not problem.options[i].holds_whole]
    ways = [*whole, several] if several else whole
    chosen = []
    for members in ways:
        way = model.new_bool_var("")  # type: ignore[attr-defined]
        chosen.append(way)
        model.add(sum(shares[i] for i in members) <= _SHARES * way)  # type: ignore[attr-defined, call-overload]
    if chosen:
        model.add_at_most_one(chosen)  # type: ignore[attr-defined]


def _problem(case: PlanCase) -> PlacementProblem:
    return make_problem(case.groups, case.clusters, egress=case.egress)


PEERS = {
    "greedy": greedy,
    HIGHS: highs,
    CBC: cbc,
    "linear relaxation": linear,
    "CP-SAT": cp_sat,
}
