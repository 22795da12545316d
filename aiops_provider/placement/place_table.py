"""
Every place for a task: how many, and their ranking, each in one vectorised pass over all pools.

A decision needs neither in general: it looks at the first few pools of an order that is kept, see
:mod:`aiops_provider.placement.free_place`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.placement.allowance import Allowances
from aiops_provider.placement.pool_columns import PoolColumns
from aiops_provider.placement.storage_prices import StoragePrices

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class PlaceTable:
    """
    The places on the pools of one snapshot; safe to share between threads.

    Args:
        columns: Of all pools.

    Attributes:
        columns: As given.
        allowances: What each kind of task may use.
        storage: What tasks pay for storage.
    """

    def __init__(self, columns: PoolColumns) -> None:
        self.columns = columns
        self.allowances = Allowances(columns)
        self.storage = StoragePrices(columns)

    def ranked(
        self,
        profile: WorkloadProfile,
        fits: NDArray[np.bool_],
        *,
        count: int | None = None,
    ) -> list[int]:
        """
        Rows of the places for a task, the preferred one first.

        Near its data or preferred regions comes first, for moving data has a price that is not
        known here; then known prices before unknown ones; then the lowest score.

        Args:
            profile: Of which only the request and the limits matter.
            fits: As of :meth:`fits`.
            count: How many rows, ``None``: all.
        """
        import numpy as np

        fitting = np.flatnonzero(fits)
        tier = self.columns.unknown.astype(np.int8)
        near = self.allowances.of(profile).near
        if near is not None:
            tier += 2
            tier[list(near)] -= 2
        wanted = len(fitting) if count is None else count
        return _best_first(tier, fitting, self._score(profile), wanted)

    def fits(self, profile: WorkloadProfile) -> NDArray[np.bool_]:
        """Whether a task may use a pool and one of its machines can hold it, by row."""
        request = profile.request
        fits = self.columns.cores >= request.cores
        fits &= self.columns.memory >= request.memory_gib
        fits &= self.allowances.of(profile).rules.allowed
        if request.accelerators:
            fits &= self.columns.offered(request) >= request.accelerators
        return fits

    def _score(self, profile: WorkloadProfile) -> NDArray[np.float64]:
        """
        USD per hour by row, with the same roundings as of :func:`make_place`.

        Of rows that cannot hold the task it means nothing.
        """
        import numpy as np

        columns, request = self.columns, profile.request
        share = np.maximum(request.cores / columns.cores, request.memory_gib / columns.memory)
        if request.accelerators:
            offered = np.maximum(columns.offered(request), 1.0)
            share = np.maximum(share, request.accelerators / offered)
        if profile.accelerator_pace or profile.pool_pace:
            # Price per unit of work: a device that takes twice as long costs twice as much.
            share = share * columns.paces(profile)
        score: NDArray[np.float64] = share * columns.price + columns.scarcity * request.cores
        stored = self.storage.of(profile)
        if stored is not None:
            score += stored.by_row()
        return score


def _best_first(
    tier: NDArray[np.int8], fitting: NDArray[np.intp], score: NDArray[np.float64], count: int
) -> list[int]:
    """The first rows by tier, then score, then their order in the table, which is that of keys."""
    import numpy as np

    if count < len(fitting):
        fitting = _cut(tier, fitting, score, count)
    order = np.lexsort((score[fitting], tier[fitting]))
    rows: list[int] = fitting[order[:count]].tolist()
    return rows


def _cut(
    tier: NDArray[np.int8], fitting: NDArray[np.intp], score: NDArray[np.float64], count: int
) -> NDArray[np.intp]:
    """Rows among which the first ones surely are, far fewer than all; equal scores stay together."""
    import numpy as np

    tiers = tier[fitting]
    lowest: NDArray[np.intp] = fitting[tiers == tiers.min()]
    if len(lowest) <= count:
        return fitting
    own = score[lowest]
    best: NDArray[np.intp] = lowest[own <= np.partition(own, count - 1)[count - 1]]
    return best
