"""
Places groups one after the other where they gain most beyond the prices of what they take.

With the prices of a Lagrangian bound this is bid-price control (Talluri and van Ryzin, An analysis of
bid-price controls for network revenue management, Management Science 1998); with a price of money
alone it is the rule of thumb of :mod:`aiops_provider.placement.greedy`. Either way it ends after one
pass, whatever the time limit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aiops_provider.placement.distance import Closed
from aiops_provider.placement.lagrangian import Lagrangian
from aiops_provider.placement.limit_prices import Prices
from aiops_provider.placement.spreading import spread_evenly

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Shares = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]
    """Indices of groups and pools, and the share of the group that is there."""

_WORTH_PLACING = 1e-6
# Most groups fit on one of the pools where they gain most; only then all are looked at.
_FIRST = 6


def place_by_prices(lagrangian: Lagrangian, prices: Prices | None = None) -> Shares:
    """
    Shares within capacity, budget and emissions, but not always up to the SLA level.

    Args:
        lagrangian: Of the problem and target.
        prices: Of all limits; default: only the spend counts.
    """
    import numpy as np

    if prices is None:
        prices = lagrangian.money_alone()
    gains = lagrangian.gains(prices)
    room, closed = _Room(lagrangian), Closed(lagrangian.columns)
    best = gains.max(axis=1, initial=-np.inf)
    worth, kept = lagrangian.worth, lagrangian.columns.kept
    dear = (prices.level * worth - best) / np.maximum(worth, 1e-300)
    missing = 1.0 if lagrangian.target.level is None else lagrangian.target.level
    placed: list[tuple[int, int, float]] = []
    for group in np.argsort(dear, kind="stable").tolist():
        if missing <= 0.0 or not math.isfinite(best[group]):
            break
        wanted = min(1.0, missing / worth[group]) if worth[group] > 0 else 1.0
        gain = closed.without(group, gains[group])
        spread = group in lagrangian.columns.separation.spreads
        for pool, share in (_spread if spread else _choose)(room, group, gain, wanted):
            closed.take(group, pool)
            placed.append((group, pool, share))
            missing -= share * worth[group] * float(kept[group, pool])
    groups, pools, shares = zip(*placed, strict=True) if placed else ((), (), ())
    return (
        np.array(groups, dtype=np.intp),
        np.array(pools, dtype=np.intp),
        np.array(shares, dtype=np.float64),
    )


class _Room:
    """What is left of every limit."""

    def __init__(self, lagrangian: Lagrangian) -> None:
        import numpy as np

        self.columns = columns = lagrangian.columns
        self._left = np.repeat(columns.capacity[:, None], columns.demand.shape[2], axis=1)
        budget = lagrangian.target.budget_usd_per_hour
        self._money = math.inf if budget is None else budget
        # Of the cap on emissions, in the Lagrangian's unit.
        cap = lagrangian.target.max_carbon_kg_per_hour
        self._carbon, self._air = (
            lagrangian.carbon,
            math.inf if cap is None else cap / lagrangian.kg,
        )

    def shares(self, group: int, pools: NDArray[np.intp]) -> NDArray[np.float64]:
        """Largest share of the group that still fits on each pool."""
        import numpy as np

        columns = self.columns
        left = self._left[columns.limit_of[columns.kind[group]][:, pools]]
        need = columns.demand[:, group, :][:, None, :]
        fits = np.full(left.shape, np.inf)
        cost = columns.cost[group, pools]
        afford = np.full(len(pools), np.inf)
        with np.errstate(over="ignore"):  # almost nothing fits infinitely often
            np.divide(left, need, out=fits, where=need > 0)
            np.divide(self._money, cost, out=afford, where=cost > 0)
            if self._carbon is not None:
                carbon = self._carbon[group, pools]
                emit = np.full(len(pools), np.inf)
                np.divide(self._air, carbon, out=emit, where=carbon > 0)
                afford = np.minimum(afford, emit)
        shares: NDArray[np.float64] = np.maximum(np.minimum(fits.min(axis=(0, 2)), afford), 0.0)
        return shares

    def affordable(self, group: int, shares: list[tuple[int, float]]) -> float:
        """Part of these shares, by pool, that can be paid for and emitted, 1 at most."""
        cost = math.fsum(share * float(self.columns.cost[group, pool]) for pool, share in shares)
        part = min(1.0, max(0.0, self._money) / cost) if cost > 0 else 1.0
        if self._carbon is None:
            return part
        kg = math.fsum(share * float(self._carbon[group, pool]) for pool, share in shares)
        return min(part, max(0.0, self._air) / kg) if kg > 0 else part

    def take(self, group: int, pool: int, share: float) -> None:
        columns = self.columns
        rows = columns.limit_of[columns.kind[group], :, pool]
        for resource, row in enumerate(rows):
            self._left[row] -= share * columns.demand[resource, group]
        self._money -= share * float(columns.cost[group, pool])
        if self._carbon is not None:
            self._air -= share * float(self._carbon[group, pool])


def _spread(
    room: _Room, group: int, gain: NDArray[np.float64], wanted: float
) -> list[tuple[int, float]]:
    """Equal parts on the domains where it gains most, as far as they have room; by pool."""
    import numpy as np

    rule = room.columns.separation.spreads[group]
    ranked = np.argsort(-gain, kind="stable")
    ranked = ranked[np.isfinite(gain[ranked])]
    fitting = np.minimum(room.shares(group, ranked), wanted).tolist()
    domains: dict[int, list[tuple[int, float]]] = {}
    of_pool = room.columns.domain_of[rule.domain][ranked].tolist()
    for pool, fit, domain in zip(ranked.tolist(), fitting, of_pool, strict=True):
        domains.setdefault(domain, []).append((pool, fit))
    fits = [math.fsum(fit for _, fit in here) for here in domains.values()]
    taken: list[tuple[int, float]] = []
    most = spread_evenly(fits, rule.at_least, wanted)
    for here, left in zip(domains.values(), most, strict=True):
        for pool, fit in here:
            taken.append((pool, min(left, fit)))
            left -= taken[-1][1]  # noqa: PLW2901 - what is left of this domain's part
    # Each of them could be paid for; all together may be too dear.
    affordable = room.affordable(group, taken)
    taken = [(pool, share * affordable) for pool, share in taken if share > 0]
    if sum(share for _, share in taken) <= _WORTH_PLACING:
        return []
    for pool, share in taken:
        room.take(group, pool, share)
    return taken


def _choose(
    room: _Room, group: int, gain: NDArray[np.float64], wanted: float
) -> list[tuple[int, float]]:
    """What was taken, by pool."""
    import numpy as np

    ranked = np.argsort(-gain, kind="stable")
    ranked = ranked[np.isfinite(gain[ranked])]
    fitting = room.shares(group, ranked[:_FIRST])
    if not (fitting >= wanted).any() and len(ranked) > _FIRST:
        fitting = np.append(fitting, room.shares(group, ranked[_FIRST:]))
    complete = np.flatnonzero(fitting >= wanted)
    if len(complete):
        pool = int(ranked[complete[0]])
        room.take(group, pool, wanted)
        return [(pool, wanted)]
    fitting = np.minimum(fitting, wanted)
    # Nothing takes it all: either one pool that must have it alone, or several that may share it.
    whole = room.columns.whole[group, ranked]
    alone = np.where(whole, fitting, 0.0)
    if alone.max(initial=0.0) > fitting[~whole].sum():
        pool, share = int(ranked[alone.argmax()]), float(alone.max())
        if share <= _WORTH_PLACING:
            return []
        room.take(group, pool, share)
        return [(pool, share)]
    taken = []
    for pool in ranked[~whole].tolist():
        share = min(wanted, float(room.shares(group, np.array([pool]))[0]))
        if share > _WORTH_PLACING:
            room.take(group, pool, share)
            taken.append((pool, share))
            wanted -= share
    return taken
