"""What a large plan seeks, and what each of its limits is worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """
    What is sought, in plain numbers.

    Attributes:
        level: SLA-weighted share to be placed at least cost; ``None``: place as much as possible.
        budget_usd_per_hour: Upper limit of the spend, or ``None``.
        max_carbon_kg_per_hour: Upper limit of the emissions, or ``None``; the columns must have them.
    """

    level: float | None = None
    budget_usd_per_hour: float | None = None
    max_carbon_kg_per_hour: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prices:
    """
    What limits are worth, in the units of one :class:`Lagrangian`.

    Attributes:
        limits: Of all of a limit's capacity, by limit and slot.
        budget: Of as much as all groups together cost where they are cheapest.
        level: Of all the SLA weight; 1 where as much as possible is placed.
        carbon: Of as much as all groups together emit where that is least.
    """

    limits: NDArray[np.float64]
    budget: float
    level: float
    carbon: float = 0.0
