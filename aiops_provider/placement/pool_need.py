"""How many machines of each pool a plan needs in each slot of the week."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aiops_provider.domain.cluster import ClusterSpec, Pool
from aiops_provider.domain.plan import PlacementPlan, WorkloadGroup
from aiops_provider.placement.eligibility import accelerator_taken

_SLOTS = 168


def machines_by_pool(
    plan: PlacementPlan, clusters: Iterable[ClusterSpec]
) -> dict[tuple[str, str], tuple[float, ...]]:
    """
    Machines that the groups assigned to each pool use together; the scarcest resource decides.

    Args:
        plan: With its assignments.
        clusters: As configured; what is assigned to a pool that is gone is left out.

    Returns:
        By cluster and pool 168 entries, Monday 00 UTC first, all 0 where nothing is assigned; fractions,
        for a machine is shared by groups.
    """
    pools = {(cluster.name, pool.name): pool for cluster in clusters for pool in cluster.pools}
    groups = {group.name: group for group in plan.groups}
    used: dict[tuple[str, str], dict[str, list[float]]] = {key: {} for key in pools}
    for given in plan.assignments:
        key = (given.cluster, given.pool)
        if key not in pools:
            continue
        for resource, series, offered in _needs(groups[given.group], pools[key]):
            total = used[key].setdefault(resource, [0.0] * _SLOTS)
            for slot in range(_SLOTS):
                amount = series[slot if len(series) > 1 else 0]
                total[slot] += given.share * amount / offered
    return {
        key: tuple(map(max, *totals.values())) if totals else (0.0,) * _SLOTS
        for key, totals in used.items()
    }


def _needs(group: WorkloadGroup, pool: Pool) -> list[tuple[str, Sequence[float], float]]:
    """Resource, what the whole group needs of it by slot, and what a machine has."""
    machine, request = pool.machine, group.request
    found: list[tuple[str, Sequence[float], float]] = [
        ("cores", group.cores_by_slot, machine.cores),
        ("memory", group.memory_gib_by_slot, machine.memory_gib),
    ]
    if request.accelerators:
        model = accelerator_taken(request, pool)
        found.append((model, group.accelerators_by_slot, float(machine.accelerators[model])))
    return found
