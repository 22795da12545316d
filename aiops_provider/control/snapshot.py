"""What decisions are made by: one immutable object, swapped as a whole when the store has moved."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from aiops_provider.control.accelerator_advice import AcceleratorHistory
from aiops_provider.placement.router import RouterSnapshot
from aiops_provider.profiling.book import ProfileBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """
    Everything a decision reads; swapped as a whole.

    Attributes:
        router: Plan, quarantines and health.
        book: Profiles of the tasks known.
        accelerators: How fast tasks ran on accelerators.
        version: The store's version it was made from; -1 without a store.
        valid_until: When a quarantine or hold in it lapses, or ``None``.
    """

    router: RouterSnapshot
    book: ProfileBook
    accelerators: AcceleratorHistory = field(default_factory=AcceleratorHistory)
    version: int = -1
    valid_until: datetime | None = None
