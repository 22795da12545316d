"""
A plan for problems that no solver takes in one piece, with a bound that is proven.

Prices of a Lagrangian bound pick the few options per group that can be in a good plan; the linear
relaxation over these goes sparse into HiGHS, its dual values sharpen the bound over all options, and
a dive makes a plan of it. Where time ends before, groups are placed by the prices one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiops_provider.placement.bidding import place_by_prices
from aiops_provider.placement.distance import with_domains_divided
from aiops_provider.placement.lagrangian import Lagrangian
from aiops_provider.placement.limit_prices import Prices, Target
from aiops_provider.placement.problem_columns import ProblemColumns
from aiops_provider.placement.repair import keep_limits
from aiops_provider.placement.restricted import Relaxed, RestrictedProgram
from aiops_provider.placement.rounding import dive

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_REACHED = 1e-7
# Options of a group that go into the program: at most so many, and none that gains less than the
# best by more than this part of what the group is worth.
_MOST_OPTIONS = 10
_WORSE = 0.5
# Prices below this part of the highest mark no limit that is worth writing down at once.
_TELLING_PRICE = 1e-3
_MOST_EXTENSIONS = 6
_ADDED_PER_GROUP = 3
# Parts of the time that is left: for the prices, and of the rest for the program.
_FOR_PRICES, _FOR_PROGRAM = 0.6, 0.7


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placed:
    """
    What a decomposition came to.

    Attributes:
        groups: Index of the group, by share.
        pools: Index of the pool, by share.
        shares: Of the group's demand, above 0; all limits but the SLA level are kept.
        bound: No plan is better: a share of the weight, or USD per hour.
        prices: Of the bound, in units of ``usd`` where cost is minimised.
        usd: The Lagrangian's unit of money.
    """

    groups: NDArray[np.intp]
    pools: NDArray[np.intp]
    shares: NDArray[np.float64]
    bound: float
    prices: Prices
    usd: float


def decompose(
    columns: ProblemColumns, target: Target, left_s: Callable[[float], float], gap: float
) -> Placed:
    """
    Place as much as possible, or the SLA level at least cost.

    Args:
        columns: The problem.
        target: What is sought.
        left_s: Seconds that are left, of which a part is asked for.
        gap: Relative gap of value and bound at which the search may end.

    Returns:
        The best plan found. If the level of the target was not reached, its shares place less.
    """
    from threadpoolctl import threadpool_limits

    # The planner takes one core; these products are also too small to gain from more.
    with threadpool_limits(limits=1):
        return _decompose(columns, target, left_s, gap)


def _decompose(
    columns: ProblemColumns, target: Target, left_s: Callable[[float], float], gap: float
) -> Placed:
    lagrangian = Lagrangian(columns, target)
    until = left_s(1.0) - left_s(_FOR_PRICES)
    prices = lagrangian.ascend(out_of_time=lambda: left_s(1.0) < until)
    bound = lagrangian.bound(prices)
    plans = [place_by_prices(lagrangian), place_by_prices(lagrangian, prices)]
    if not _near(lagrangian, plans, bound, gap):
        search = _Search(_divided(lagrangian, prices, plans), lagrangian, prices, bound)
        search.run(left_s, gap)
        bound, prices = search.bound, search.prices
        if search.plan is not None:
            plans.append(search.plan)
    groups, pools, shares = min(plans, key=lambda plan: _rank(lagrangian, plan))
    return Placed(
        groups=groups,
        pools=pools,
        shares=shares,
        bound=bound,
        prices=prices,
        usd=lagrangian.usd,
    )


_Plan = tuple["NDArray[np.intp]", "NDArray[np.intp]", "NDArray[np.float64]"]


class _Search:
    """The program over some options, extended until its value meets the bound."""

    def __init__(
        self, lagrangian: Lagrangian, whole: Lagrangian, prices: Prices, bound: float
    ) -> None:
        import numpy as np

        self._lagrangian, self.prices, self.bound = lagrangian, prices, bound
        # Of all options: what is left out of the program must not count in the bound.
        self._whole = whole
        self.plan: _Plan | None = None
        groups, pools = _promising(lagrangian, prices)
        flat = prices.limits.ravel()
        written = np.flatnonzero(flat > _TELLING_PRICE * flat.max(initial=0.0))
        self._program = RestrictedProgram(lagrangian, groups, pools, written)

    def run(self, left_s: Callable[[float], float], gap: float) -> None:
        stop = left_s(1.0) - left_s(_FOR_PROGRAM)
        relaxed = None
        for _ in range(_MOST_EXTENSIONS):
            found = self._program.solve(lambda: left_s(1.0) - stop)
            if found is None:
                break
            relaxed = found
            self._sharpen(relaxed)
            if found.broken or self._gap(relaxed) <= gap / 4 or left_s(1.0) <= stop:
                break
            if not self._extend(relaxed):
                break
        if relaxed is None:
            return
        dived = dive(self._program, relaxed, lambda: left_s(1.0))
        if dived is not None:
            self.plan = keep_limits(
                self._lagrangian, (self._program.groups, self._program.pools, dived.shares)
            )

    def _sharpen(self, relaxed: Relaxed) -> None:
        bound = self._whole.bound(relaxed.prices)
        better = bound < self.bound if self._most else bound > self.bound
        if better:
            self.bound, self.prices = bound, relaxed.prices

    @property
    def _most(self) -> bool:
        return self._lagrangian.target.level is None

    def _gap(self, relaxed: Relaxed) -> float:
        bound = self.bound if self._most else self.bound / self._lagrangian.usd
        return abs(relaxed.objective - bound) / max(abs(bound), 1e-12)

    def _extend(self, relaxed: Relaxed) -> bool:
        """Add the options that gain more than what their group has."""
        import numpy as np

        gains = self._lagrangian.gains(relaxed.prices)
        own = np.zeros(len(gains))
        np.maximum.at(own, self._program.groups, self._program.gains(relaxed.prices))
        for group, rule in self._lagrangian.columns.separation.spreads.items():
            best = self._lagrangian.best_by_domain(group, gains)
            # A domain takes part of it only, so that the least of its best ones is to be beaten.
            own[group] = max(0.0, *best[rule.at_least - 1 : rule.at_least].tolist(), 0.0)
        gains[self._program.groups, self._program.pools] = -np.inf
        self._program.only_extendable(gains)
        gains -= own[:, None] + 1e-9 * self._lagrangian.worth[:, None]
        groups, pools = _best_of_each(gains, _ADDED_PER_GROUP, np.zeros(len(gains)))
        self._program.add(groups, pools)
        return bool(len(groups))


def _divided(lagrangian: Lagrangian, prices: Prices, plans: list[_Plan]) -> Lagrangian:
    """The same, but of each pair of groups that are kept apart one only is left in a domain."""
    columns = lagrangian.columns
    if not columns.separation.pairs:
        return lagrangian
    best = min(plans, key=lambda plan: _rank(lagrangian, plan))
    divided = with_domains_divided(columns, best, lagrangian.gains(prices))
    return Lagrangian(divided, lagrangian.target, usd=lagrangian.usd, kg=lagrangian.kg)


def _promising(lagrangian: Lagrangian, prices: Prices) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    import numpy as np

    gains = lagrangian.gains(prices)
    best = np.maximum(gains.max(axis=1, initial=-np.inf), 0.0)
    groups, pools = _best_of_each(gains, _MOST_OPTIONS, best - _WORSE * lagrangian.scale)
    columns = lagrangian.columns
    extra: list[tuple[int, int]] = []
    for group, rule in columns.separation.spreads.items():
        ranked = np.argsort(-gains[group], kind="stable")
        ranked = ranked[np.isfinite(gains[group, ranked])]
        first = np.unique(columns.domain_of[rule.domain][ranked], return_index=True)[1]
        most = rule.at_least + _MOST_OPTIONS
        extra += [(group, pool) for pool in ranked[np.sort(first)[:most]].tolist()]
    if not extra:
        return groups, pools
    more, there = np.array(extra, dtype=np.intp).T
    count = len(columns.pools)
    keys = np.unique(np.append(groups * count + pools, more * count + there))
    return keys // count, keys % count


def _best_of_each(
    gains: NDArray[np.float64], count: int, least: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The best pools of each group that gain more than its least, in order of group and pool."""
    import numpy as np

    count = min(count, gains.shape[1])
    if not count:
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
    pools = np.argpartition(-gains, count - 1, axis=1)[:, :count].ravel()
    groups = np.repeat(np.arange(len(gains)), count)
    good = gains[groups, pools] > least[groups]
    groups, pools = groups[good], pools[good]
    order = np.lexsort((pools, groups))
    return groups[order], pools[order]


def _near(lagrangian: Lagrangian, plans: list[_Plan], bound: float, gap: float) -> bool:
    missed, value = min(_rank(lagrangian, plan) for plan in plans)
    goal = bound if lagrangian.target.level is not None else -bound
    return missed <= 0.0 and abs(value - goal) <= gap * abs(goal) / 4


def _rank(lagrangian: Lagrangian, plan: _Plan) -> tuple[float, float]:
    """Lower is better: what is missed of the level, then the spend; or less what is placed."""
    groups, pools, shares = plan
    placed = float((lagrangian.worth_of(groups, pools) * shares).sum())
    level = lagrangian.target.level
    if level is None:
        return 0.0, -placed
    missed = level - placed
    spend = float((lagrangian.columns.cost[groups, pools] * shares).sum())
    return (missed if missed > _REACHED else 0.0), spend
