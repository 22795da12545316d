"""Whether a workload may and can run on a cluster at all, and if not, why, in the user's terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.domain.residency import regions_in_words

_LISTED = 5


class Constrained(Protocol):
    """What limits where something runs; profiles and groups both have it."""

    @property
    def request(self) -> ResourceRequest:
        """What one machine must hold."""

    @property
    def allowed_regions(self) -> tuple[str, ...]:
        """Empty: any."""

    @property
    def allowed_providers(self) -> tuple[str, ...]:
        """Empty: any."""

    @property
    def pinned_cluster(self) -> str | None:
        """The only cluster that the user wants."""


def rule_against(workload: Constrained, cluster: ClusterSpec) -> str | None:
    """
    The user's own rule that keeps the workload off the cluster, or ``None``.

    A pin overrides the lists of regions and providers: it is the more definite wish.
    """
    if workload.pinned_cluster is not None:
        if workload.pinned_cluster == cluster.name:
            return None
        return f"pinned to {workload.pinned_cluster}"
    if workload.allowed_regions and cluster.region not in workload.allowed_regions:
        allowed = regions_in_words(workload.allowed_regions)
        return f"region {cluster.region} is not allowed (only {allowed})"
    if workload.allowed_providers and cluster.provider not in workload.allowed_providers:
        allowed = ", ".join(workload.allowed_providers)
        return f"provider {cluster.provider} is not allowed (only {allowed})"
    return None


def refusals_in_words(refusals: Mapping[str, str]) -> str:
    """
    Why clusters are no option, for people: clusters with the same reason together, a few of them named.

    >>> refusals_in_words({"b": "pinned to c", "a": "pinned to c"})
    'a, b: pinned to c'

    Args:
        refusals: Reason by name of the cluster.
    """
    clusters: dict[str, list[str]] = {}
    for cluster, reason in sorted(refusals.items()):
        clusters.setdefault(reason, []).append(cluster)
    told = []
    for reason, names in list(clusters.items())[:_LISTED]:
        more = len(names) - _LISTED
        named = ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")
        told.append(f"{named}: {reason}")
    if len(clusters) > _LISTED:
        told.append(f"and {len(clusters) - _LISTED} more")
    return "; ".join(told) or "there is no cluster"


def limit_against(profile: WorkloadProfile, cluster: ClusterSpec) -> str | None:
    """
    The rule of somebody else that keeps the task off the cluster, or ``None``.

    A pin overrides those that are not binding: it is the more definite wish.
    """
    for limit in profile.cluster_limits:
        if profile.pinned_cluster is not None and not limit.binding:
            continue
        if cluster.name not in limit.clusters:
            return limit.reason
    return None


def machine_against(request: ResourceRequest, cluster: ClusterSpec) -> str | None:
    """
    Why no machine of the cluster holds the request, or ``None`` if one does.

    Told of the machine that comes nearest: that the largest has no accelerator helps nobody whose other
    pool has the right one and too little memory.
    """
    if cluster.feasible_pools(request):
        return None
    if not cluster.pools:
        return "it has no machines"
    nearest = min(
        cluster.pools,
        key=lambda pool: (_lacking(request, pool.machine), -pool.machine.cores, pool.name),
    )
    return shortage(request, nearest.machine)[1]


def _lacking(request: ResourceRequest, machine: Capacity) -> tuple[bool, int]:
    """Whether it lacks accelerators, which no other machine type of a family has, and how much else."""
    return (
        accelerators_offered(machine, request) < request.accelerators,
        (request.memory_gib > machine.memory_gib) + (request.cores > machine.cores),
    )


def shortage(request: ResourceRequest, machine: Capacity) -> tuple[str, str]:
    """
    The first resource that the machine has too little of.

    Returns:
        The name of the request's field and a sentence; for a request that does not fit.
    """
    if request.memory_gib > machine.memory_gib:
        return (
            "memory_gib",
            f"its machine has {machine.memory_gib:g} GiB, {request.memory_gib:g} are needed",
        )
    if request.cores > machine.cores:
        return "cores", f"its machine has {machine.cores:g} cores, {request.cores:g} are needed"
    wanted = f"{request.accelerators} {request.accelerator or 'accelerators'}"
    if request.accelerator_memory_gib:
        wanted += f" with {request.accelerator_memory_gib:.3g} GiB"
    offered = accelerators_offered(machine, request)
    return "accelerators", f"its machine has {offered} of the {wanted} needed"


def accelerators_offered(machine: Capacity, request: ResourceRequest) -> int:
    """
    Accelerators of a machine that suit a request: of its model, and with the memory.

    >>> machine = Capacity(
    ...     cores=8, memory_gib=32, accelerators={"T4": 2}, accelerator_memory_gib={"T4": 16}
    ... )
    >>> small = ResourceRequest(cores=1, memory_gib=1, accelerators=1, accelerator_memory_gib=12)
    >>> large = ResourceRequest(cores=1, memory_gib=1, accelerators=1, accelerator_memory_gib=20)
    >>> accelerators_offered(machine, small), accelerators_offered(machine, large)
    (2, 0)
    """
    return machine.suited_accelerators(request)


def accelerator_taken(request: ResourceRequest, pool: Pool) -> str:
    """The model that a request gets on a pool that suits it: its own, or what is there most often."""
    if request.accelerator is not None:
        return request.accelerator
    offered = accelerators_offered(pool.machine, request)
    return min(
        model
        for model in pool.machine.accelerators
        if accelerators_offered(pool.machine, replace(request, accelerator=model)) == offered
    )
