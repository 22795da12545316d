"""
The Pareto front of cost and SLA: which plans are worth a choice, and what more SLA costs.

Each plan is the cheapest at an SLA level (the ε-constraint method of Haimes, Lasdon and Wismer, IEEE
Transactions on Systems, Man and Cybernetics 1971). The levels are not evenly spaced: the next one
halves the largest rectangle between two neighbours in which a better plan could still hide (Hamacher,
Pedersen and Ruzika, Finding representative systems for discrete bicriterion optimization problems,
Operations Research Letters 2007), so that few plans show where the curve bends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from aiops_provider.domain.plan import Objective, PlacementPlan, PlanStatus
from aiops_provider.domain.plan_front import FrontPoint, PlanFront
from aiops_provider.errors import PlanError
from aiops_provider.placement.figures import SAME_ATTAINMENT

# The front begins at this part of what can be placed at most; nobody chooses less.
_FROM = 0.5
# Where less than this part of the whole rectangle can hide, another plan tells nothing new.
_TELLING = 1e-4


@dataclass(frozen=True, slots=True)
class _Gap:
    """Between two neighbours: levels below *high_sla* were not asked for, down to *low_sla*."""

    low_sla: float
    low_usd: float
    high_sla: float
    high_usd: float

    @property
    def area(self) -> float:
        return max(0.0, self.high_sla - self.low_sla) * max(0.0, self.high_usd - self.low_usd)


def pareto_front(
    plan_for: Callable[[Objective], PlacementPlan],
    objective: Objective,
    *,
    most_points: int = 12,
) -> PlanFront:
    """
    Find plans of which none is both cheaper and better than another.

    Args:
        plan_for: Makes the plan of an objective; may raise ``PlanError`` where it finds none.
        objective: Its budget limits every plan; its SLA level and direction do not count.
        most_points: Plans made at most, at least 2.

    Raises:
        PlanError: Not even the plan that places most was found.
    """
    best = plan_for(replace(objective, maximize_sla=True))
    plans, failed, made = [best], [], 1

    def cheapest(level: float) -> PlacementPlan | None:
        nonlocal made
        made += 1
        wanted = replace(objective, maximize_sla=False, sla=level)
        try:
            plan = plan_for(wanted)
        except PlanError as error:
            failed.append(f"at {level:.4%} of the SLA weight: {error}")
            return None
        if plan.status is PlanStatus.INFEASIBLE:
            failed.append(f"at {level:.4%} of the SLA weight: no plan was found")
            return None
        plans.append(plan)
        return plan

    top = best.sla_attainment
    if top <= SAME_ATTAINMENT:
        return _front(plans, (), made, failed)
    first = cheapest(_FROM * top)
    start = (first.sla_attainment, first.cost_usd_per_hour) if first else (_FROM * top, 0.0)
    gaps = [_Gap(*start, top, best.cost_usd_per_hour)]
    whole = gaps[0].area
    while made < most_points:
        widest = max(gaps, key=lambda gap: (gap.area, gap.low_sla), default=None)
        if widest is None or widest.area <= whole * _TELLING:
            break
        gaps.remove(widest)
        gaps += _halved(widest, cheapest)
    return _front(plans, gaps, made, failed)


def _halved(gap: _Gap, cheapest: Callable[[float], PlacementPlan | None]) -> Sequence[_Gap]:
    middle = (gap.low_sla + gap.high_sla) / 2
    if gap.high_sla - gap.low_sla <= SAME_ATTAINMENT:
        return ()
    plan = cheapest(middle)
    if plan is None:
        return ()
    # All levels from the middle to what it attains are answered: nothing there is cheaper.
    below = _Gap(gap.low_sla, gap.low_usd, middle, plan.cost_usd_per_hour)
    above = _Gap(plan.sla_attainment, plan.cost_usd_per_hour, gap.high_sla, gap.high_usd)
    return [each for each in (below, above) if each.area > 0]


def _front(
    plans: Sequence[PlacementPlan], gaps: Sequence[_Gap], made: int, failed: Sequence[str]
) -> PlanFront:
    kept: list[PlacementPlan] = []
    # The best first, of equally good ones the cheapest: what is dearer than one before is dominated.
    for plan in sorted(plans, key=lambda p: (-p.sla_attainment, p.cost_usd_per_hour)):
        worse = kept and plan.cost_usd_per_hour >= kept[-1].cost_usd_per_hour
        same = kept and kept[-1].sla_attainment - plan.sla_attainment <= SAME_ATTAINMENT
        if same and not worse:
            kept[-1] = plan
        elif not worse:
            kept.append(plan)
    kept.reverse()
    steps = [new.sla_attainment - old.sla_attainment for old, new in pairwise(kept)]
    width = kept[-1].sla_attainment - kept[0].sla_attainment
    height = kept[-1].cost_usd_per_hour - kept[0].cost_usd_per_hour
    whole = width * height
    return PlanFront(
        points=tuple(
            _point(plan, before) for before, plan in zip([None, *kept[:-1]], kept, strict=True)
        ),
        largest_step=max(steps, default=0.0),
        hidden=max((gap.area for gap in gaps), default=0.0) / whole if whole > 0 else 0.0,
        plans_made=made,
        failed=tuple(failed),
    )


def _point(plan: PlacementPlan, before: PlacementPlan | None) -> FrontPoint:
    per_percent = None
    if before is not None:
        more = (plan.sla_attainment - before.sla_attainment) * 100
        per_percent = (plan.cost_usd_per_hour - before.cost_usd_per_hour) / more
    # The bound of the plan that places most is one of SLA and says nothing about cost.
    cost = plan.cost_usd_per_hour
    least = None if plan.objective.maximize_sla else min(plan.bound, cost)
    return FrontPoint(
        sla_attainment=plan.sla_attainment,
        cost_usd_per_hour=cost,
        least_usd_per_hour=least,
        usd_per_percent=per_percent,
        unplaced_groups=len(plan.unplaced),
    )
