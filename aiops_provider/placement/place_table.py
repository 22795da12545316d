"""
All pools in columns, so that ranking them for a new kind of request takes microseconds.

With 1,000 clusters, building and sorting an object per pool took 10 ms for every kind of request
that was not seen before. Here a request is one vectorised pass over the columns; only the places
that the router really looks at become objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.placement.cost import planning_price
from aiops_provider.placement.eligibility import (
    accelerators_offered,
    limit_against,
    machine_against,
    rule_against,
)
from aiops_provider.placement.places import Obstacle, Place, barrier_of, make_place, pace_on

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# The chosen place, the alternatives, and two that are full or avoided.
_HEAD = 8
# Where cheap pools are full the walk is longer, but hardly ever through all of them.
_LONGER = 256
# Needs of accelerators whose columns are kept; more kinds than this are rare.
_MOST_OFFERS = 1024


# How many places there are for a kind of task, and the rows of the first of them.
First = tuple[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Row:
    """What is known about one pool whoever asks."""

    cluster: ClusterSpec
    pool: Pool
    capacity: Capacity
    barrier: tuple[Obstacle, str]
    scarcity_usd: float


@dataclass(frozen=True, slots=True)
class Allowance:
    """
    Pools that a task's own rules leave, for all requests alike.

    Attributes:
        allowed: By row.
        far: By row: not where the data or the users are.
        tier: By row: near before far, then known prices before unknown ones.
    """

    allowed: NDArray[np.bool_]
    far: NDArray[np.bool_]
    tier: NDArray[np.int8]


class PlaceTable:
    """
    The pools of one snapshot; safe to share between threads.

    Args:
        clusters: In order of their names.
        quarantined: Reason by cluster.
        unreachable: Reason by cluster.
        scarcity_usd: What a core-hour of a cluster is worth to others, by cluster.
        unfit: Reason by cluster.
    """

    def __init__(
        self,
        clusters: Sequence[ClusterSpec],
        *,
        quarantined: Mapping[str, str],
        unreachable: Mapping[str, str],
        scarcity_usd: Mapping[str, float],
        unfit: Mapping[str, str] | None = None,
    ) -> None:
        import numpy as np

        self.clusters = clusters
        self.rows = [
            Row(
                cluster,
                pool,
                pool.capacity,
                barrier_of(cluster.name, quarantined, unreachable, unfit or {}),
                scarcity_usd.get(cluster.name, 0.0),
            )
            for cluster in clusters
            for pool in sorted(cluster.pools, key=lambda pool: pool.name)
        ]
        self.index = {(row.cluster.name, row.pool.name): n for n, row in enumerate(self.rows)}
        machines = [row.pool.machine for row in self.rows]
        self._cores = np.array([machine.cores for machine in machines], dtype=np.float64)
        self._memory = np.array([machine.memory_gib for machine in machines], dtype=np.float64)
        self._price = np.array([planning_price(row.pool) for row in self.rows], dtype=np.float64)
        self._scarcity = np.array([row.scarcity_usd for row in self.rows], dtype=np.float64)
        number = {cluster.name: n for n, cluster in enumerate(clusters)}
        self._cluster = np.array([number[row.cluster.name] for row in self.rows], dtype=np.intp)
        unpriced = [row.pool.price_usd_per_hour is None for row in self.rows]
        self._unknown = np.array(unpriced, dtype=bool)
        self._scarce = bool(self._scarcity.any())
        self._offers: dict[tuple[object, ...], NDArray[np.float64]] = {}
        self._pace_of: dict[tuple[tuple[str, float], ...], NDArray[np.float64]] = {}
        self._allowances: dict[tuple[object, ...], Allowance] = {}

    def first(self, profile: WorkloadProfile) -> First:
        """
        The first places for a task.

        Args:
            profile: Of which only the request and the limits matter.
        """
        fitting, score = self._fitting(profile)
        tier = self.allowance(profile).tier
        return len(fitting), tuple(_best_first(tier, fitting, score, _HEAD))

    def candidates(self, profile: WorkloadProfile, first: First | None = None) -> Candidates:
        """
        The places for a task.

        Args:
            profile: Of which only the request and the limits matter.
            first: If known, what :meth:`first` said for that kind of task.
        """
        count, head = first or self.first(profile)
        return Candidates(self, profile, count, head)

    def ranked(self, profile: WorkloadProfile, *, count: int | None = None) -> list[int]:
        """
        Rows of the places for a task, the preferred one first.

        Near its data or preferred regions comes first, for moving data has a price that is not
        known here; then known prices before unknown ones; then the lowest score.

        Args:
            profile: Of which only the request and the limits matter.
            count: How many rows, ``None``: all.
        """
        fitting, score = self._fitting(profile)
        wanted = len(fitting) if count is None else count
        return _best_first(self.allowance(profile).tier, fitting, score, wanted)

    def _fitting(self, profile: WorkloadProfile) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Rows that may and can hold the task, and the score of every row in USD per hour."""
        import numpy as np

        request = profile.request
        share = np.maximum(request.cores / self._cores, request.memory_gib / self._memory)
        fits = self._cores >= request.cores
        fits &= self._memory >= request.memory_gib
        fits &= self.allowance(profile).allowed
        if request.accelerators:
            offered = self._offered(request)
            fits &= offered >= request.accelerators
            # Where there are none the row is left out anyway.
            share = np.maximum(share, request.accelerators / np.maximum(offered, 1.0))
        score = share * self._price
        if profile.accelerator_pace or profile.pool_pace:
            # Price per unit of work: a device that takes twice as long costs twice as much.
            score = score * self._paces(profile)
        if self._scarce:
            score = score + self._scarcity * request.cores
        return np.flatnonzero(fits), score

    def _offered(self, request: ResourceRequest) -> NDArray[np.float64]:
        import numpy as np

        each = request.accelerator_memory_gib / request.accelerators
        known = self._offers.get((request.accelerator, each))
        if known is None:
            counts = [accelerators_offered(row.pool.machine, request) for row in self.rows]
            if len(self._offers) >= _MOST_OFFERS:
                self._offers = {}
            known = self._offers[request.accelerator, each] = np.array(counts, dtype=np.float64)
        return known

    def _paces(self, profile: WorkloadProfile) -> NDArray[np.float64]:
        import numpy as np

        known = self._pace_of.get(profile.accelerator_pace)
        if known is None:
            # What its own runs tell is of one task, and so is set below.
            alone = replace(profile, pool_pace=())
            paces = [pace_on(row.cluster.name, row.pool, alone) for row in self.rows]
            if len(self._pace_of) >= _MOST_OFFERS:
                self._pace_of = {}
            known = self._pace_of[profile.accelerator_pace] = np.array(paces, dtype=np.float64)
        if profile.pool_pace:
            known = known.copy()
            for cluster, pool, pace in profile.pool_pace:
                row = self.index.get((cluster, pool))
                if row is not None:
                    known[row] = pace
        return known

    def allowance(self, profile: WorkloadProfile) -> Allowance:
        """What the task's own rules leave."""
        import numpy as np

        key = (
            profile.pinned_cluster,
            profile.allowed_regions,
            profile.allowed_providers,
            profile.data_region,
            profile.preferred_regions,
            profile.cluster_limits,
        )
        known = self._allowances.get(key)
        if known is None:
            near = {profile.data_region, *profile.preferred_regions} - {None}
            free = [
                rule_against(profile, cluster) is None and limit_against(profile, cluster) is None
                for cluster in self.clusters
            ]
            away = [bool(near) and cluster.region not in near for cluster in self.clusters]
            far = np.array(away, dtype=bool)[self._cluster]
            known = self._allowances[key] = Allowance(
                allowed=np.array(free, dtype=bool)[self._cluster],
                far=far,
                tier=(2 * far + self._unknown).astype(np.int8),
            )
        return known


