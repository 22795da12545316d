"""
The search for a plan of a problem that is too large for one program: see decomposition.

The result speaks the language of small problems: a :class:`PlacementProblem` with only the options
that the plan uses, so that everything that is said and counted about a plan is the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from aiops_provider.domain.plan import Objective
from aiops_provider.errors import PlanError
from aiops_provider.placement.decomposition import Placed, decompose
from aiops_provider.placement.figures import NOISE, SAME_ATTAINMENT, attained, spend
from aiops_provider.placement.limit_prices import Target
from aiops_provider.placement.problem import Option, PlacementProblem
from aiops_provider.placement.problem_columns import ProblemColumns
from aiops_provider.placement.search import Clock, Outcome, caps_of, how_cheap

_SOLVER = "HiGHS, decomposed"
# Parts of the time: for what is placed, before its price; for the level; for the nearest plan.
_FOR_PLACING, _FOR_LEVEL, _FOR_NEAREST = 0.8, 0.7, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class LargePlan:
    """
    What a large search came to.

    Attributes:
        problem: With the options that are used, and one of each group that has any.
        outcome: Shares of these options, and what is proven.
        worth: USD that one more core of a cluster is worth per hour, by its name.
    """

    problem: PlacementProblem
    outcome: Outcome
    worth: dict[str, float]


def search_large(
    columns: ProblemColumns, objective: Objective, clock: Clock, gap: float
) -> LargePlan:
    """
    The best plan found in time.

    Args:
        columns: The problem.
        objective: What for.
        clock: For all steps together.
        gap: Relative gap that is good enough.
    """
    find = _most_sla if objective.maximize_sla else _least_cost
    return find(columns, objective, clock, gap)


def _most_sla(columns: ProblemColumns, objective: Objective, clock: Clock, gap: float) -> LargePlan:
    caps = caps_of(objective)
    until = clock.left(1.0 - _FOR_PLACING)
    most = decompose(
        columns,
        Target(**caps),
        lambda share: max(0.0, clock.left() - until) * share,
        gap,
    )
    problem, shares = _as_problem(columns, most)
    bound = min(columns.placeable, most.bound)
    level = attained(problem, shares)
    target = Target(level=max(0.0, level - NOISE), **caps)
    cheap = decompose(columns, target, clock.left, gap)
    other, other_shares = _as_problem(columns, cheap)
    as_much = attained(other, other_shares) >= level - SAME_ATTAINMENT
    if as_much and spend(other, other_shares) < spend(problem, shares):
        problem, shares = other, other_shares
    line = how_cheap(spend(problem, shares), cheap.bound)
    outcome = Outcome(shares=shares, bound=bound, solver=_SOLVER, lines=[line])
    return LargePlan(problem=problem, outcome=outcome, worth=_worth(columns, cheap))


def _least_cost(
    columns: ProblemColumns, objective: Objective, clock: Clock, gap: float
) -> LargePlan:
    caps, level = caps_of(objective), objective.sla
    if columns.placeable >= level - NOISE:
        until = clock.left(1.0 - _FOR_LEVEL)
        target = Target(level=min(level, columns.placeable) - NOISE, **caps)
        cheap = decompose(
            columns, target, lambda share: max(0.0, clock.left() - until) * share, gap
        )
        problem, shares = _as_problem(columns, cheap)
        worth = _worth(columns, cheap)
        if attained(problem, shares) >= level - SAME_ATTAINMENT:
            bound = max(cheap.bound, 0.0)
            outcome = Outcome(shares=shares, bound=bound, solver=_SOLVER)
            return LargePlan(problem=problem, outcome=outcome, worth=worth)
    return _nearest(columns, objective, clock, gap)


def _nearest(columns: ProblemColumns, objective: Objective, clock: Clock, gap: float) -> LargePlan:
    """The level was not reached: place as much as possible, and say whether that is proven."""
    caps, level = caps_of(objective), objective.sla
    # What is left is for saying which limits conflict.
    most = decompose(
        columns,
        Target(**caps),
        lambda share: clock.left(_FOR_NEAREST) * share,
        gap,
    )
    problem, shares = _as_problem(columns, most)
    worth = dict.fromkeys((cluster.name for cluster in columns.clusters), 0.0)
    if attained(problem, shares) >= level - SAME_ATTAINMENT:
        outcome = Outcome(shares=shares, bound=0.0, solver=_SOLVER)
        return LargePlan(problem=problem, outcome=outcome, worth=worth)
    if min(columns.placeable, most.bound) >= level:
        apart = columns.separation.pairs
        raise PlanError(
            "No plan at the SLA level was found within the time limit, nor proof that there is "
            "none; raise planning.time_limit_s"
            + (", or let fewer workloads require anti-affinity." if apart else ".")
        )
    outcome = Outcome(shares=shares, bound=math.inf, feasible=False, solver=_SOLVER)
    return LargePlan(problem=problem, outcome=outcome, worth=worth)


def _as_problem(
    columns: ProblemColumns, placed: Placed
) -> tuple[PlacementProblem, tuple[float, ...]]:
    """The options with a share, and for groups without one the cheapest, in order."""
    import numpy as np

    absent = np.ones(len(columns.groups), dtype=np.bool_)
    absent[placed.groups] = False
    absent &= np.isfinite(columns.cost).any(axis=1)
    others = np.flatnonzero(absent)
    groups = np.append(placed.groups, others)
    pools = np.append(placed.pools, columns.cost[others].argmin(axis=1) if len(others) else others)
    shares = np.append(placed.shares, np.zeros(len(others)))
    order = np.lexsort((pools, groups))
    options: list[Option] = []
    of_group: list[list[int]] = [[] for _ in columns.groups]
    for index, (group, pool) in enumerate(
        zip(groups[order].tolist(), pools[order].tolist(), strict=True)
    ):
        cluster, machines = columns.pools[pool]
        of_group[group].append(index)
        options.append(
            Option(
                group=group,
                cluster=cluster,
                pool=machines,
                cost_usd_per_hour=float(columns.cost[group, pool]),
                holds_whole=bool(columns.whole[group, pool]),
                far=bool(columns.far[group, pool]),
                kept=float(columns.kept[group, pool]),
                carbon_kg_per_hour=0.0
                if columns.carbon is None
                else float(columns.carbon[group, pool]),
            )
        )
    problem = PlacementProblem(
        groups=columns.groups,
        clusters=columns.clusters,
        options=tuple(options),
        options_of=tuple(tuple(own) for own in of_group),
        limits=(),
        refusals={
            group.name: {} if own else columns.refusals(group)
            for group, own in zip(columns.groups, of_group, strict=True)
        },
        separation=columns.separation,
    )
    return problem, tuple(shares[order].tolist())


def _worth(columns: ProblemColumns, cheap: Placed) -> dict[str, float]:
    """One more machine is a part of each of its pool's limits; the best pool of a cluster counts."""
    worth = dict.fromkeys((cluster.name for cluster in columns.clusters), 0.0)
    by_limit = cheap.prices.limits.sum(axis=1) * cheap.usd
    for number, (cluster, pool) in enumerate(columns.pools):
        limits = sorted(set(columns.limit_of[:, :, number].ravel().tolist()))
        usd = float(by_limit[limits].sum()) / max(pool.max_instances, 1)
        worth[cluster.name] = max(worth[cluster.name], usd / pool.machine.cores)
    return worth
