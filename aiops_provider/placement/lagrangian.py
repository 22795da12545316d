"""
A bound that no plan can beat, and what every limit is worth, without a solver.

Each limit – of a pool's resource in a slot, the budget, the cap on emissions, the SLA level – gets a price instead of
being enforced (Lagrangian relaxation: Fisher, The Lagrangian relaxation method for solving integer
programming problems, Management Science 1981). Every group then takes the place that is best for it
alone, and whatever the prices are, the value of that is a bound. The best prices are sought with
the choice of each group smoothed by a temperature that falls (Nesterov, Smooth minimization of
non-smooth functions, Mathematical Programming 2005), so that L-BFGS-B applies. All of it is matrix
products in single precision; the bound itself is counted in double precision from the prices.

The relaxed problem has no integer choice left that matters, so the best bound is that of the linear
relaxation. A group that is spread over failure domains takes equal parts of its best ones, which
only the bound counts exactly: on the way to the prices it is taken for any other. That groups are
kept apart from one another is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiops_provider.placement.limit_prices import Prices, Target
from aiops_provider.placement.problem_columns import ProblemColumns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# In units of a group's own worth. Coarse to fine: at a high temperature few steps find the region,
# at a low one the smoothed value is near the true one.
_TEMPERATURES = (0.3, 0.1, 0.03, 0.01)
_STEPS = 40
# Sums of as many terms as there are groups are exact to about this; the bound gives it away.
_ROUNDING = 1e-9
# And each term, which may cancel against others, to about this part of the prices in it.
_EXACT = 1e-14
# Costs are at most this many units of money, and a unit is no less than this.
_MOST_USD, _LEAST_USD = 1e6, 1e-6
# Where no plan reaches the level, its price grows without end, and others with it. One at which a
# millionth of what it is the price of is worth more than all groups where they are dearest says as
# much as any higher one, and leaves room in single precision for what is computed from it.
_MOST_PRICE = _MOST_USD * 1e6


@dataclass(slots=True, eq=False)
class _Block:
    """Groups that ask for the same accelerator, and the pools that may hold any of them."""

    groups: NDArray[np.intp]
    pools: NDArray[np.intp]
    rows: NDArray[np.intp]
    demand: list[NDArray[np.float32]]
    cost: NDArray[np.float32]
    carbon: NDArray[np.float32] | None
    forbidden: NDArray[np.bool_]
    scale: NDArray[np.float32]
    worth: NDArray[np.float32]  # by group and pool, as promises are not kept alike everywhere


class Lagrangian:
    """
    The relaxation of one problem for one target.

    Args:
        columns: The problem.
        target: What is sought.
        usd: What counts as 1; default: the spend of all groups where each is cheapest.
        kg: The same of emissions; default: those of all groups where each emits least.

    Attributes:
        columns: As given.
        target: As given.
        worth: SLA weight of each group as a share of all.
        scale: What a temperature of 1 means for each group, mostly its worth.
        usd: As given.
        kg: As given.
        carbon: Emissions by group and pool in this unit; ``None``: they are not limited.
        active: Limits and slots that can bind at all, as indices into flattened prices.
    """

    def __init__(
        self,
        columns: ProblemColumns,
        target: Target,
        *,
        usd: float | None = None,
        kg: float | None = None,
    ) -> None:
        import numpy as np

        self.columns, self.target = columns, target
        whole = float(columns.weight.sum())
        self.worth = columns.weight / whole if whole else columns.weight
        cheapest = columns.cost.min(axis=1, initial=np.inf)
        spend = float(cheapest[np.isfinite(cheapest)].sum())
        dearest = float(columns.cost[np.isfinite(columns.cost)].max(initial=0.0))
        # Everything is counted in shares of what all groups together are worth or cost, and no
        # ratio leaves the range of single precision.
        self.usd = max(spend, dearest / _MOST_USD, _LEAST_USD) if usd is None else usd
        self.kg, self.carbon = _carbon(columns, target, kg)
        self.scale = np.maximum(self.worth, 1e-3 / max(1, len(self.worth)))
        self._capacity = np.where(np.isfinite(columns.capacity), columns.capacity, 1.0)
        self.active = _active(columns)
        self._domains: dict[int, tuple[NDArray[np.intp], NDArray[np.intp]]] = {}
        self._blocks = [self._block(number) for number in range(columns.limit_of.shape[0])]

    def _block(self, kind: int) -> _Block:
        import numpy as np

        columns = self.columns
        own = np.flatnonzero(columns.kind == kind)
        pools = np.flatnonzero(np.isfinite(columns.cost[own]).any(axis=0))
        cost = columns.cost[np.ix_(own, pools)] / self.usd
        resources = np.flatnonzero(columns.demand[:, own].any(axis=(1, 2)))
        return _Block(
            groups=own,
            pools=pools,
            rows=columns.limit_of[kind][np.ix_(resources, pools)],
            demand=[columns.demand[r, own].astype(np.float32) for r in resources],
            cost=np.where(np.isfinite(cost), cost, 0.0).astype(np.float32),
            carbon=None
            if self.carbon is None
            else self.carbon[np.ix_(own, pools)].astype(np.float32),
            forbidden=~np.isfinite(cost),
            scale=self.scale[own].astype(np.float32),
            worth=(self.worth[own][:, None] * columns.kept[np.ix_(own, pools)]).astype(np.float32),
        )

    def worth_of(self, groups: NDArray[np.intp], pools: NDArray[np.intp]) -> NDArray[np.float64]:
        """SLA weight that keeps its promises, as a share of all, by option."""
        worth: NDArray[np.float64] = self.worth[groups] * self.columns.kept[groups, pools]
        return worth

    def ascend(
        self,
        *,
        start: Prices | None = None,
        temperatures: Sequence[float] = _TEMPERATURES,
        steps: int = _STEPS,
        out_of_time: Callable[[], bool] = lambda: False,
    ) -> Prices:
        """
        Prices of a good bound; at most so high that single precision holds what follows from them.

        Args:
            start: Prices to begin with.
            temperatures: From coarse to fine.
            steps: Evaluations at each temperature.
            out_of_time: Asked before each temperature but the first.
        """
        import numpy as np
        from scipy.optimize import minimize

        steepness = self._steepness()
        vector = np.zeros(self._size) if start is None else self._vector(start)
        if start is None and self.target.level is not None:
            vector[-1] = 1.0
        best, prices = np.inf, self._prices(vector)

        def scaled(
            point: NDArray[np.float64], temperature: float
        ) -> tuple[float, NDArray[np.float64]]:
            value, gradient = self._smoothed(point * steepness, temperature)
            return value, gradient * steepness

        for number, temperature in enumerate(temperatures):
            if number and out_of_time():
                break
            found = minimize(
                scaled,
                vector / steepness,
                args=(temperature,),
                jac=True,
                method="L-BFGS-B",
                bounds=[(0.0, _MOST_PRICE / each) for each in steepness],
                options={"maxfun": steps, "maxiter": steps, "maxcor": 20},
            )
            vector = np.asarray(found.x, dtype=np.float64) * steepness
            value = self._value(self._prices(vector))
            if value < best:
                best, prices = value, self._prices(vector)
        return prices

    def bound(self, prices: Prices) -> float:
        """What no plan beats: a share of the weight from above, or USD per hour from below."""
        value = self._value(prices)
        value += _ROUNDING * max(1.0, abs(value))
        value += _EXACT * (
            float(prices.limits.sum()) + prices.budget + prices.level + prices.carbon
        )
        return value if self.target.level is None else -value * self.usd

    def gains(self, prices: Prices) -> NDArray[np.float64]:
        """
        What each group gains on each pool beyond the prices of what it takes there.

        By group and pool; minus infinity where it cannot run.
        """
        import numpy as np

        columns = self.columns
        per_unit = prices.limits / self._capacity[:, None]
        gain = np.full(columns.cost.shape, -np.inf)
        for block in self._blocks:
            kind = int(columns.kind[block.groups[0]]) if len(block.groups) else 0
            cost = columns.cost[np.ix_(block.groups, block.pools)] / self.usd
            own = np.where(block.forbidden, 0.0, cost) * self._dear(prices)
            if self.carbon is not None:
                own += self.carbon[np.ix_(block.groups, block.pools)] * prices.carbon
            own[block.forbidden] = np.inf
            for resource, rows in enumerate(columns.limit_of[kind]):
                own += columns.demand[resource, block.groups] @ per_unit[rows[block.pools]].T
            kept = columns.kept[np.ix_(block.groups, block.pools)]
            own = prices.level * self.worth[block.groups][:, None] * kept - own
            gain[np.ix_(block.groups, block.pools)] = own
        return gain

    def best_by_domain(self, group: int, gains: NDArray[np.float64]) -> NDArray[np.float64]:
        """What a group that is spread gains in each of its domains, the best first."""
        import numpy as np

        known = self._domains.get(group)
        if known is None:
            here = self.columns.domains(group) or [np.zeros(0, dtype=np.intp)]
            starts = np.cumsum([0, *map(len, here[:-1])])
            known = self._domains[group] = (np.concatenate(here), starts)
        pools, starts = known
        if not len(pools):
            return np.zeros(0)
        best: NDArray[np.float64] = np.maximum.reduceat(gains[group, pools], starts)
        return np.sort(best)[::-1]

    def money_alone(self) -> Prices:
        """Prices with which a group prefers the pool where it costs least."""
        import numpy as np

        limits = np.zeros((len(self._capacity), self.columns.demand.shape[2]))
        return Prices(limits=limits, budget=1.0, level=1.0)

    def _dear(self, prices: Prices) -> float:
        """What one USD counts."""
        return prices.budget + (0.0 if self.target.level is None else 1.0)

    def _value(self, prices: Prices) -> float:
        """What is minimised, in double precision."""
        gains = self.gains(prices)
        best = gains.max(axis=1, initial=0.0)
        for group, rule in self.columns.separation.spreads.items():
            # Equal parts on its best domains are best for it, whatever the prices.
            parts = self.best_by_domain(group, gains)[: rule.at_least].tolist()
            best[group] = max(0.0, math.fsum(parts) / rule.at_least)
        return math.fsum(best.tolist()) + self._constant(prices)

    def _constant(self, prices: Prices) -> float:
        value = float(prices.limits.sum())
        if self.target.budget_usd_per_hour is not None:
            value += prices.budget * self.target.budget_usd_per_hour / self.usd
        if self.target.max_carbon_kg_per_hour is not None:
            value += prices.carbon * self.target.max_carbon_kg_per_hour / self.kg
        if self.target.level is not None:
            value -= prices.level * self.target.level
        return value

    @property
    def _size(self) -> int:
        return len(self.active) + (2 if self.carbon is None else 3)

    def _vector(self, prices: Prices) -> NDArray[np.float64]:
        import numpy as np

        capped = [] if self.carbon is None else [prices.carbon]
        return np.append(prices.limits.ravel()[self.active], [*capped, prices.budget, prices.level])

    def _prices(self, vector: NDArray[np.float64]) -> Prices:
        import numpy as np

        limits = np.zeros((len(self._capacity), self.columns.demand.shape[2]))
        limits.ravel()[self.active] = vector[: len(self.active)]
        budgeted, levelled = self.target.budget_usd_per_hour, self.target.level
        return Prices(
            limits=limits,
            budget=0.0 if budgeted is None else float(vector[-2]),
            level=1.0 if levelled is None else float(vector[-1]),
            carbon=0.0 if self.carbon is None else float(vector[-3]),
        )

    def _steepness(self) -> NDArray[np.float64]:
        """
        A scale for each price, so that a step of one means about as much for all of them.

        The curvature in the price of a limit is about the sum of the squares of what each group
        takes of it, over the group's scale, taken at an even spread of groups over their pools.
        """
        import numpy as np

        squares = np.zeros((len(self._capacity), self.columns.demand.shape[2]))
        spend = emitted = 0.0
        for block in self._blocks:
            even = (~block.forbidden).astype(np.float32)
            even /= np.maximum(even.sum(axis=1), 1.0)[:, None] * block.scale[:, None]
            spend += float((even * block.cost**2).sum(dtype=float))
            if block.carbon is not None:
                emitted += float((even * block.carbon**2).sum(dtype=float))
            for demand, rows in zip(block.demand, block.rows, strict=True):
                np.add.at(squares, rows, even.T @ demand**2)
        squares /= self._capacity[:, None] ** 2
        capped = [] if self.carbon is None else [emitted]
        own = np.append(
            squares.ravel()[self.active],
            [*capped, spend, float((self.worth**2 / self.scale).sum())],
        )
        # The whole correction overshoots where the spread is far from even; its root did best on
        # the problems it was developed on.
        scale: NDArray[np.float64] = np.maximum(own, 1e-12) ** -0.25
        scale /= np.median(scale)
        return scale

    def _smoothed(
        self, vector: NDArray[np.float64], temperature: float
    ) -> tuple[float, NDArray[np.float64]]:
        """Value and gradient with every group's choice spread as the temperature says."""
        import numpy as np

        prices = self._prices(vector)
        used = np.zeros_like(prices.limits)
        value, spend, placed, emitted = self._constant(prices), 0.0, 0.0, 0.0
        per_unit = (prices.limits / self._capacity[:, None]).astype(np.float32)
        dear, level = np.float32(self._dear(prices)), np.float32(prices.level)
        for block in self._blocks:
            gain = block.cost * -dear
            if block.carbon is not None:
                gain -= block.carbon * np.float32(prices.carbon)
            for demand, rows in zip(block.demand, block.rows, strict=True):
                gain -= demand @ per_unit[rows].T
            gain += level * block.worth
            gain /= block.scale[:, None]
            gain[block.forbidden] = -np.inf
            most = gain.max(axis=1, initial=0.0)
            gain -= most[:, None]
            gain /= np.float32(temperature)
            np.exp(gain, out=gain)
            total = gain.sum(axis=1) + np.exp(-most / np.float32(temperature))
            value += float(((most + temperature * np.log(total)) * block.scale).sum(dtype=float))
            gain /= total[:, None]
            spend += float((gain * block.cost).sum(dtype=float))
            if block.carbon is not None:
                emitted += float((gain * block.carbon).sum(dtype=float))
            placed += float((gain * block.worth).sum(dtype=float))
            for demand, rows in zip(block.demand, block.rows, strict=True):
                np.add.at(used, rows, gain.T @ demand)
        gradient = np.zeros(len(vector))
        gradient[: len(self.active)] = 1.0 - (used / self._capacity[:, None]).ravel()[self.active]
        if self.target.budget_usd_per_hour is not None:
            gradient[-2] = self.target.budget_usd_per_hour / self.usd - spend
        if self.target.max_carbon_kg_per_hour is not None:
            gradient[-3] = self.target.max_carbon_kg_per_hour / self.kg - emitted
        if self.target.level is not None:
            gradient[-1] = placed - self.target.level
        return value, gradient


