"""The pools of one snapshot, as objects for those who explain and in columns for those who choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.placement.cost import machine_usd_per_hour
from aiops_provider.placement.eligibility import accelerators_offered
from aiops_provider.placement.live_load import SLACK
from aiops_provider.placement.places import Obstacle, barrier_of, pace_on

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Needs of accelerators whose columns are kept; more of them are rare.
_MOST_REMEMBERED = 1024


@dataclass(frozen=True, slots=True)
class Row:
    """What is known about one pool whoever asks."""

    cluster: ClusterSpec
    pool: Pool
    capacity: Capacity
    barrier: tuple[Obstacle, str]
    scarcity_usd: float


class Entry(NamedTuple):
    """
    What is asked of a pool in the inner loop of a decision.

    Attributes:
        row: In the table; a lower one comes first among equals.
        name: Of the cluster.
        key: Name of the cluster and name of the pool.
        cores: Of one machine.
        memory_gib: Of one machine.
        price_usd: Of one machine for one hour, with its emissions.
        scarcity_usd: What a core-hour is worth to others.
        barrier: What stands in the way whoever asks, as a number; 0: nothing.
        most_cores: Cores that may be booked on the whole pool, with some slack.
        most_memory_gib: As above.
        most_accelerators: As above.
        offered: Accelerators of one machine that suit the request.
        pace: Time that the work takes there, as a multiple.
    """

    row: int
    name: str
    key: tuple[str, str]
    cores: float
    memory_gib: float
    price_usd: float
    scarcity_usd: float
    barrier: int
    most_cores: float
    most_memory_gib: float
    most_accelerators: int
    offered: int = 0
    pace: float = 1.0


class PoolColumns:
    """
    All pools; safe to share between threads.

    Args:
        clusters: In order of their names.
        quarantined: Reason by cluster.
        unreachable: Reason by cluster.
        unfit: Reason by cluster.
        scarcity_usd: What a core-hour of a cluster is worth to others, by cluster.
        carbon_usd_per_kg: Price put on emissions.

    Attributes:
        clusters: As given.
        carbon_usd_per_kg: As given.
        rows: The pools in the order that decides between equals, that of their keys.
        index: Number of a row by name of the cluster and name of the pool.
        entries: The rows as decisions read them.
        cores: Of one machine, by row.
        memory: GiB of one machine, by row.
        price: USD of one machine for one hour with its emissions, by row; an unknown one is taken as high.
        unknown: Whether the price is unknown, by row.
        scarcity: As given, by row.
        cluster: Number of the cluster, by row.
    """

    def __init__(
        self,
        clusters: Sequence[ClusterSpec],
        *,
        quarantined: Mapping[str, str],
        unreachable: Mapping[str, str],
        unfit: Mapping[str, str],
        scarcity_usd: Mapping[str, float],
        carbon_usd_per_kg: float = 0.0,
    ) -> None:
        import numpy as np

        self.clusters, self.carbon_usd_per_kg = clusters, carbon_usd_per_kg
        self.rows = [
            Row(
                cluster,
                pool,
                pool.capacity,
                barrier_of(cluster.name, quarantined, unreachable, unfit),
                scarcity_usd.get(cluster.name, 0.0),
            )
            for cluster in clusters
            for pool in sorted(cluster.pools, key=lambda pool: pool.name)
        ]
        self.entries = [
            _entry(number, row, carbon_usd_per_kg) for number, row in enumerate(self.rows)
        ]
        self.index = {entry.key: entry.row for entry in self.entries}
        self.cores = np.array([entry.cores for entry in self.entries], dtype=np.float64)
        self.memory = np.array([entry.memory_gib for entry in self.entries], dtype=np.float64)
        self.price = np.array([entry.price_usd for entry in self.entries], dtype=np.float64)
        self.scarcity = np.array([entry.scarcity_usd for entry in self.entries], dtype=np.float64)
        unpriced = [row.pool.price_usd_per_hour is None for row in self.rows]
        self.unknown = np.array(unpriced, dtype=bool)
        number = {cluster.name: n for n, cluster in enumerate(clusters)}
        self.cluster = np.array([number[entry.name] for entry in self.entries], dtype=np.intp)
        self._offers: dict[tuple[object, ...], NDArray[np.float64]] = {}
        self._pace_of: dict[tuple[tuple[str, float], ...], NDArray[np.float64]] = {}

    def offered(self, request: ResourceRequest) -> NDArray[np.float64]:
        """Accelerators of one machine that suit a request for some, by row."""
        import numpy as np

        each = request.accelerator_memory_gib / request.accelerators
        known = self._offers.get((request.accelerator, each))
        if known is None:
            counts = [accelerators_offered(row.pool.machine, request) for row in self.rows]
            if len(self._offers) >= _MOST_REMEMBERED:
                self._offers = {}
            known = self._offers[request.accelerator, each] = np.array(counts, dtype=np.float64)
        return known

    def paces(self, profile: WorkloadProfile) -> NDArray[np.float64]:
        """Time that the work takes, as a multiple, by row."""
        paces = self.accelerator_paces(profile)
        if not profile.pool_pace:
            return paces
        paces = paces.copy()
        for row, pace in self.own_paces(profile).items():
            paces[row] = pace
        return paces

    def own_paces(self, profile: WorkloadProfile) -> dict[int, float]:
        """What the task's own runs tell of that, by row; mostly nothing, else a few rows."""
        found = {self.index.get((cluster, pool)): pace for cluster, pool, pace in profile.pool_pace}
        return {row: pace for row, pace in found.items() if row is not None}

    def accelerator_paces(self, profile: WorkloadProfile) -> NDArray[np.float64]:
        """The same by the pools' accelerators alone, which many tasks share."""
        import numpy as np

        known = self._pace_of.get(profile.accelerator_pace)
        if known is None:
            alone = replace(profile, pool_pace=())
            paces = [pace_on(row.cluster.name, row.pool, alone) for row in self.rows]
            if len(self._pace_of) >= _MOST_REMEMBERED:
                self._pace_of = {}
            known = self._pace_of[profile.accelerator_pace] = np.array(paces, dtype=np.float64)
        return known


def _entry(number: int, row: Row, carbon_usd_per_kg: float) -> Entry:
    machine, capacity = row.pool.machine, row.capacity
    return Entry(
        row=number,
        name=row.cluster.name,
        key=(row.cluster.name, row.pool.name),
        cores=machine.cores,
        memory_gib=machine.memory_gib,
        price_usd=machine_usd_per_hour(row.pool, carbon_usd_per_kg),
        scarcity_usd=row.scarcity_usd,
        barrier=int(row.barrier[0]),
        most_cores=capacity.cores * (1.0 + SLACK),
        most_memory_gib=capacity.memory_gib * (1.0 + SLACK),
        most_accelerators=sum(capacity.accelerators.values()),
    )
