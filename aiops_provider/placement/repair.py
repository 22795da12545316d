"""Makes shares keep every limit to the last digit, whatever a solver left of its tolerance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiops_provider.placement.lagrangian import Lagrangian
from aiops_provider.placement.problem_columns import ProblemColumns
from aiops_provider.placement.spreading import largest_spread

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
    Shrink the shares of what exceeds a capacity, the budget, the cap on emissions or a domain's part of a group.

    Args:
        lagrangian: Of the problem and target.
        plan: Groups, pools and shares.

    Returns:
        The same without shares that are noise, within all of these.
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
    shares = _spread(columns, groups, pools, shares)
    budget = lagrangian.target.budget_usd_per_hour
    spend = float((columns.cost[groups, pools] * shares).sum())
    if budget is not None and spend > budget * (1.0 + _KEPT):
        shares = shares * (budget / spend)
    cap = lagrangian.target.max_carbon_kg_per_hour
    if cap is not None and lagrangian.carbon is not None:
        emitted = float((lagrangian.carbon[groups, pools] * shares).sum()) * lagrangian.kg
        if emitted > cap * (1.0 + _KEPT):
            shares = shares * (cap / emitted)
    return groups, pools, shares


def _spread(
    columns: ProblemColumns,
    groups: NDArray[np.intp],
    pools: NDArray[np.intp],
    shares: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Of groups that are spread no domain keeps more than its part."""
    import numpy as np

    shares, order = shares.copy(), np.argsort(groups, kind="stable")
    ordered = groups[order]
    for group, rule in columns.separation.spreads.items():
        own = order[slice(*np.searchsorted(ordered, [group, group + 1]))]
        _, domain = np.unique(columns.domain_of[rule.domain][pools[own]], return_inverse=True)
        held = np.bincount(domain.ravel(), weights=shares[own], minlength=1)
        most = largest_spread(held.tolist(), rule.at_least) / rule.at_least
        over = np.maximum(held, 1e-300)
        factor = np.where(held > most * (1.0 + _KEPT), most / over, 1.0)
        shares[own] *= factor[domain.ravel()]
    return shares
