"""
The placement problem in plain numbers: who may go where, what that costs, what limits it.

Everything is put into one order first, so that the same workloads and clusters give the same
problem however they were listed. A capacity that all groups together cannot exceed is left out, as
it decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aiops_provider.domain.cluster import ClusterSpec, Pool
from aiops_provider.domain.plan import WorkloadGroup
from aiops_provider.placement.cost import (
    EgressPrices,
    egress_usd_per_gib,
    group_cost_usd_per_hour,
    mean_and_peak_machines,
)
from aiops_provider.placement.demand import at
from aiops_provider.placement.eligibility import (
    accelerator_taken,
    accelerators_offered,
    machine_against,
    rule_against,
)
from aiops_provider.placement.promises import (
    accelerator_of,
    is_spot,
    kept_share,
    promise_against,
)
from aiops_provider.placement.separation import Separation, separation_of, too_few_domains


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """
    A pool that may hold a group.

    Attributes:
        group: Index of the group.
        cluster: The cluster.
        pool: Its pool.
        cost_usd_per_hour: If the whole group ran there.
        holds_whole: One machine of the pool holds the whole group at its peak, so that splitting
            the group between this pool and another would break up a reservation for nothing; never
            of a group that is spread.
        far: The group's data would have to move at a price that nobody gave.
        kept: Share of the group's SLA weight that keeps its promises there.
        carbon_kg_per_hour: Emissions if the whole group ran there; the most that is known stands for
            what is not.
    """

    group: int
    cluster: ClusterSpec
    pool: Pool
    cost_usd_per_hour: float
    holds_whole: bool
    far: bool
    kept: float = 1.0
    carbon_kg_per_hour: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """
    What one resource of one pool allows, in every slot alike.

    Attributes:
        cluster: Name of the cluster.
        pool: Name of the pool.
        resource: cores, memory_gib, or the accelerator's model.
        amount: Of the whole pool.
        per_machine: Of one machine.
        demand: Index of an option and what its group needs as a whole, by slot: one entry, if all
            its slots are alike, or as many as there are slots.
        slots: Hours of the week in which the limit may bind; 0 if all hours are alike.
    """

    cluster: str
    pool: str
    resource: str
    amount: float
    per_machine: float
    demand: tuple[tuple[int, tuple[float, ...]], ...]
    slots: tuple[int, ...]

    def terms(self, slot: int) -> list[tuple[int, float]]:
        """Options that need something in that slot, with how much."""
        now = ((index, at(series, slot)) for index, series in self.demand)
        return [(index, amount) for index, amount in now if amount > 0]

    def usage(self, shares: Sequence[float]) -> dict[int, float]:
        """What these shares use, by slot."""
        active = [(series, shares[index]) for index, series in self.demand if shares[index] > 0]
        return {
            slot: math.fsum(at(series, slot) * share for series, share in active)
            for slot in self.slots
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementProblem:
    """
    Everything that a solver needs to know.

    Attributes:
        groups: In order of their names.
        clusters: Those that can be used, in order of their names.
        options: Every pool that may hold a group.
        options_of: Indices of its options, by group.
        limits: Those that may bind.
        refusals: Why a cluster is no option, by name of the group and of the cluster.
        separation: Which groups are spread or kept apart.
    """

    groups: tuple[WorkloadGroup, ...]
    clusters: tuple[ClusterSpec, ...]
    options: tuple[Option, ...]
    options_of: tuple[tuple[int, ...], ...]
    limits: tuple[Limit, ...]
    refusals: Mapping[str, Mapping[str, str]]
    separation: Separation = field(default_factory=Separation)

    @property
    def weight(self) -> float:
        """SLA weight of all groups."""
        return math.fsum(group.sla_weight for group in self.groups)

    @property
    def placeable(self) -> float:
        """SLA that there would be if each group had its best option; 1 if there is no group."""
        if not self.weight:
            return 1.0
        held = (
            group.sla_weight * self.most_kept(number)
            for number, (group, own) in enumerate(zip(self.groups, self.options_of, strict=True))
            if own
        )
        return math.fsum(held) / self.weight

    def most_kept(self, number: int) -> float:
        """Of its promises by a group that has all of its options to itself."""
        own = self.options_of[number]
        rule = self.separation.spreads.get(number)
        if rule is None:
            return max(self.options[i].kept for i in own)
        best: dict[str, float] = {}
        for option in (self.options[i] for i in own):
            domain = option.cluster.failure_domain(rule.domain)
            best[domain] = max(best.get(domain, 0.0), option.kept)
        return math.fsum(sorted(best.values())[-rule.at_least :]) / rule.at_least

    @property
    def alike(self) -> bool:
        """Whether promises are kept equally wherever a group can go, so that they decide nothing."""
        return all(len({self.options[i].kept for i in own}) <= 1 for own in self.options_of)

    def worth(self, option: Option) -> float:
        """SLA weight of an option's group that keeps its promises there."""
        return self.groups[option.group].sla_weight * option.kept


