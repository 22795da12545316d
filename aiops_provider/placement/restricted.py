"""
The linear relaxation over a few promising options per group, as sparse rows straight into HiGHS.

Options arrive when their reduced cost is good (column generation) and limits when a solution breaks
them, so the program stays small. Its dual values are prices for the Lagrangian bound, which counts
over all options. With the choice of every group fixed – which pool holds it whole, or that it is
split – its solution is a plan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiops_provider.placement.lagrangian import Lagrangian
from aiops_provider.placement.limit_prices import Prices
from aiops_provider.placement.solver import quiet_highs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    # A group that is spread, its pools in one domain, and the part of it that these may hold.
    _Part = tuple[int, NDArray[np.intp], float]

# Half of the solver's own tolerance on top: what it calls feasible must not send it round again.
_BROKEN = 2e-7
_ROWS_AT_ONCE = 4
# What a share of the SLA level that is missed costs, in all groups' spend: more than any way to
# place it, so that a program over too few options has a solution that shows where it falls short.
_MISSED = 100.0
_LEAST_TIME_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Relaxed:
    """
    A solution.

    Attributes:
        shares: By option.
        prices: Dual values, as prices of the Lagrangian.
        objective: Share of the weight, or spend in the Lagrangian's unit.
        missed: Share of the SLA level that these options cannot place.
        broken: Whether time ran out while limits were broken.
    """

    shares: NDArray[np.float64]
    prices: Prices
    objective: float
    missed: float
    broken: bool


class RestrictedProgram:
    """
    A program that keeps its basis from one question to the next.

    Args:
        lagrangian: Of the problem and target.
        groups: Index of the group, by option; in ascending order.
        pools: Index of the pool, by option.
        limits: Limits and slots to write down at once, as indices into flattened prices.
    """

    def __init__(
        self,
        lagrangian: Lagrangian,
        groups: NDArray[np.intp],
        pools: NDArray[np.intp],
        limits: NDArray[np.intp],
    ) -> None:
        import numpy as np

        self.lagrangian, self.groups, self.pools = lagrangian, groups, pools
        columns = lagrangian.columns
        self._count = len(groups)
        self._use = _use(lagrangian, groups, pools)
        self._cost = columns.cost[groups, pools] / lagrangian.usd
        self._carbon = None if lagrangian.carbon is None else lagrangian.carbon[groups, pools]
        # Columns of HiGHS by option; one of them, in the middle later, is what is missing of the level.
        self._column, self._width = np.arange(self._count), self._count + 1
        self._missed = self._count
        self._written = np.zeros(self._use.shape[0], dtype=np.bool_)
        self._rows: list[int] = []
        self._parts = _parts(lagrangian, groups, pools)
        self._highs = self._start(_structure(len(columns.weight), self._parts, groups, pools))
        self._first_limit = self._highs.getNumRow()
        self._write(np.flatnonzero(np.isin(lagrangian.active, limits)))

    def _start(self, structure: Any) -> Any:
        import highspy
        import numpy as np

        highs = quiet_highs()
        for option, value in {"threads": 1, "random_seed": 0}.items():
            highs.setOptionValue(option, value)
        target = self.lagrangian.target
        worth = self.lagrangian.worth_of(self.groups, self.pools)
        most = target.level is None
        lp = highspy.HighsLp()
        # The last column is what is missing of the SLA level.
        lp.num_col_, lp.num_row_ = self._count + 1, structure.shape[0]
        lp.col_cost_ = np.append(-worth if most else self._cost, 0.0 if most else _MISSED)
        lp.col_lower_ = np.zeros(self._count + 1)
        lp.col_upper_ = np.append(np.ones(self._count), 0.0 if most else 1.0)
        lp.row_lower_ = np.full(structure.shape[0], -highspy.kHighsInf)
        once = np.arange(structure.shape[0]) < len(self.lagrangian.worth)
        lp.row_upper_ = once.astype(np.float64)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        lp.a_matrix_.start_, lp.a_matrix_.index_ = structure.indptr, structure.indices
        lp.a_matrix_.value_ = structure.data
        highs.passModel(lp)
        index = np.arange(self._count, dtype=np.int32)
        if target.budget_usd_per_hour is not None:
            budget = target.budget_usd_per_hour / self.lagrangian.usd
            highs.addRow(-highspy.kHighsInf, budget, self._count, index, self._cost)
        if target.max_carbon_kg_per_hour is not None:
            cap = target.max_carbon_kg_per_hour / self.lagrangian.kg
            highs.addRow(-highspy.kHighsInf, cap, self._count, index, self._carbon)
        if target.level is not None:
            every = np.append(index, np.int32(self._count))
            values = np.append(worth, 1.0)
            highs.addRow(target.level, highspy.kHighsInf, len(every), every, values)
        return highs

    def _write(self, numbers: NDArray[np.intp]) -> None:
        import highspy
        import numpy as np

        fresh = numbers[~self._written[numbers]]
        self._written[fresh] = True
        rows = self._use[fresh]
        self._highs.addRows(
            len(fresh),
            np.full(len(fresh), -highspy.kHighsInf),
            np.ones(len(fresh)),
            rows.nnz,
            rows.indptr[:-1].astype(np.int32),
            self._column[rows.indices].astype(np.int32),
            rows.data,
        )
        self._rows += fresh.tolist()

    def add(self, groups: NDArray[np.intp], pools: NDArray[np.intp]) -> None:
        """
        More options; what is known of the solution is kept.

        Args:
            groups: Index of the group, by option; in ascending order.
            pools: Index of the pool, by option; of a group that is spread within domains that it
                has options in.
        """
        import numpy as np
        from scipy.sparse import csc_array, csr_array, hstack, vstack

        lagrangian = self.lagrangian
        fresh = _use(lagrangian, groups, pools)
        cost = lagrangian.columns.cost[groups, pools] / lagrangian.usd
        worth = lagrangian.worth_of(groups, pools)
        count = len(groups)
        most = lagrangian.target.level is None
        parts = [_structure(len(lagrangian.worth), self._parts, groups, pools)]
        if lagrangian.target.budget_usd_per_hour is not None:
            parts.append(csr_array(cost[None, :]))
        if lagrangian.carbon is not None and self._carbon is not None:
            carbon = lagrangian.carbon[groups, pools]
            parts.append(csr_array(carbon[None, :]))
            self._carbon = np.append(self._carbon, carbon)
        if not most:
            parts.append(csr_array(worth[None, :]))
        matrix = csc_array(vstack([*parts, fresh[self._rows]]))
        self._highs.addCols(
            count,
            -worth if most else cost,
            np.zeros(count),
            np.ones(count),
            matrix.nnz,
            matrix.indptr[:-1].astype(np.int32),
            matrix.indices.astype(np.int32),
            matrix.data,
        )
        self._column = np.append(self._column, np.arange(count) + self._width)
        self._width += count
        self.groups = np.append(self.groups, groups)
        self.pools = np.append(self.pools, pools)
        self._cost = np.append(self._cost, cost)
        self._use = csr_array(hstack([self._use, fresh]))
        self._count += count

    def only_extendable(self, gains: NDArray[np.float64]) -> None:
        """Set what groups that are spread gain in domains without options to minus infinity."""
        import numpy as np

        own: dict[int, list[NDArray[np.intp]]] = {}
        for group, here, _ in self._parts:
            own.setdefault(group, []).append(here)
        for group in self.lagrangian.columns.separation.spreads:
            kept = np.concatenate(own.get(group, [np.zeros(0, dtype=np.intp)]))
            values = gains[group, kept]
            gains[group] = -np.inf
            gains[group, kept] = values

    def allow(self, allowed: NDArray[np.bool_]) -> None:
        """Only these options may be used from now on."""
        import numpy as np

        self._highs.changeColsBounds(
            self._count,
            self._column.astype(np.int32),
            np.zeros(self._count),
            allowed.astype(np.float64),
        )

    def gains(self, prices: Prices) -> NDArray[np.float64]:
        """What each option gains beyond the prices of what it takes, in the Lagrangian's unit."""
        taken = self._use.T @ prices.limits.ravel()[self.lagrangian.active]
        dear = prices.budget + (0.0 if self.lagrangian.target.level is None else 1.0)
        worth = prices.level * self.lagrangian.worth_of(self.groups, self.pools)
        gains: NDArray[np.float64] = worth - dear * self._cost - taken
        if self._carbon is not None:
            gains -= prices.carbon * self._carbon
        return gains

    def solve(self, left_s: Callable[[], float], *, most_rounds: int = 20) -> Relaxed | None:
        """
        Solve, adding limits until none is broken.

        Args:
            left_s: Seconds that are left.
            most_rounds: Solve again at most as often.

        Returns:
            ``None`` if time ran out before there was any solution.
        """
        found = None
        for _ in range(most_rounds):
            solution = self._run(left_s())
            if solution is None:
                return found
            over = self._use @ solution.shares
            broken = self._broken(over)
            found = Relaxed(
                shares=solution.shares,
                prices=solution.prices,
                objective=solution.objective,
                missed=solution.missed,
                broken=bool(len(broken)),
            )
            if not len(broken):
                break
            self._write(broken)
        return found

    def _broken(self, over: NDArray[np.float64]) -> NDArray[np.intp]:
        """The worst slots of each limit that is exceeded."""
        import numpy as np

        bad = np.flatnonzero((over > 1.0 + _BROKEN) & ~self._written)
        limit = self.lagrangian.active[bad] // self.lagrangian.columns.demand.shape[2]
        order = np.lexsort((-over[bad], limit))
        bad, limit = bad[order], limit[order]
        rank = np.arange(len(bad)) - np.searchsorted(limit, limit)
        chosen: NDArray[np.intp] = bad[rank < _ROWS_AT_ONCE]
        return chosen

    def _run(self, limit_s: float) -> Relaxed | None:
        import highspy
        import numpy as np

        highs = self._highs
        # HiGHS counts its time over all runs of one instance.
        until_s = highs.getRunTime() + max(limit_s, _LEAST_TIME_S)
        # There is nothing yet for the simplex method to start from, and so many options are degenerate.
        for solver in ("choose",) if highs.getBasis().valid else ("ipm", "choose"):
            highs.setOptionValue("solver", solver)
            highs.setOptionValue("time_limit", until_s)
            highs.run()
            if highs.getModelStatus() == highspy.HighsModelStatus.kOptimal:
                break
        else:
            return None
        solution = highs.getSolution()
        values = np.array(solution.col_value)
        duals = np.abs(np.array(solution.row_dual))
        target, place = self.lagrangian.target, self._first_limit
        limits = np.zeros(
            (len(self.lagrangian.columns.capacity), self.lagrangian.columns.demand.shape[2])
        )
        limits.ravel()[self.lagrangian.active[self._rows]] = duals[place:]
        level = 1.0
        if target.level is not None:
            place -= 1
            level = float(duals[place])
        carbon = 0.0
        if target.max_carbon_kg_per_hour is not None:
            place -= 1
            carbon = float(duals[place])
        budget = float(duals[place - 1]) if target.budget_usd_per_hour is not None else 0.0
        return Relaxed(
            shares=np.clip(values[self._column], 0.0, 1.0),
            prices=Prices(limits=limits, budget=budget, level=level, carbon=carbon),
            objective=abs(float(highs.getInfo().objective_function_value)),
            missed=float(values[self._missed]),
            broken=False,
        )


