"""
Pools in the order of what a task costs there at least, so that the best is found among the first.

The price of a task's share of a machine is ``max(cores / machine cores, memory / machine memory) ×
price``, which for each core is a convex function of the task's memory per core alone. Requests with
nearly the same memory per core therefore have nearly the same order of pools. The order is kept for
bands of it, with the price at the lower end of the band: a bound that no request of the band goes
below. Whoever walks along it computes the true price of each pool and stops where the bound exceeds
the best that was found, which is after a few pools however many there are.

For tasks with accelerators the bound is the price of the accelerators, which mostly decides.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aiops_provider.domain.profile import WorkloadProfile
    from aiops_provider.placement.pool_columns import Entry, PoolColumns

# Width of a band of memory per core; narrower ones find the best sooner and are more.
_BAND = math.log(1.02)
# So few pools are walked through sooner than bands of them are made.
_FEW = 48
_MOST_LADDERS = 2048
_FIRST_STEPS = 128
_GROWTH = 4
# Bounds are computed in another order than prices: they must not exceed them by rounding.
_BELOW = 1.0 - 1e-9


class Ladder:
    """
    Some pools and the least that a task costs there, from the lowest; longer when asked.

    Args:
        entries: All of the pools.
        bounds: USD an hour, for each core asked for or for the whole task; shape (pools,).

    Attributes:
        steps: The first of them, bound and entry.
    """

    __slots__ = ("_bounds", "_entries", "steps")

    def __init__(self, entries: list[Entry], bounds: NDArray[np.float64]) -> None:
        self._entries, self._bounds = entries, bounds
        self.steps: list[tuple[float, Entry]] = []
        self.grow(0)

    def grow(self, beyond: int) -> bool:
        """
        Make it longer than this; ``False`` if there are no more pools.

        What was looked for once beyond the first steps will be again: fleets stay full for a while.
        Another thread may do the same at once, with the same outcome.
        """
        import numpy as np

        if len(self.steps) > beyond:
            return True
        if beyond >= len(self._entries):
            return False
        count = max(_FIRST_STEPS, beyond * _GROWTH)
        if count >= len(self._entries):
            order = np.argsort(self._bounds, kind="stable")
        else:
            lowest = np.argpartition(self._bounds, count - 1)[:count]
            # Equal bounds may be cut apart; whoever walks compares rows, so any of them will do,
            # but a longer ladder must begin with the same steps.
            limit = self._bounds[lowest].max()
            lowest = np.flatnonzero(self._bounds <= limit)
            order = lowest[np.argsort(self._bounds[lowest], kind="stable")]
        entries, bounds = self._entries, self._bounds[order].tolist()
        rungs = zip(bounds, order.tolist(), strict=True)
        self.steps = [(bound, entries[number]) for bound, number in rungs]
        return True


class PriceOrder:
    """
    The ladders of some pools; safe to share between threads.

    Args:
        columns: Of all pools.
        rows: Which of them.
    """

    __slots__ = ("_columns", "_entries", "_ladders", "_per_core", "_per_gib", "_rows", "_scarcity")

    def __init__(self, columns: PoolColumns, rows: NDArray[np.intp]) -> None:
        self._columns, self._rows = columns, rows
        self._entries = [columns.entries[row] for row in rows.tolist()]
        price = columns.price[rows]
        self._scarcity = columns.scarcity[rows]
        self._per_core = price / columns.cores[rows]
        self._per_gib = price / columns.memory[rows]
        self._ladders: dict[object, Ladder] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def ladder(self, profile: WorkloadProfile) -> tuple[Ladder, float]:
        """
        The pools for a task by what it costs there at least.

        Args:
            profile: Of which the request and the pace on accelerators matter.

        Returns:
            The ladder, and what its bounds are to be multiplied by. Some of its pools may be too
            small for the request.
        """
        request = profile.request
        if request.accelerators or profile.accelerator_pace:
            each = request.accelerator_memory_gib / max(request.accelerators, 1)
            kind: object = (
                request.accelerator,
                each,
                request.accelerators,
                profile.accelerator_pace,
            )
            return self._ladders.get(kind) or self._keep(kind, self._accelerated(profile)), 1.0
        band = -math.inf
        if len(self._rows) > _FEW and request.memory_gib > 0 and request.cores > 0:
            band = math.floor(math.log(request.memory_gib / request.cores) / _BAND)
        return self._ladders.get(band) or self._keep(band, self._plain(band)), request.cores

    def own_paces(self, profile: WorkloadProfile) -> tuple[dict[int, float], float]:
        """
        Where the task's own runs have shown a pace that its ladder does not know.

        Returns:
            The pace by row, and what bounds are to be multiplied by on top, so that none is above
            the price of a row that is faster than the ladder takes it for. It is not a number where
            no multiple would do: nothing is above that.
        """
        paces = self._columns.own_paces(profile)
        if not paces:
            return paces, 1.0
        if (self._scarcity < 0).any():
            return paces, math.nan
        usual = self._columns.accelerator_paces(profile)
        return paces, min(1.0, *(pace / float(usual[row]) for row, pace in paces.items()))

    def _keep(self, kind: object, ladder: Ladder) -> Ladder:
        if len(self._ladders) >= _MOST_LADDERS:
            self._ladders = {}
        self._ladders[kind] = ladder
        return ladder

    def _plain(self, band: float) -> Ladder:
        import numpy as np

        gib_per_core = math.exp(band * _BAND)
        dear = np.maximum(self._per_core, self._per_gib * (gib_per_core * _BELOW))
        bounds = dear * _BELOW + (self._scarcity - np.abs(self._scarcity) * (1.0 - _BELOW))
        return Ladder(self._entries, bounds)

    def _accelerated(self, profile: WorkloadProfile) -> Ladder:
        import numpy as np

        wanted = profile.request.accelerators
        if wanted:
            offered = self._columns.offered(profile.request)[self._rows]
            suiting = np.flatnonzero(offered >= wanted)
        else:
            offered = np.zeros(len(self._rows))
            suiting = np.arange(len(self._rows))
        rows, counts = self._rows[suiting], offered[suiting]
        paces = self._columns.accelerator_paces(profile)[rows]
        share = wanted / np.maximum(counts, 1.0)
        bounds = share * paces * self._columns.price[rows] * _BELOW
        if (self._scarcity < 0).any():
            bounds = np.full(len(rows), -np.inf)
        entries = [
            self._entries[number]._replace(offered=int(count), pace=pace)
            for number, count, pace in zip(
                suiting.tolist(), counts.tolist(), paces.tolist(), strict=True
            )
        ]
        return Ladder(entries, bounds)
