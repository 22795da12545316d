"""What ``aiops plan schedule`` does: how many machines of each pool run in each hour of the week."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.units import SECONDS_PER_HOUR
from aiops_provider.errors import DataError

if TYPE_CHECKING:
    from aiops_provider.domain.plan import PlacementPlan
    from aiops_provider.profiling.capacity_schedule import CapacitySchedule

# The plan's figure is what is expected; it has no interval of its own.
_LEVELS = (0.5, 0.8, 0.95)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSchedule:
    """
    Machines of one pool over a week.

    Attributes:
        cluster: Name of the cluster.
        pool: Name of the pool.
        groups: Names of the groups that the plan assigns to it.
        schedule: Of its machines, on the clock of UTC.
    """

    cluster: str
    pool: str
    groups: tuple[str, ...]
    schedule: CapacitySchedule


def schedule_pools(
    plan: PlacementPlan,
    clusters: Sequence[ClusterSpec],
    *,
    cluster: str | None = None,
    pool: str | None = None,
    cold_start_s: float = 60.0,
    minimum: int = 0,
) -> list[PoolSchedule]:
    """
    Schedule the machines that a plan needs, pool by pool.

    Whole machines, held over short dips and with few changes, as of any capacity schedule; never more
    than the pool may have.

    Args:
        plan: Whose groups are assigned.
        clusters: As configured.
        cluster: Only this one.
        pool: Only pools of this name.
        cold_start_s: From the order of a machine until it takes tasks, >= 0.
        minimum: Machines of each pool that always run, >= 0.

    Raises:
        DataError: There is no such cluster or pool, or an option cannot be.
    """
    import numpy as np

    from aiops_provider.placement.pool_need import machines_by_pool
    from aiops_provider.profiling.capacity_demand import WeekOfDemand
    from aiops_provider.profiling.capacity_policy import CapacityPolicy
    from aiops_provider.profiling.capacity_reaction import reaction_for
    from aiops_provider.profiling.capacity_schedule import schedule_for
    from aiops_provider.profiling.forecast import DemandForecast

    most = {(c.name, p.name): p.max_instances for c in clusters for p in c.pools}
    _check_name("cluster", cluster, [each.name for each in clusters])
    _check_name("pool", pool, [name for of, name in most if cluster in {None, of}])
    name = f"plan {plan.version}" if plan.version else "the plan"
    found = []
    for (of_cluster, of_pool), needed in machines_by_pool(plan, clusters).items():
        if cluster not in {None, of_cluster} or pool not in {None, of_pool}:
            continue
        groups = sorted(
            given.group
            for given in plan.assignments
            if (given.cluster, given.pool) == (of_cluster, of_pool)
        )
        levels = dict.fromkeys(_LEVELS, np.array(needed))
        forecast = DemandForecast(
            quantiles=levels,
            step_s=SECONDS_PER_HOUR,
            seasons=(),
            method=name,
            sample_count=0,
            reason="expected use of its groups",
        )
        made = schedule_for(
            WeekOfDemand(
                quantiles=levels,
                slot_s=SECONDS_PER_HOUR,
                timezone="UTC",
                forecast=forecast,
                begins=0,
            ),
            CapacityPolicy(
                capacity_per_instance=1.0,
                quantile=_LEVELS[0],
                cold_start_s=cold_start_s,
                minimum=minimum,
                maximum=max(1, minimum, most[of_cluster, of_pool]),
            ),
            reaction_for([], [], cold_start_s),
            _LEVELS[0],
        )
        reason = (
            f"{name} assigns {len(groups)} groups, whose scarcest resource takes up to "
            f"{max(needed):.3g} machines"
            if groups
            else f"{name} assigns nothing to it"
        )
        found.append(
            PoolSchedule(
                cluster=of_cluster,
                pool=of_pool,
                groups=tuple(groups),
                schedule=replace(made, reason=reason),
            )
        )
    return sorted(found, key=lambda each: (each.cluster, each.pool))


def pool_schedule_as_data(scheduled: PoolSchedule) -> dict[str, Any]:
    """The schedule as plain data."""
    return {
        "cluster": scheduled.cluster,
        "pool": scheduled.pool,
        "groups": scheduled.groups,
        **asdict(scheduled.schedule),
        "smallest": scheduled.schedule.smallest,
        "largest": scheduled.schedule.largest,
    }


def _check_name(field: str, name: str | None, known: Sequence[str]) -> None:
    if name is not None and name not in known:
        raise DataError(
            "is not configured",
            field=field,
            value=name,
            mend=f"Use one of {', '.join(dict.fromkeys(known))}.",
        )