def make_problem(
    groups: Iterable[WorkloadGroup],
    clusters: Iterable[ClusterSpec],
    *,
    unavailable: Collection[str] = frozenset(),
    egress: EgressPrices | None = None,
    freed: Collection[str] = frozenset(),
    every_workload: bool = False,
    carbon_usd_per_kg: float = 0.0,
) -> PlacementProblem:
    """
    Write the problem down.

    Args:
        groups: What is to be placed; names are unique.
        clusters: Where.
        unavailable: Names of clusters that must not be used.
        egress: Prices of data that leaves its region, where they are known.
        freed: Names of groups whose pin, regions, providers and separation are ignored, to ask what if.
        every_workload: Only pools where each member keeps its own promise are options, and there a
            group counts wholly.
        carbon_usd_per_kg: Price put on emissions; it is part of the cost.
    """
    ordered_groups = tuple(sorted(groups, key=lambda group: group.name))
    ordered_clusters = tuple(sorted(clusters, key=lambda cluster: cluster.name))
    usable = tuple(c for c in ordered_clusters if c.name not in unavailable)
    options: list[Option] = []
    separation = separation_of(ordered_groups, freed)
    refusals: dict[str, dict[str, str]] = {}
    sizes = _Sizes()
    for index, group in enumerate(ordered_groups):
        refusals[group.name] = refusals_of(
            group,
            ordered_clusters,
            unavailable=unavailable,
            freed=group.name in freed,
            every_workload=every_workload,
        )
        for cluster in usable:
            if cluster.name not in refusals[group.name]:
                options += _options(
                    index,
                    group,
                    cluster,
                    egress or {},
                    sizes,
                    every_workload=every_workload,
                    spread=index in separation.spreads,
                    carbon_usd_per_kg=carbon_usd_per_kg,
                )
    options_of = _by_group(options, len(ordered_groups))
    return PlacementProblem(
        groups=ordered_groups,
        clusters=usable,
        options=tuple(options),
        options_of=options_of,
        limits=tuple(_binding_limits(ordered_groups, options)),
        refusals=refusals,
        separation=separation,
    )


def demand_of(group: WorkloadGroup, pool: Pool) -> dict[str, tuple[float, ...]]:
    """What the whole group takes of each resource of a pool, by slot."""
    demand = {"cores": group.cores_by_slot, "memory_gib": group.memory_gib_by_slot}
    if group.request.accelerators:
        demand[accelerator_taken(group.request, pool)] = group.accelerators_by_slot
    return demand


def refusals_of(
    group: WorkloadGroup,
    clusters: Sequence[ClusterSpec],
    *,
    unavailable: Collection[str],
    freed: bool,
    every_workload: bool = False,
) -> dict[str, str]:
    """
    Why a cluster is no option for a group, by its name.

    Args:
        group: The group.
        clusters: All of them.
        unavailable: Names of those that must not be used.
        freed: Whether the group's pin, regions and providers are ignored.
        every_workload: Whether each member must keep its own promise.
    """
    reasons = {}
    for cluster in clusters:
        rule = None if freed else rule_against(group, cluster)
        reason = rule or machine_against(group.request, cluster)
        if reason is None and cluster.name in unavailable:
            reason = "it is unavailable"
        if reason is None and every_workload:
            reason = _no_pool_keeps(group, cluster)
        if reason is not None:
            reasons[cluster.name] = reason
    if group.spread is not None and not freed:
        left = [cluster for cluster in clusters if cluster.name not in reasons]
        reason = too_few_domains(group.spread, left)
        if reason is not None:
            reasons |= {cluster.name: reason for cluster in left}
    return reasons


def _no_pool_keeps(group: WorkloadGroup, cluster: ClusterSpec) -> str | None:
    reason = None
    for pool in sorted(cluster.feasible_pools(group.request), key=lambda pool: pool.name):
        reason = promise_against(group, accelerator_of(group, pool), cluster, spot=is_spot(pool))
        if reason is None:
            return None
    return reason