def _carbon(
    columns: ProblemColumns, target: Target, kg: float | None
) -> tuple[float, NDArray[np.float64] | None]:
    """The unit of emissions and, in it, those by group and pool; as costs are counted."""
    import numpy as np

    if target.max_carbon_kg_per_hour is None:
        return 1.0, None
    if columns.carbon is None:
        raise ValueError("emissions are to be limited, but the columns have none")
    possible = np.isfinite(columns.cost)
    least = np.where(possible, columns.carbon, np.inf).min(axis=1, initial=np.inf)
    emitted = float(least[np.isfinite(least)].sum())
    most = float(columns.carbon[possible].max(initial=0.0))
    unit = max(emitted, most / _MOST_USD, _LEAST_USD) if kg is None else kg
    return unit, columns.carbon / unit


def _active(columns: ProblemColumns) -> NDArray[np.intp]:
    """Limits and slots that all groups that may go there would exceed together, flattened."""
    import numpy as np

    total = np.zeros((len(columns.capacity), columns.demand.shape[2]))
    for kind, rows in enumerate(columns.limit_of):
        own = np.flatnonzero(columns.kind == kind)
        allowed = np.isfinite(columns.cost[own]).astype(np.float32)
        for resource, limits in enumerate(rows):
            np.add.at(total, limits, allowed.T @ columns.demand[resource, own])
    return np.flatnonzero(total > columns.capacity[:, None])
