"""All places for one task, ranked when somebody asks for more than the best one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.placement.eligibility import limit_against, machine_against, rule_against
from aiops_provider.placement.place_table import PlaceTable
from aiops_provider.placement.places import Place, make_place, pace_on
from aiops_provider.placement.pool_columns import Entry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# The chosen place, the alternatives, and two that are full or avoided.
_HEAD = 8
# Where cheap pools are full the walk is longer, but hardly ever through all of them.
_LONGER = 256
# A table as long as this is sorted as a whole, and by Python.
_FEW = 12


class Candidates:
    """
    Places for one task, the preferred one first, made when they are looked at.

    Args:
        table: Of all pools.
        profile: Of the task.

    Attributes:
        allowance: The pools that it may use, whether or not they can hold it.
        stored: What its runs store; ``None``: nothing that has a price.
    """

    __slots__ = ("_all", "_fits", "_profile", "_table", "allowance", "stored")

    def __init__(self, table: PlaceTable, profile: WorkloadProfile) -> None:
        self._table, self._profile = table, profile
        self.allowance = table.allowances.of(profile)
        self.stored = table.storage.of(profile)
        self._fits: NDArray[np.bool_] | None = None
        self._all: tuple[Place, ...] | None = None

    @property
    def count(self) -> int:
        """How many places there are."""
        count = self.allowance.rules.sizes(self._profile.request).count(self._profile.request)
        return int(self._fitting().sum()) if count is None else count

    def __iter__(self) -> Iterator[Place]:
        """Mostly the first few are enough; with 1,000 clusters a sort of all takes a while."""
        if len(self._table.columns.rows) <= _FEW:
            yield from self.all()
            return
        done = 0
        for count in (_HEAD, _LONGER, None):
            rows = self._table.ranked(self._profile, self._fitting(), count=count)
            yield from (self.place(row) for row in rows[done:])
            if count is None or len(rows) < count:
                return
            done = len(rows)

    def all(self) -> tuple[Place, ...]:
        """All places; where there are many it costs a sort and an object for each."""
        if self._all is None:
            self._all = tuple(self._few() if len(self._fitting()) <= _FEW else self._many())
        return self._all

    def _few(self) -> list[Place]:
        """A dozen objects are sorted before numpy has begun."""
        rows = (row for row, fits in enumerate(self._fitting().tolist()) if fits)
        return sorted(map(self.place, rows), key=lambda place: place.preference)

    def _many(self) -> list[Place]:
        return [self.place(row) for row in self._table.ranked(self._profile, self._fitting())]

    def at(self, keys: Iterable[tuple[str, str]]) -> list[Entry]:
        """
        Those pools that can hold the task and are allowed to.

        Args:
            keys: Names of clusters and names of their pools.
        """
        columns, request, mask = (
            self._table.columns,
            self._profile.request,
            self.allowance.rules.mask,
        )
        index, entries = columns.index, columns.entries
        cores, memory_gib, accelerators = request.cores, request.memory_gib, request.accelerators
        found = []
        for key in keys:
            row = index.get(key)
            if row is None or not mask[row]:
                continue
            entry = entries[row]
            if cores > entry.cores or memory_gib > entry.memory_gib:
                continue
            if not accelerators or columns.rows[row].pool.machine.fits(request):
                found.append(entry)
        return found

    def on_one_cluster(self) -> bool:
        """Whether all places, if there are any, are on the same cluster."""
        request = self._profile.request
        if self.allowance.rules.sizes(request).on_several_clusters(request):
            return False
        if len(self._table.columns.rows) <= _FEW:
            return len({place.name for place in self.all()}) <= 1
        clusters = self._table.columns.cluster[self._fitting()]
        return bool((clusters == clusters[:1]).all())

    def row(self, key: tuple[str, str]) -> int:
        """Number of a pool in the table."""
        return self._table.columns.index[key]

    def barrier(self, row: int) -> tuple[str, str]:
        """Name of a pool's cluster, and in words what stands in its way whoever asks."""
        known = self._table.columns.rows[row]
        return known.cluster.name, known.barrier[1]

    def refused(self) -> dict[str, str]:
        """Why a cluster can never hold it, by its name."""
        reasons = {}
        able = {place.name for place in self.all()}
        for cluster in self._table.columns.clusters:
            if cluster.name in able:
                continue
            against = rule_against(self._profile, cluster)
            against = against or limit_against(self._profile, cluster)
            against = against or machine_against(self._profile.request, cluster)
            if against is not None:
                reasons[cluster.name] = against
        return reasons

    def place(self, row: int) -> Place:
        """The place of a row that can hold the task."""
        known = self._table.columns.rows[row]
        profile = self._profile
        paced = profile.accelerator_pace or profile.pool_pace
        pace = pace_on(known.cluster.name, known.pool, profile) if paced else 1.0
        return make_place(
            profile.request,
            known.cluster,
            known.pool,
            capacity=known.capacity,
            far=self.allowance.far(row),
            barrier=known.barrier,
            pace=pace,
            scarcity_usd=known.scarcity_usd,
            carbon_usd_per_kg=self._table.columns.carbon_usd_per_kg,
            storage_usd=0.0 if self.stored is None else self.stored.at(known.cluster.name),
        )

    def _fitting(self) -> NDArray[np.bool_]:
        if self._fits is None:
            self._fits = self._table.fits(self._profile)
        return self._fits
