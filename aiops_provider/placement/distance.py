"""
Groups that are kept apart, in problems too large for one program.

Who is where is settled before the program is solved: a domain belongs to whichever of two groups a
plan by prices has put there, else to the one that gains more there. What the other could have had
there is left out, so every plan made of the rest keeps them apart. The bound is counted without
that, so the gap of the plan says at most how much was lost by it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from aiops_provider.placement.problem_columns import ProblemColumns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Closed:
    """
    Pools that are closed to a group because another is in their domain.

    Args:
        columns: The problem.
    """

    def __init__(self, columns: ProblemColumns) -> None:
        self._others: dict[int, list[tuple[int, NDArray[np.intp]]]] = {}
        self._closed: dict[int, NDArray[np.bool_]] = {}
        for one, other, domain in columns.separation.pairs:
            number = columns.domain_of[domain]
            self._others.setdefault(one, []).append((other, number))
            self._others.setdefault(other, []).append((one, number))

    def without(self, group: int, gain: NDArray[np.float64]) -> NDArray[np.float64]:
        """What a group gains by pool, minus infinity where it must not go."""
        import numpy as np

        closed = self._closed.get(group)
        return gain if closed is None else np.where(closed, -np.inf, gain)

    def take(self, group: int, pool: int) -> None:
        """A group is on a pool."""
        for other, number in self._others.get(group, ()):
            same = number == number[pool]
            closed = self._closed.get(other)
            self._closed[other] = same if closed is None else closed | same


def with_domains_divided(
    columns: ProblemColumns,
    plan: Sequence[NDArray[np.generic]],
    gains: NDArray[np.float64],
) -> ProblemColumns:
    """
    The same problem with each domain left to one of two groups that are kept apart.

    Args:
        columns: The problem.
        plan: Groups and pools of a plan that keeps them apart, by share.
        gains: By group and pool; who gains more has what neither uses.
    """
    import numpy as np

    cost, whole = columns.cost.copy(), columns.whole.copy()
    groups, pools = plan[:2]
    for one, other, domain in columns.separation.pairs:
        number = columns.domain_of[domain]
        used = [set(number[pools[groups == each]].tolist()) for each in (one, other)]
        for place in range(int(number.max(initial=-1)) + 1):
            here = number == place
            best = [
                gains[each, here & np.isfinite(cost[each])].max(initial=-np.inf)
                for each in (one, other)
            ]
            first = place in used[0] or (place not in used[1] and best[0] >= best[1])
            loser = other if first else one
            cost[loser, here] = np.inf
            whole[loser, here] = False
    return replace(columns, cost=cost, whole=whole)
