"""
The placement problem in columns, for sizes at which an object per option would fill the memory.

It says what :mod:`aiops_provider.placement.problem` says – who may go where, at what cost, within
which limits – with a row per group and a column per pool. 20,000 groups and 400 pools are 8 million
options: 0.1 GB here, 4 GB as objects. Slots in which every group needs the same are one slot.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiops_provider.domain.cluster import ClusterSpec, Pool
from aiops_provider.domain.plan import WorkloadGroup
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.separation import FailureDomain
from aiops_provider.placement.cost import EgressPrices
from aiops_provider.placement.cost_columns import carbon_columns, cost_columns
from aiops_provider.placement.demand_columns import RESOURCES, distinct_slots
from aiops_provider.placement.eligibility import (
    accelerator_taken,
    accelerators_offered,
    rule_against,
)
from aiops_provider.placement.problem import refusals_of
from aiops_provider.placement.promises import (
    accelerator_of,
    available_share,
    is_spot,
    promise_against,
    promised_share,
)
from aiops_provider.placement.separation import (
    Separation,
    separation_of,
    too_few_domains,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProblemColumns:
    """
    Everything that a decomposition needs to know.

    A limit is one resource of one pool; its row of ``capacity`` counts in all slots. A group takes
    of three limits on each pool: cores, memory, and accelerators of one model.

    Attributes:
        groups: In order of their names.
        clusters: Those that can be used, in order of their names.
        pools: With their clusters, in order of both names.
        weight: SLA weight, by group.
        cost: USD per hour of the whole group, by group and pool; infinite where it cannot run.
        whole: Whether one machine holds the whole group, by group and pool.
        kept: Share of the group's SLA weight that keeps its promises, by group and pool.
        far: Whether its data would move at a price that nobody gave, by group and pool.
        demand: By resource (cores, GiB, accelerators), group and slot.
        kind: What a group asks of accelerators, as an index into ``limit_of``.
        limit_of: Row of ``capacity`` by kind, resource and pool; the last row where it takes none.
        capacity: By limit; the last one is infinite.
        unavailable: Names of clusters that must not be used.
        listed: All clusters that were given, in order of their names.
        freed: Names of groups whose pin, regions, providers and separation are ignored.
        every_workload: Whether each member must keep its own promise.
        separation: Which groups are spread or kept apart; one machine holds none that is spread.
        domain_of: Number of the failure domain of each pool, by kind.
        carbon: Kilograms of CO₂ equivalent per hour of the whole group, by group and pool; ``None``: they
            limit nothing.
    """

    groups: tuple[WorkloadGroup, ...]
    clusters: tuple[ClusterSpec, ...]
    pools: tuple[tuple[ClusterSpec, Pool], ...]
    weight: NDArray[np.float64]
    cost: NDArray[np.float64]
    whole: NDArray[np.bool_]
    far: NDArray[np.bool_]
    kept: NDArray[np.float64]
    demand: NDArray[np.float64]
    kind: NDArray[np.intp]
    limit_of: NDArray[np.intp]
    capacity: NDArray[np.float64]
    unavailable: frozenset[str]
    listed: tuple[ClusterSpec, ...]
    freed: frozenset[str]
    every_workload: bool
    separation: Separation
    domain_of: Mapping[FailureDomain, NDArray[np.intp]]
    carbon: NDArray[np.float64] | None = None

    @property
    def options(self) -> int:
        """Pairs of a group and a pool that may hold it."""
        import numpy as np

        return int(np.isfinite(self.cost).sum())

    def refusals(self, group: WorkloadGroup) -> dict[str, str]:
        """Why a cluster is no option for a group, by its name."""
        return refusals_of(
            group,
            self.listed,
            unavailable=self.unavailable,
            freed=group.name in self.freed,
            every_workload=self.every_workload,
        )

    def domains(self, group: int) -> list[NDArray[np.intp]]:
        """Numbers of the pools that may hold a group that is spread, apart by failure domain."""
        import numpy as np

        number = self.domain_of[self.separation.spreads[group].domain]
        pools = np.flatnonzero(np.isfinite(self.cost[group]))
        pools = pools[np.argsort(number[pools], kind="stable")]
        found = np.split(pools, np.flatnonzero(np.diff(number[pools])) + 1)
        return found if len(pools) else []

    @property
    def placeable(self) -> float:
        """SLA that there would be if each group had its best option; 1 if there is no group."""
        import numpy as np

        whole = float(self.weight.sum())
        kept = np.where(np.isfinite(self.cost), self.kept, 0.0)
        best = kept.max(axis=1, initial=0.0)
        for number, rule in self.separation.spreads.items():
            own = sorted(float(kept[number, pools].max()) for pools in self.domains(number))
            best[number] = sum(own[-rule.at_least :]) / rule.at_least
        return float((self.weight * best).sum()) / whole if whole else 1.0


def make_columns(
    groups: Iterable[WorkloadGroup],
    clusters: Iterable[ClusterSpec],
    *,
    unavailable: Collection[str] = frozenset(),
    egress: EgressPrices | None = None,
    freed: Collection[str] = frozenset(),
    every_workload: bool = False,
    carbon_usd_per_kg: float = 0.0,
    with_carbon: bool = False,
) -> ProblemColumns:
    """
    Write the problem down.

    Args:
        groups: What is to be placed; names are unique.
        clusters: Where.
        unavailable: Names of clusters that must not be used.
        egress: Prices of data that leaves its region, where they are known.
        freed: Names of groups whose pin, regions, providers and separation are ignored, to ask what if.
        every_workload: Only pools where each member keeps its own promise are options.
        carbon_usd_per_kg: Price put on emissions; it is part of the cost.
        with_carbon: Whether emissions are written down too, so that they can be limited.
    """
    import numpy as np

    ordered = tuple(sorted(groups, key=lambda group: group.name))
    listed = tuple(sorted(clusters, key=lambda cluster: cluster.name))
    usable = tuple(cluster for cluster in listed if cluster.name not in unavailable)
    pools = tuple((c, p) for c in usable for p in sorted(c.pools, key=lambda pool: pool.name))
    demand, repeats = distinct_slots(ordered)
    kinds, kind = _kinds(ordered)
    limit_of, capacity = _limits(kinds, pools)
    offer = _offers(kinds, pools)
    allowed = _fits(ordered, kind, offer) & _allowed(ordered, usable, pools, freed)
    kept, separation = _kept(ordered, pools), separation_of(ordered, freed)
    if every_workload:
        allowed &= _promised(ordered, pools)
        kept = np.ones_like(kept)
    for number, rule in separation.spreads.items():
        holding = [pools[each][0] for each in np.flatnonzero(allowed[number])]
        allowed[number] &= too_few_domains(rule, holding) is None
    mean, peak = _machines(demand, repeats, kind, offer)
    usd, far = cost_columns(
        ordered, pools, mean, egress=egress or {}, carbon_usd_per_kg=carbon_usd_per_kg
    )
    whole = allowed & (peak <= 1.0)
    whole[[*separation.spreads]] = False
    return ProblemColumns(
        groups=ordered,
        clusters=usable,
        pools=pools,
        weight=np.array([group.sla_weight for group in ordered], dtype=np.float64),
        cost=np.where(allowed, usd, np.inf),
        whole=whole,
        far=far,
        kept=kept,
        demand=demand,
        kind=kind,
        limit_of=limit_of,
        capacity=capacity,
        unavailable=frozenset(unavailable),
        listed=listed,
        freed=frozenset(freed),
        every_workload=every_workload,
        separation=separation,
        domain_of={kind: _domain_of(pools, kind) for kind in FailureDomain},
        carbon=np.where(allowed, carbon_columns(pools, mean), 0.0) if with_carbon else None,
    )


def _domain_of(pools: _Pools, kind: FailureDomain) -> NDArray[np.intp]:
    import numpy as np

    names = [cluster.failure_domain(kind) for cluster, _ in pools]
    return np.unique(np.array(names, dtype=str), return_inverse=True)[1].ravel()


# What a kind of group asks of a machine beside cores and memory: one accelerator, or none.
_Kinds = list[ResourceRequest]
_Pools = Sequence[tuple[ClusterSpec, Pool]]


def _kinds(groups: Sequence[WorkloadGroup]) -> tuple[_Kinds, NDArray[np.intp]]:
    """What groups ask of a machine's accelerators, and which of these each group asks."""
    import numpy as np

    asked = [
        ResourceRequest(
            cores=0.0,
            memory_gib=0.0,
            accelerators=min(g.request.accelerators, 1),
            accelerator=g.request.accelerator,
            accelerator_memory_gib=g.request.accelerator_memory_gib
            / max(g.request.accelerators, 1),
        )
        for g in groups
    ]
    kinds = sorted(
        set(asked),
        key=lambda one: (one.accelerators, one.accelerator or "", one.accelerator_memory_gib),
    )
    index = {kind: number for number, kind in enumerate(kinds)}
    return kinds, np.array([index[kind] for kind in asked], dtype=np.intp)


