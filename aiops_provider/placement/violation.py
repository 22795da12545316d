"""What the checker of plans speaks in: a broken promise, and a share with what it refers to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from aiops_provider.domain.cluster import ClusterSpec, Pool
from aiops_provider.domain.plan import Assignment, PlacementPlan, WorkloadGroup

# Solvers guarantee about this much; a limit exceeded by less is kept.
TOLERANCE = Fraction(1, 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """
    A promise that the plan breaks.

    Attributes:
        kind: unknown, duplicate, share, unplaced, unavailable, machine, pin, region, provider,
            split, spread, anti-affinity, capacity, interference, budget, cost, carbon, sla, promise
            or bound.
        subject: What breaks it.
        limit: What was allowed.
        value: What the plan has.
        sentence: For people.
    """

    kind: str
    subject: str
    limit: object
    value: object
    sentence: str


@dataclass(frozen=True, slots=True)
class PlacedShare:
    """
    One assignment with what its names stand for.

    Attributes:
        given: The assignment.
        group: Its group.
        cluster: Its cluster.
        pool: Its pool.
    """

    given: Assignment
    group: WorkloadGroup
    cluster: ClusterSpec
    pool: Pool

    @property
    def where(self) -> str:
        """Cluster and pool, for people."""
        return f"{self.cluster.name}/{self.pool.name}"

    @property
    def offered(self) -> int:
        """Accelerators of the wanted kind on one machine."""
        model, enough = self.group.request.accelerator, self._large_enough
        if model is None:
            return max(enough.values(), default=0)
        return enough.get(model, 0)

    @property
    def _large_enough(self) -> dict[str, int]:
        """Accelerators of one machine by model, of those whose memory is enough."""
        need, machine = self.group.request, self.pool.machine
        return {
            name: count
            for name, count in machine.accelerators.items()
            if machine.accelerator_memory_gib.get(name, need.accelerator_memory_gib)
            * max(1, need.accelerators)
            >= need.accelerator_memory_gib
        }

    @property
    def accelerator(self) -> str:
        """The model that the group gets: its own, or what a machine has most of that will do."""
        if self.group.request.accelerator is not None:
            return self.group.request.accelerator
        models = sorted(self._large_enough.items(), key=lambda item: (-item[1], item[0]))
        return models[0][0] if models else "accelerators"


def placed_shares(plan: PlacementPlan, clusters: Sequence[ClusterSpec]) -> tuple[PlacedShare, ...]:
    """The assignments whose group, cluster and pool exist."""
    groups = {group.name: group for group in plan.groups}
    pools = {(c.name, pool.name): (c, pool) for c in clusters for pool in c.pools}
    found = []
    for given in plan.assignments:
        place, group = pools.get((given.cluster, given.pool)), groups.get(given.group)
        if place is not None and group is not None:
            found.append(PlacedShare(given, group, *place))
    return tuple(found)
