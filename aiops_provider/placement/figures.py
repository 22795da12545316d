"""The figures of a plan, counted from the share of each option."""

from __future__ import annotations

import math
from collections.abc import Sequence

from aiops_provider.domain.cluster import Pool
from aiops_provider.domain.plan import Assignment, WorkloadGroup
from aiops_provider.placement.cost import carbon_kg_per_hour
from aiops_provider.placement.problem import PlacementProblem

# A solver is exact to about 1e-7.
NOISE = 1e-7
# What is smaller is no share: a whole number may be off by 1e-7, and so may two rows that it stands in.
_NO_SHARE = 3 * NOISE
SAME_ATTAINMENT = 1e-6


def assignments(problem: PlacementProblem, shares: Sequence[float]) -> tuple[Assignment, ...]:
    """The shares that are above 0, with their costs and emissions."""
    return tuple(
        Assignment(
            group=problem.groups[option.group].name,
            cluster=option.cluster.name,
            pool=option.pool.name,
            share=share,
            cost_usd_per_hour=option.cost_usd_per_hour * share,
            carbon_kg_per_hour=shared_carbon(problem.groups[option.group], option.pool, share),
        )
        for option, share in zip(problem.options, shares, strict=True)
        if share > 0
    )


def shared_carbon(group: WorkloadGroup, pool: Pool, share: float) -> float | None:
    """Emissions of a share of a group, in kg of CO₂ equivalent an hour; ``None`` is unknown."""
    whole = carbon_kg_per_hour(group, pool)
    return None if whole is None else whole * share


def without_noise(problem: PlacementProblem, shares: Sequence[float]) -> tuple[float, ...]:
    """Nothing instead of almost nothing, and all of a group instead of almost all."""
    clean = [min(1.0, share) if share > _NO_SHARE else 0.0 for share in shares]
    for own in problem.options_of:
        total = math.fsum(clean[i] for i in own)
        if abs(total - 1.0) <= 5 * NOISE:
            for i in own:
                clean[i] /= total
    return tuple(clean)


def unplaced_shares(problem: PlacementProblem, shares: Sequence[float]) -> dict[str, float]:
    """What found no place, by name of the group."""
    missing = {
        group.name: 1.0 - math.fsum(shares[i] for i in own)
        for group, own in zip(problem.groups, problem.options_of, strict=True)
    }
    return {name: share for name, share in missing.items() if share > SAME_ATTAINMENT}


def attained(problem: PlacementProblem, shares: Sequence[float]) -> float:
    """SLA-weighted share of the demand that is placed and keeps its promises; 1 if there is none."""
    if not problem.weight:
        return 1.0
    placed = (
        problem.worth(option) * share for option, share in zip(problem.options, shares, strict=True)
    )
    return min(1.0, math.fsum(placed) / problem.weight)


def spend(problem: PlacementProblem, shares: Sequence[float]) -> float:
    """USD per hour, mean over the slots."""
    return math.fsum(
        option.cost_usd_per_hour * share
        for option, share in zip(problem.options, shares, strict=True)
    )


def emissions(problem: PlacementProblem, shares: Sequence[float]) -> float:
    """
    Kilograms of CO₂ equivalent per hour, mean over the slots.

    The most that is known stands for what is not.
    """
    return math.fsum(
        option.carbon_kg_per_hour * share
        for option, share in zip(problem.options, shares, strict=True)
    )


def relative_gap(value: float, bound: float) -> float:
    """
    Distance of a value and its bound relative to the larger; 1 if nothing was proven.

    >>> relative_gap(0.9, 1.0)
    0.09999999999999998
    """
    if not math.isfinite(bound):
        return 1.0
    scale = max(abs(value), abs(bound))
    return abs(value - bound) / scale if scale > 1e-12 else 0.0