def _limits(kinds: _Kinds, pools: _Pools) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    import numpy as np

    amounts: list[float] = []
    rows: dict[tuple[int, str], int] = {}
    for number, (_, pool) in enumerate(pools):
        whole = pool.capacity
        for resource, amount in (
            ("", whole.cores),
            (" ", whole.memory_gib),
            *sorted(whole.accelerators.items()),
        ):
            rows[number, resource] = len(amounts)
            amounts.append(float(amount))
    none = len(amounts)
    limit_of = np.full((len(kinds), RESOURCES, len(pools)), none, dtype=np.intp)
    for row, kind in enumerate(kinds):
        for number, (_, pool) in enumerate(pools):
            limit_of[row, :2, number] = rows[number, ""], rows[number, " "]
            if kind.accelerators and accelerators_offered(pool.machine, kind):
                limit_of[row, 2, number] = rows[number, accelerator_taken(kind, pool)]
    return limit_of, np.array([*amounts, np.inf])


def _offers(kinds: _Kinds, pools: _Pools) -> NDArray[np.float64]:
    """What one machine has, by kind, resource and pool."""
    import numpy as np

    return np.array(
        [
            [
                [pool.machine.cores for _, pool in pools],
                [pool.machine.memory_gib for _, pool in pools],
                [float(accelerators_offered(pool.machine, kind)) for _, pool in pools],
            ]
            for kind in kinds
        ]
    ).reshape(len(kinds), RESOURCES, len(pools))


