"""What a task's runs pay for storage on each cluster; how much they store is worked out once a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiops_provider.domain.profile import Quantity, StorageNeed, WorkloadProfile
from aiops_provider.placement.cost import storage_price
from aiops_provider.placement.demand import stored_gib_by_run
from aiops_provider.placement.pool_columns import PoolColumns

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Tasks that are remembered.
_MOST_REMEMBERED = 65_536


@dataclass(frozen=True, slots=True)
class _Class:
    """Prices of one class of storage, USD per GiB and hour."""

    by_cluster: Mapping[str, float]
    by_row: NDArray[np.float64]
    least: float


class Stored:
    """
    What the runs of one task store.

    Args:
        terms: GiB that count for each hour of a run, and the prices of their class.

    Attributes:
        least: USD for each hour of a run on whichever cluster is cheapest, class by class.
    """

    __slots__ = ("_terms", "least")

    def __init__(self, terms: tuple[tuple[float, _Class], ...]) -> None:
        self._terms = terms
        self.least = sum([gib * prices.least for gib, prices in terms])

    def at(self, cluster: str) -> float:
        """USD for each hour of a run on that cluster."""
        return sum([gib * prices.by_cluster[cluster] for gib, prices in self._terms])

    def by_row(self) -> NDArray[np.float64]:
        """The same by row of the columns, with the same roundings."""
        import numpy as np

        terms = np.array([gib * prices.by_row for gib, prices in self._terms])
        # One after the other, as above; numpy's own sum may pair them.
        usd: NDArray[np.float64] = np.add.accumulate(terms)[-1]
        return usd


@dataclass(frozen=True, slots=True)
class _Known:
    """Of one task; what it was made of is kept, so that its identity names nothing else."""

    needs: tuple[StorageNeed, ...]
    starts: tuple[float, ...]
    duration: Quantity
    stored: Stored | None


class StoragePrices:
    """
    Prices of the clusters, and what tasks store; safe to share between threads.

    Args:
        columns: Of all pools.
    """

    def __init__(self, columns: PoolColumns) -> None:
        import numpy as np

        names = sorted({name for cluster in columns.clusters for name in cluster.storage})
        self._classes: dict[str, _Class] = {}
        for name in names:
            usd = [storage_price(cluster, name) for cluster in columns.clusters]
            by_cluster = dict(zip([each.name for each in columns.clusters], usd, strict=True))
            if any(usd):
                self._classes[name] = _Class(by_cluster, np.array(usd)[columns.cluster], min(usd))
        self._known: dict[int, _Known] = {}

    def of(self, profile: WorkloadProfile) -> Stored | None:
        """
        What the task's runs store; ``None``: nothing that has a price anywhere.

        Most profiles are those of an earlier decision, so that they are told by identity.
        """
        needs = profile.storage
        if not needs or not self._classes:
            return None
        known = self._known.get(id(needs))
        if (
            known is not None
            and known.needs is needs
            and known.starts is profile.starts_by_hour_of_week
            and known.duration is profile.duration_s
        ):
            return known.stored
        gib = stored_gib_by_run(profile)
        terms = tuple(
            (each, self._classes[name]) for name, each in gib.items() if name in self._classes
        )
        stored = Stored(terms) if terms else None
        if len(self._known) >= _MOST_REMEMBERED:
            self._known = {}
        self._known[id(needs)] = _Known(
            needs, profile.starts_by_hour_of_week, profile.duration_s, stored
        )
        return stored