class _Sizes:
    """Machines that groups occupy; pools of like machines share the answer."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], tuple[float, float]] = {}

    def mean_and_peak(self, index: int, group: WorkloadGroup, pool: Pool) -> tuple[float, float]:
        machine = pool.machine
        offered = accelerators_offered(machine, group.request)
        key = (index, machine.cores, machine.memory_gib, offered)
        if key not in self._known:
            self._known[key] = mean_and_peak_machines(group, pool)
        return self._known[key]


def _options(
    index: int,
    group: WorkloadGroup,
    cluster: ClusterSpec,
    egress: EgressPrices,
    sizes: _Sizes,
    *,
    every_workload: bool,
    spread: bool,
    carbon_usd_per_kg: float,
) -> Iterable[Option]:
    for pool in sorted(cluster.feasible_pools(group.request), key=lambda pool: pool.name):
        if (
            every_workload
            and promise_against(group, accelerator_of(group, pool), cluster, spot=is_spot(pool))
            is not None
        ):
            continue
        mean, peak = sizes.mean_and_peak(index, group, pool)
        yield Option(
            group=index,
            cluster=cluster,
            pool=pool,
            cost_usd_per_hour=group_cost_usd_per_hour(
                group,
                cluster,
                pool,
                egress,
                mean_machines=mean,
                carbon_usd_per_kg=carbon_usd_per_kg,
            ),
            holds_whole=peak <= 1.0 and not spread,
            far=egress_usd_per_gib(egress, group.data_region, cluster) is None,
            kept=1.0 if every_workload else kept_share(group, cluster, pool),
            carbon_kg_per_hour=0.0 if pool.carbon is None else mean * pool.carbon.kg_per_hour,
        )


def _by_group(options: Sequence[Option], groups: int) -> tuple[tuple[int, ...], ...]:
    own: list[list[int]] = [[] for _ in range(groups)]
    for index, option in enumerate(options):
        own[option.group].append(index)
    return tuple(tuple(indices) for indices in own)


def _binding_limits(groups: Sequence[WorkloadGroup], options: Sequence[Option]) -> Iterable[Limit]:
    by_pool: dict[tuple[str, str], list[int]] = {}
    for index, option in enumerate(options):
        by_pool.setdefault((option.cluster.name, option.pool.name), []).append(index)
    slots = _distinct_slots(groups)
    # Pools that the same groups compete for see the same total.
    totals: dict[tuple[str, tuple[int, ...]], dict[int, float]] = {}
    for (cluster, pool_name), indices in sorted(by_pool.items()):
        pool = options[indices[0]].pool
        demands = {index: demand_of(groups[options[index].group], pool) for index in indices}
        for resource, (amount, per_machine) in _limits(pool).items():
            series = tuple(
                (index, demand[resource]) for index, demand in demands.items() if resource in demand
            )
            key = (resource, tuple(options[index].group for index, _ in series))
            if key not in totals:
                totals[key] = {
                    slot: math.fsum(at(values, slot) for _, values in series) for slot in slots
                }
            tight = tuple(slot for slot, total in totals[key].items() if total > amount)
            if tight:
                yield Limit(
                    cluster=cluster,
                    pool=pool_name,
                    resource=resource,
                    amount=amount,
                    per_machine=per_machine,
                    demand=series,
                    slots=tight,
                )


def _distinct_slots(groups: Sequence[WorkloadGroup]) -> list[int]:
    """Of slots in which every group needs the same, such as the same hour of two days, the first."""
    series = [
        values
        for group in groups
        for values in (group.cores_by_slot, group.memory_gib_by_slot, group.accelerators_by_slot)
        if len(values) > 1
    ]
    seen: dict[tuple[float, ...], int] = {}
    for slot in range(len(series[0]) if series else 1):
        seen.setdefault(tuple(values[slot] for values in series), slot)
    return list(seen.values())


def _limits(pool: Pool) -> dict[str, tuple[float, float]]:
    machine, whole = pool.machine, pool.capacity
    limits = {
        "cores": (whole.cores, machine.cores),
        "memory_gib": (whole.memory_gib, machine.memory_gib),
    }
    for model in sorted(machine.accelerators):
        limits[model] = (float(whole.accelerators[model]), float(machine.accelerators[model]))
    return limits