def _structure(
    count: int,
    parts: Sequence[_Part],
    groups: NDArray[np.intp],
    pools: NDArray[np.intp],
) -> Any:
    """
    What holds for each group alone, by row and option.

    First that it is placed once at most, a row per group; then that none of its domains holds more
    than its part, a row per domain of each group that is spread.

    Args:
        count: Number of groups.
        parts: Of groups that are spread.
        groups: Index of the group, by option; in ascending order.
        pools: Index of the pool, by option.
    """
    import numpy as np
    from scipy.sparse import coo_array, csr_array

    rows, options = [groups], [np.arange(len(groups))]
    values: list[NDArray[np.float64]] = [np.ones(len(groups))]
    for number, (group, here, part) in enumerate(parts):
        own = np.arange(*np.searchsorted(groups, [group, group + 1]))
        rows.append(np.full(len(own), count + number))
        options.append(own)
        values.append(np.isin(pools[own], here).astype(np.float64) - part)
    coordinates = (np.concatenate(rows), np.concatenate(options))
    shape = (count + len(parts), len(groups))
    return csr_array(coo_array((np.concatenate(values), coordinates), shape=shape))


def _parts(
    lagrangian: Lagrangian, groups: NDArray[np.intp], pools: NDArray[np.intp]
) -> list[_Part]:
    """Of groups that are spread, each domain that any of these options is in."""
    import numpy as np

    columns = lagrangian.columns
    found = []
    for group, rule in columns.separation.spreads.items():
        own = pools[slice(*np.searchsorted(groups, [group, group + 1]))]
        number = columns.domain_of[rule.domain]
        used = set(number[own].tolist())
        found += [
            (group, here, 1.0 / rule.at_least)
            for here in columns.domains(group)
            if int(number[here[0]]) in used
        ]
    return found


def _use(lagrangian: Lagrangian, groups: NDArray[np.intp], pools: NDArray[np.intp]) -> Any:
    """Share of each limit's capacity that each option takes; a row per active limit and slot."""
    import numpy as np
    from scipy.sparse import coo_array, csr_array

    columns = lagrangian.columns
    slots = columns.demand.shape[2]
    row_of = np.full(len(columns.capacity) * slots, -1, dtype=np.intp)
    row_of[lagrangian.active] = np.arange(len(lagrangian.active))
    rows, options, values = [], [], []
    for resource in range(columns.demand.shape[0]):
        limit = columns.limit_of[columns.kind[groups], resource, pools]
        taken = columns.demand[resource, groups] / columns.capacity[limit][:, None]
        row = row_of[limit[:, None] * slots + np.arange(slots)]
        option, slot = np.nonzero((taken > 0) & (row >= 0))
        rows.append(row[option, slot])
        options.append(option)
        values.append(taken[option, slot])
    coordinates = (np.concatenate(rows), np.concatenate(options))
    shape = (len(lagrangian.active), len(groups))
    return csr_array(coo_array((np.concatenate(values), coordinates), shape=shape))
