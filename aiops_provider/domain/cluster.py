"""Clusters: machines of one provider in one region that tasks can be sent to."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.separation import FailureDomain


class Purchase(StrEnum):
    """How machines are bought."""

    ON_DEMAND = "on_demand"
    SPOT = "spot"
    RESERVED = "reserved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """
    Resources that can be in use at once.

    Attributes:
        cores: CPU cores.
        memory_gib: Memory.
        accelerators: Number of GPUs by model.
        accelerator_memory_gib: Memory of one GPU by model; one that is missing is not judged.
    """

    cores: float
    memory_gib: float
    accelerators: Mapping[str, int] = field(default_factory=dict)
    accelerator_memory_gib: Mapping[str, float] = field(default_factory=dict)

    def fits(self, request: ResourceRequest) -> bool:
        """Whether the request fits into this much."""
        if request.cores > self.cores or request.memory_gib > self.memory_gib:
            return False
        return request.accelerators <= self.suited_accelerators(request)

    def suited_accelerators(self, request: ResourceRequest) -> int:
        """
        Number of GPUs of the model that suits the request and is here most often; 0 without any.

        A model suits if it is the wanted one and as many as are asked for have the memory.
        """
        wanted = request.accelerator
        models = self.accelerators if wanted is None else {wanted} & self.accelerators.keys()
        each = request.accelerator_memory_gib / max(request.accelerators, 1)
        return max(
            (
                self.accelerators[model]
                for model in models
                if self.accelerator_memory_gib.get(model, math.inf) >= each
            ),
            default=0,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CarbonRate:
    """
    What a machine in use emits where it stands.

    Attributes:
        kg_per_hour: CO₂ equivalent of one machine, in kilograms.
        known: False: its power or its grid is unknown, and the most that is known stands for it.
    """

    kg_per_hour: float
    known: bool = True


WHOLE_CLUSTER = "default"
"""Name of the pool of a cluster that is given as one capacity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """
    Machines of one type inside a cluster.

    Attributes:
        name: Unique inside its cluster.
        machine: What one machine offers; no request may exceed it.
        max_instances: Machines that may run at once.
        price_usd_per_hour: One machine for one hour; ``None`` when unknown.
        instance_type: The provider's name of the machine type.
        purchase: How the machines are bought.
        carbon: Of one machine; ``None``: nobody asked.
    """

    name: str
    machine: Capacity
    max_instances: int
    price_usd_per_hour: float | None
    instance_type: str | None = None
    purchase: Purchase = Purchase.ON_DEMAND
    carbon: CarbonRate | None = None

    @property
    def capacity(self) -> Capacity:
        """All machines together."""
        return Capacity(
            cores=self.machine.cores * self.max_instances,
            memory_gib=self.machine.memory_gib * self.max_instances,
            accelerators={
                model: count * self.max_instances
                for model, count in self.machine.accelerators.items()
            },
            accelerator_memory_gib=self.machine.accelerator_memory_gib,
        )

    def machine_share(self, request: ResourceRequest) -> float:
        """
        Share of one machine that the request occupies: its scarcest resource decides.

        >>> machine = Capacity(cores=4, memory_gib=16)
        >>> pool = Pool(name="p", machine=machine, max_instances=1, price_usd_per_hour=1.0)
        >>> pool.machine_share(ResourceRequest(cores=1, memory_gib=8))
        0.5
        """
        shares = [request.cores / self.machine.cores, request.memory_gib / self.machine.memory_gib]
        if request.accelerators:
            offered = self.machine.suited_accelerators(request)
            if not offered:
                raise ValueError(
                    f"pool {self.name} has no accelerator {request.accelerator or 'at all'}"
                )
            shares.append(request.accelerators / offered)
        return max(shares)

    def cost_usd(self, request: ResourceRequest, duration_s: float) -> float | None:
        """Price of the share of a machine that the request holds for the duration."""
        if self.price_usd_per_hour is None:
            return None
        return self.machine_share(request) * self.price_usd_per_hour * duration_s / 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """
    How often a cluster can be used.

    Attributes:
        share: Of the time, in (0, 1].
        observations: Minutes of probes behind it; 0: somebody said so.
    """

    share: float
    observations: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSpells:
    """
    How a cluster has come and gone, as all who probe it agree.

    Attributes:
        is_up: Whether it was there at the last probe.
        observed_at: When that was.
        up_s: Watched time in which it was there, in seconds.
        down_s: Watched time in which it was away, in seconds.
        losses: How often it went; what is long past counts less than once.
        returns: How often it came back; likewise.
    """

    is_up: bool
    observed_at: datetime
    up_s: float
    down_s: float
    losses: float
    returns: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageRate:
    """
    What storage costs where a cluster is.

    Attributes:
        usd_per_gib_month: Of one GiB for 730 hours.
        known: False: nobody gave the price of this place, and the dearest known one stands for it.
    """

    usd_per_gib_month: float
    known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSpec:
    """
    A cluster as configured.

    Attributes:
        name: Unique.
        kind: What talks to it: ``local``, ``celery``, ``kubernetes`` …
        provider: on_premises, aws, azure, google_cloud …
        region: The provider's name of the region.
        pools: Its machines, at least one.
        options: What only its kind understands.
        availability: How often it can be used; ``None``: not known, and counted as always.
        round_trip_ms: To regions of users and back, as far as known and asked for.
        storage: Prices of storage there by class; of one that is missing nothing is known anywhere.
    """

    name: str
    kind: str
    provider: str
    region: str
    pools: tuple[Pool, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    availability: Availability | None = None
    round_trip_ms: Mapping[str, float] = field(default_factory=dict)
    storage: Mapping[str, StorageRate] = field(default_factory=dict)

    @property
    def stands_in(self) -> bool:
        """Whether local processes stand in for a cloud whose properties are only declared."""
        return self.kind == "local" and self.provider != "on_premises"

    def failure_domain(self, kind: FailureDomain) -> str:
        """Name of what fails together with it."""
        if kind is FailureDomain.CLUSTER:
            return self.name
        return self.region if kind is FailureDomain.REGION else self.provider

    def pool(self, name: str) -> Pool:
        """The pool of that name; raises KeyError."""
        for pool in self.pools:
            if pool.name == name:
                return pool
        raise KeyError(name)

    def feasible_pools(self, request: ResourceRequest) -> tuple[Pool, ...]:
        """Pools of which one machine can hold the request."""
        return tuple(pool for pool in self.pools if pool.machine.fits(request))


class HealthState(StrEnum):
    """What the last probe said."""

    HEALTHY = "healthy"
    UNREACHABLE = "unreachable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterHealth:
    """
    Outcome of the latest probe of a cluster.

    Attributes:
        cluster: Its name.
        state: What the probe said.
        observed_at: When.
        detail: Why, one sentence.
    """

    cluster: str
    state: HealthState
    observed_at: datetime
    detail: str = ""
