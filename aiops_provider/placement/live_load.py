"""What is booked on the pools now, as whoever sends tasks there keeps count of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiops_provider.domain.cluster import Capacity
from aiops_provider.domain.profile import ResourceRequest

SLACK = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class InUse:
    """
    What is booked on one pool now.

    Attributes:
        cores: Of running and waiting tasks, and what only other schedulers may use.
        memory_gib: As above.
        accelerators: As above.
        waiting: Tasks among them that have not started.
        leased_cores: Of the cores, those that only other schedulers may use.
        leased_accelerators: As above.
        backlog_s: Seconds that the pool needs for all of it if it is never idle in between: how long
            one more task waits when the pool is full.
    """

    cores: float = 0.0
    memory_gib: float = 0.0
    accelerators: int = 0
    waiting: int = 0
    backlog_s: float = 0.0
    leased_cores: float = 0.0
    leased_accelerators: int = 0


LiveLoad = Mapping[tuple[str, str], InUse]
"""By name of the cluster and name of the pool; what is missing is idle."""


class LoadOfThisMoment(dict[tuple[str, str], InUse]):
    """A live load that whoever handed it out changes no more, so that nobody need copy it again."""


IDLE = InUse()


def fill(request: ResourceRequest, capacity: Capacity, in_use: InUse) -> float:
    """
    Share of a pool that would be booked with one run more; its scarcest resource decides.

    >>> pool = Capacity(cores=8, memory_gib=32)
    >>> fill(ResourceRequest(cores=2, memory_gib=2), pool, InUse(cores=4, memory_gib=30))
    1.0
    """
    share = max(
        (in_use.cores + request.cores) / capacity.cores,
        (in_use.memory_gib + request.memory_gib) / capacity.memory_gib,
    )
    if request.accelerators:
        offered = sum(capacity.accelerators.values())
        share = max(share, (in_use.accelerators + request.accelerators) / offered)
    return share


def has_room(request: ResourceRequest, capacity: Capacity, in_use: InUse) -> bool:
    """Whether one run more fits; the same as a fill of at most 1, but quicker."""
    return (
        in_use.cores + request.cores <= capacity.cores * (1.0 + SLACK)
        and in_use.memory_gib + request.memory_gib <= capacity.memory_gib * (1.0 + SLACK)
        and (
            not request.accelerators
            or in_use.accelerators + request.accelerators <= sum(capacity.accelerators.values())
        )
    )


def is_full(share: float) -> bool:
    """Whether a fill is more than there is; sums of floats get some slack."""
    return share > 1.0 + SLACK