def _fits(
    groups: Sequence[WorkloadGroup], kind: NDArray[np.intp], offer: NDArray[np.float64]
) -> NDArray[np.bool_]:
    import numpy as np

    need = np.array(
        [(g.request.cores, g.request.memory_gib, float(g.request.accelerators)) for g in groups]
    ).reshape(len(groups), RESOURCES)
    fits = np.ones((len(groups), offer.shape[2]), dtype=np.bool_)
    for resource in range(RESOURCES):
        fits &= need[:, resource, None] <= offer[kind, resource]
    return fits


def _allowed(
    groups: Sequence[WorkloadGroup],
    clusters: Sequence[ClusterSpec],
    pools: _Pools,
    freed: Collection[str],
) -> NDArray[np.bool_]:
    import numpy as np

    place = {cluster.name: number for number, cluster in enumerate(clusters)}
    of_pool = np.array([place[cluster.name] for cluster, _ in pools], dtype=np.intp)
    known: dict[tuple[object, ...], NDArray[np.bool_]] = {}
    rows = []
    for group in groups:
        free = group.name in freed
        key = (free, group.pinned_cluster, group.allowed_regions, group.allowed_providers)
        if key not in known:
            known[key] = np.array(
                [free or rule_against(group, c) is None for c in clusters], dtype=np.bool_
            )
        rows.append(known[key])
    every = np.array(rows, dtype=np.bool_).reshape(len(groups), len(clusters))
    machines = np.array([pool.max_instances > 0 for _, pool in pools], dtype=np.bool_)
    allowed: NDArray[np.bool_] = every[:, of_pool] & machines
    return allowed


def _machines(
    demand: NDArray[np.float64],
    repeats: NDArray[np.float64],
    kind: NDArray[np.intp],
    offer: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Machines that each group occupies on each pool: the mean and the most over the slots."""
    import numpy as np

    groups, pools = demand.shape[1], offer.shape[2]
    mean, peak = np.zeros((groups, pools)), np.zeros((groups, pools))
    for row in range(offer.shape[0]):
        own = np.flatnonzero(kind == row)
        # Pools of like machines share the answer.
        shapes, like = np.unique(offer[row].T, axis=0, return_inverse=True)
        means, peaks = np.zeros((len(own), len(shapes))), np.zeros((len(own), len(shapes)))
        for number, shape in enumerate(shapes):
            occupied = np.zeros((len(own), demand.shape[2]))
            for resource, offered in enumerate(shape):
                if offered > 0:
                    np.maximum(occupied, demand[resource, own] / offered, out=occupied)
            means[:, number] = occupied @ repeats / repeats.sum()
            peaks[:, number] = occupied.max(axis=1)
        mean[own], peak[own] = means[:, like.ravel()], peaks[:, like.ravel()]
    return mean, peak


def _kept(groups: Sequence[WorkloadGroup], pools: _Pools) -> NDArray[np.float64]:
    """Share of the SLA weight that keeps its promises, by group and pool."""
    import numpy as np

    available = np.array([available_share(cluster) for cluster, _ in pools])
    kept = np.repeat(available[None, :], len(groups), axis=0)
    for number, group in enumerate(groups):
        if group.promises:
            kept[number] *= _by_pool(group, pools, promised_share)
    return kept


def _promised(groups: Sequence[WorkloadGroup], pools: _Pools) -> NDArray[np.bool_]:
    """Where each member of a group keeps its own promise, by group and pool."""
    import numpy as np

    def keeps(
        group: WorkloadGroup, accelerator: str | None, cluster: ClusterSpec, *, spot: bool
    ) -> bool:
        return promise_against(group, accelerator, cluster, spot=spot) is None

    rows = [_by_pool(group, pools, keeps) for group in groups]
    return np.array(rows, dtype=np.bool_).reshape(len(groups), len(pools))


def _by_pool(
    group: WorkloadGroup,
    pools: _Pools,
    judge: Callable[..., float],
) -> list[float]:
    """A judgement for every pool; alike ones of one cluster share it."""
    known: dict[tuple[str, str | None, bool], float] = {}
    row = []
    for cluster, pool in pools:
        suits = bool(accelerators_offered(pool.machine, group.request))
        accelerator = accelerator_of(group, pool) if suits else None
        key = (cluster.name, accelerator, is_spot(pool))
        if key not in known:
            known[key] = judge(group, accelerator, cluster, spot=key[2])
        row.append(known[key])
    return row
