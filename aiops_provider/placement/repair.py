"""Makes shares keep every limit to the last digit, whatever a solver left of its tolerance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiops_provider.placement.lagrangian import Lagrangian

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Below it a share is a solver's noise.
_NOISE = 1e-7
# What a solver may exceed a limit by; the independent checker allows five times as much.
_KEPT = 2e-7


def keep_limits(
    lagrangian: Lagrangian,
    plan: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]],
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """
    Shrink the shares of what exceeds a capacity or the budget.

    Args:
        lagrangian: Of the problem and target.
        plan: Groups, pools and shares.

    Returns:
        The same without shares that are noise, within all capacities and the budget.
    """
    import numpy as np

    columns = lagrangian.columns
    groups, pools, shares = plan
    real = shares > _NOISE
    groups, pools, shares = groups[real], pools[real], np.minimum(shares[real], 1.0)
    total = np.bincount(groups, weights=shares, minlength=len(columns.weight))
    shares = shares / np.maximum(total, 1.0)[groups]
    used = np.zeros((len(columns.capacity), columns.demand.shape[2]))
    limits = columns.limit_of[columns.kind[groups], :, pools]
    for resource in range(columns.demand.shape[0]):
        np.add.at(used, limits[:, resource], columns.demand[resource, groups] * shares[:, None])
    over = np.maximum((used / columns.capacity[:, None]).max(axis=1, initial=0.0), 1.0)
    over[over <= 1.0 + _KEPT] = 1.0
    shares = shares / over[limits].max(axis=1, initial=1.0)
    budget = lagrangian.target.budget_usd_per_hour
    spend = float((columns.cost[groups, pools] * shares).sum())
    if budget is not None and spend > budget * (1.0 + _KEPT):
        shares = shares * (budget / spend)
    return groups, pools, shares
