"""
What running somewhere costs: a share of a machine for a time, storage, data that leaves its region.

An unknown price is never nothing. Where a decision needs a figure all the same, a pool without a
price counts as dearer than any machine on a price list, and whoever decides must say so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from aiops_provider.domain.cluster import ClusterSpec, Pool
from aiops_provider.domain.plan import WorkloadGroup
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.units import HOURS_PER_MONTH
from aiops_provider.placement.eligibility import accelerators_offered

# Above every on-demand list price of the three large clouds in 2026: the dearest core of a machine
# without accelerators was 0.72 USD an hour, the dearest accelerator 23.3 (with its share of the
# machine). They depend on no other cluster, so adding one never changes what a plan costs.
UNKNOWN_USD_PER_CORE_HOUR = 1.0
UNKNOWN_USD_PER_ACCELERATOR_HOUR = 25.0

EgressPrices = Mapping[str, Mapping[str, float]]
"""USD per GiB, by region of the data, then region of the cluster."""


def planning_price(pool: Pool) -> float:
    """
    USD for one machine for one hour; where it is unknown, more than any machine like it costs.

    >>> from aiops_provider.domain.cluster import Capacity
    >>> machine = Capacity(cores=4, memory_gib=16)
    >>> planning_price(Pool(name="p", machine=machine, max_instances=1, price_usd_per_hour=None))
    4.0
    """
    if pool.price_usd_per_hour is not None:
        return pool.price_usd_per_hour
    accelerators = sum(pool.machine.accelerators.values())
    return (
        UNKNOWN_USD_PER_CORE_HOUR * pool.machine.cores
        + UNKNOWN_USD_PER_ACCELERATOR_HOUR * accelerators
    )


def machine_usd_per_hour(pool: Pool, carbon_usd_per_kg: float) -> float:
    """
    What one machine counts as for one hour: its price and that of its emissions.

    Args:
        pool: Of the machine; see :func:`planning_price` where its price is unknown.
        carbon_usd_per_kg: Price that the objective puts on emissions.
    """
    return planning_price(pool) + carbon_usd_per_hour(pool, carbon_usd_per_kg)


def run_usd_per_hour(
    pool: Pool,
    machines: float,
    *,
    carbon_usd_per_kg: float,
    storage_usd_per_hour: float,
) -> float | None:
    """
    What a run costs for each of its hours: machine, emissions, storage; ``None``: no price is known.

    Args:
        pool: Where it runs.
        machines: Share of a machine that it holds, times the pace of its work there.
        carbon_usd_per_kg: Price that the objective puts on emissions.
        storage_usd_per_hour: Of what the run stores.
    """
    if pool.price_usd_per_hour is None:
        return None
    return machines * machine_usd_per_hour(pool, carbon_usd_per_kg) + storage_usd_per_hour


def machines_by_slot(group: WorkloadGroup, pool: Pool) -> tuple[float, ...]:
    """
    Machines of the pool that the whole group occupies per slot; its scarcest resource decides.

    Returns:
        As many entries as the longest of the group's series has.
    """
    machine = pool.machine
    offered = accelerators_offered(machine, group.request)
    series = [
        (group.cores_by_slot, machine.cores),
        (group.memory_gib_by_slot, machine.memory_gib),
    ]
    if group.request.accelerators:
        series.append((group.accelerators_by_slot, float(offered)))
    slots = max(len(demand) for demand, _ in series)
    return tuple(
        max(demand[slot if len(demand) > 1 else 0] / offer for demand, offer in series)
        for slot in range(slots)
    )


def egress_usd_per_gib(
    egress: EgressPrices, source: str | None, cluster: ClusterSpec
) -> float | None:
    """
    Price of moving data to a cluster; 0 where it need not leave its region, ``None`` if unknown.

    Args:
        egress: Prices as given; nothing is made up where there is none.
        source: Region of the data; ``None``: nothing has to move.
        cluster: Where it is read.
    """
    if source is None or source == cluster.region:
        return 0.0
    return egress.get(source, {}).get(cluster.region)


def storage_usd_per_hour(group: WorkloadGroup, cluster: ClusterSpec) -> float:
    """
    Price of what the group's members store where they run; classes without any known price are left out.

    A class whose price is known elsewhere only counts as dear as the dearest of these.
    """
    return math.fsum(gib * storage_price(cluster, name) for name, gib in group.storage_gib.items())


def storage_price(cluster: ClusterSpec, storage_class: str) -> float:
    """USD for one GiB for one hour; 0 where no price of the class is known anywhere."""
    rate = cluster.storage.get(storage_class)
    return 0.0 if rate is None else rate.usd_per_gib_month / HOURS_PER_MONTH


def mean_and_peak_machines(group: WorkloadGroup, pool: Pool) -> tuple[float, float]:
    """Machines of the pool that the whole group occupies, over the slots."""
    occupied = machines_by_slot(group, pool)
    return math.fsum(occupied) / len(occupied), max(occupied)


def group_cost_usd_per_hour(
    group: WorkloadGroup,
    cluster: ClusterSpec,
    pool: Pool,
    egress: EgressPrices,
    *,
    mean_machines: float | None = None,
    carbon_usd_per_kg: float = 0.0,
) -> float:
    """
    Mean spend if the whole group ran there; egress counts only where its price was given.

    Machines, storage of what the members write and hold, and data that leaves its region.

    Args:
        group: Of which one machine of the pool can hold the request.
        cluster: The pool's cluster.
        pool: Where.
        egress: Prices as given.
        mean_machines: As of :func:`mean_and_peak_machines` where it is known already.
        carbon_usd_per_kg: Price that the objective puts on emissions.
    """
    if mean_machines is None:
        mean_machines, _ = mean_and_peak_machines(group, pool)
    machines = mean_machines * machine_usd_per_hour(pool, carbon_usd_per_kg)
    moved = egress_usd_per_gib(egress, group.data_region, cluster) or 0.0
    return machines + storage_usd_per_hour(group, cluster) + moved * group.data_gib_per_hour


def carbon_usd_per_hour(pool: Pool, carbon_usd_per_kg: float) -> float:
    """What the emissions of one machine count as, at the price that the objective puts on them."""
    return 0.0 if pool.carbon is None else pool.carbon.kg_per_hour * carbon_usd_per_kg


def carbon_kg_per_hour(group: WorkloadGroup, pool: Pool) -> float | None:
    """Mean emissions if the whole group ran there, in kilograms of CO₂ equivalent; ``None``: unknown."""
    if pool.carbon is None or not pool.carbon.known:
        return None
    mean_machines, _ = mean_and_peak_machines(group, pool)
    return mean_machines * pool.carbon.kg_per_hour


def single_cluster_cost(
    request: ResourceRequest, duration_s: float, cluster: ClusterSpec
) -> float | None:
    """
    What one run would cost if this were the only cluster.

    Args:
        request: What the run holds.
        duration_s: For how long, in seconds.
        cluster: Its cheapest pool that can hold the request is taken.

    Returns:
        USD, or ``None`` when no machine there holds it or the price of one that does is unknown
        (the unknown one might be the cheapest).
    """
    costs = [pool.cost_usd(request, duration_s) for pool in cluster.feasible_pools(request)]
    known = [cost for cost in costs if cost is not None]
    return min(known) if known and len(known) == len(costs) else None