class Candidates:
    """
    Places for one kind of request, the preferred one first, made when they are looked at.

    Args:
        table: Of all pools.
        profile: Of a task of that kind.
        count: How many places there are.
        head: Rows of the first of them.

    Attributes:
        count: How many places there are.
    """

    __slots__ = ("_far", "_head", "_places", "_profile", "_rows", "_table", "count")

    def __init__(
        self, table: PlaceTable, profile: WorkloadProfile, count: int, head: Sequence[int]
    ) -> None:
        self._table, self._profile, self._head = table, profile, head
        self.count = count
        self._far = table.allowance(profile).far
        self._places: list[Place | None] = [None] * len(head)
        self._rows: list[int] = []

    def __iter__(self) -> Iterator[Place]:
        """Mostly the first few are enough; only they are kept for the next task of this kind."""
        for number, row in enumerate(self._head):
            place = self._places[number]
            if place is None:  # two threads that make it make the same
                place = self._places[number] = self._place(row)
            yield place
        done = len(self._head)
        for count in (_LONGER, self.count):
            if done < self.count:
                if len(self._rows) <= done:
                    self._rows = self._table.ranked(self._profile, count=count)
                # Another thread may have looked further already.
                rows = self._rows
                yield from (self._place(row) for row in rows[done:])
                done = len(rows)

    def all(self) -> tuple[Place, ...]:
        """All places; where there are many it costs a sort and an object for each."""
        if self.count <= len(self._head):
            return tuple(self)
        return tuple(self._place(row) for row in self._table.ranked(self._profile))

    def at(self, key: tuple[str, str]) -> Place | None:
        """
        The place on a pool, or ``None`` if the pool cannot hold the task or must not.

        Args:
            key: Name of the cluster and name of the pool.
        """
        row = self._table.index.get(key)
        if row is None:
            return None
        known = self._table.rows[row]
        allowed = self._table.allowance(self._profile).allowed[row]
        fits = known.pool.machine.fits(self._profile.request)
        return self._place(row) if allowed and fits else None

    def on_one_cluster(self) -> bool:
        """Whether all places are on the same cluster."""
        names = iter(self)
        first = next(names).name
        return all(place.name == first for place in names)

    def refused(self) -> dict[str, str]:
        """Why a cluster can never hold it, by its name."""
        reasons = {}
        for cluster in self._table.clusters:
            against = rule_against(self._profile, cluster)
            against = against or limit_against(self._profile, cluster)
            against = against or machine_against(self._profile.request, cluster)
            if against is not None:
                reasons[cluster.name] = against
        return reasons

    def _place(self, row: int) -> Place:
        known = self._table.rows[row]
        return make_place(
            self._profile.request,
            known.cluster,
            known.pool,
            capacity=known.capacity,
            far=bool(self._far[row]),
            barrier=known.barrier,
            pace=pace_on(known.cluster.name, known.pool, self._profile),
            scarcity_usd=known.scarcity_usd,
        )


def _best_first(
    tier: NDArray[np.int8], fitting: NDArray[np.intp], score: NDArray[np.float64], count: int
) -> list[int]:
    """The first rows by tier, then score, then their order in the table, which is that of keys."""
    import numpy as np

    if count < len(fitting):
        fitting = _cut(tier, fitting, score, count)
    order = np.lexsort((score[fitting], tier[fitting]))
    return [int(row) for row in fitting[order[:count]]]


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
