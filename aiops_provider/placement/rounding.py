"""
From a solution of the linear relaxation to a plan that puts every group in one way.

A *way* of a group is a pool that holds it whole, or all pools together that hold only a part of it.
The relaxation mixes ways; a plan must not. Ways that the relaxation has settled are fixed, the rest
is solved again (a dive), until all are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aiops_provider.placement.restricted import Relaxed, RestrictedProgram

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# A group's way is fixed at these parts of what is placed of it, one solution after the other.
_SETTLED = (0.9, 0.6, 0.0)


def dive(
    program: RestrictedProgram, relaxed: Relaxed, left_s: Callable[[], float]
) -> Relaxed | None:
    """
    Fix ways until none is open.

    Args:
        program: Its options.
        relaxed: Its solution without integer choices.
        left_s: Seconds that are left.

    Returns:
        A solution in which each group has one way; ``None`` if time ran out before.
    """
    ways = ways_of(program)
    found: Relaxed | None = relaxed
    for settled in _SETTLED:
        if found is None:
            return None
        program.allow(_fixed(program, ways, found, settled))
        found = program.solve(left_s)
    return found


def ways_of(program: RestrictedProgram) -> NDArray[np.intp]:
    """Number of the way that each option belongs to; numbers grow with the group."""
    import numpy as np

    columns = program.lagrangian.columns
    whole = columns.whole[program.groups, program.pools]
    pools = len(columns.pools) + 1
    key = program.groups * pools + np.where(whole, program.pools + 1, 0)
    ways: NDArray[np.intp] = np.unique(key, return_inverse=True)[1].ravel()
    return ways


def _fixed(
    program: RestrictedProgram, ways: NDArray[np.intp], found: Relaxed, settled: float
) -> NDArray[np.bool_]:
    """Options that are left: of groups with a settled way that way, of the others all."""
    import numpy as np

    by_way = np.bincount(ways, weights=found.shares)
    group_of = np.zeros(len(by_way), dtype=np.intp)
    group_of[ways] = program.groups
    placed = np.bincount(group_of, weights=by_way, minlength=int(group_of.max(initial=0)) + 1)
    # Of ways with equal parts, and of a group without any, the one that gains most.
    gain = np.full(len(by_way), -np.inf)
    np.maximum.at(gain, ways, program.gains(found.prices))
    order = np.lexsort((-gain, -by_way, group_of))
    first = np.unique(group_of[order], return_index=True)[1]
    best = order[first]
    chosen = np.zeros(len(by_way), dtype=np.bool_)
    chosen[best] = True
    open_group = np.ones(len(placed), dtype=np.bool_)
    part = by_way[best] / np.maximum(placed[group_of[best]], 1e-12)
    decided = (part >= settled) & (placed[group_of[best]] > 1e-9)
    open_group[group_of[best[decided | (settled <= 0.0)]]] = False
    left: NDArray[np.bool_] = chosen[ways] | open_group[program.groups]
    return left
