"""What a task will need: every figure an interval with its source and a reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from aiops_provider.domain.separation import AntiAffinityRule, SpreadRule
from aiops_provider.domain.task import TaskKey


class Source(StrEnum):
    """Where a figure comes from."""

    PRIOR = "prior"
    OWN_HISTORY = "own_history"
    SIMILAR_TASKS = "similar_tasks"
    FORECAST = "forecast"
    PINNED = "pinned"


class ComputeType(StrEnum):
    """The kind of processor a task needs."""

    CPU = "cpu"
    GPU = "gpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """
    A figure that is not known exactly; its unit is in the name of the field that holds it.

    Attributes:
        p50: As likely exceeded as not.
        p80: Exceeded once in five runs.
        p95: Exceeded once in twenty runs.
        source: Where it comes from.
        sample_count: Finished runs behind it; 0 for a prior.
        reason: One sentence for people.
    """

    p50: float
    p80: float
    p95: float
    source: Source
    sample_count: int = 0
    reason: str = ""

    def __post_init__(self) -> None:
        if not (0 <= self.p50 <= self.p80 <= self.p95 < float("inf")):
            raise ValueError(
                f"a quantity needs 0 <= p50 <= p80 <= p95 < inf, got {self.p50}, {self.p80}, {self.p95}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """
    Something chosen from a list rather than measured, such as a serving runtime.

    Attributes:
        value: What was chosen.
        source: What the choice rests on.
        sample_count: Finished runs behind it; 0 for a prior.
        reason: One sentence for people.
    """

    value: str
    source: Source = Source.PRIOR
    sample_count: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRequest:
    """
    What is asked of a cluster for one run; the cluster enforces it.

    Attributes:
        cores: CPU cores, > 0.
        memory_gib: Memory of the whole process tree, > 0; more than this is killed.
        accelerator: GPU model such as ``T4``, or ``None``.
        accelerators: Number of GPUs.
        accelerator_memory_gib: Memory of all its GPUs together; 0: any will do.
        local_disk_gib: Scratch space.
        memory_quantile: Quantile of the memory profile that was chosen, in (0, 1].
        reason: Why this much, one sentence.
    """

    cores: float
    memory_gib: float
    accelerator: str | None = None
    accelerators: int = 0
    accelerator_memory_gib: float = 0.0
    local_disk_gib: float = 0.0
    memory_quantile: float | None = None
    reason: str = ""


PRICED_STORAGE = ("warehouse", "sql", "key_value", "object", "file", "stream")
"""Classes that are paid by GiB and month; ``in_memory`` is the machine's own memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageNeed:
    """
    Storage that a task reads from, works in or writes to.

    Attributes:
        role: source, intermediate or target.
        storage_class: warehouse, sql, key_value, object, file, in_memory or stream.
        capacity_gib: How much.
        source: What the class rests on.
        reason: Why this class, one sentence.
    """

    role: str
    storage_class: str
    capacity_gib: Quantity
    source: Source = Source.PRIOR
    reason: str = ""


REQUESTS = "requests/s"
"""Unit of the use of an endpoint; that of other tasks is ``starts``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyUse:
    """
    Use of a task in each hour of the week to come, 168 entries each, Monday 00 UTC first.

    Attributes:
        unit: ``starts`` of runs within the hour, or ``requests/s`` to an endpoint.
        p50: As likely exceeded as not.
        p80: Exceeded in one week of five.
        p95: Exceeded in one week of twenty.
        source: Where it comes from.
        sample_count: Hours of the past behind it.
        reason: One sentence for people.
    """

    unit: str
    p50: tuple[float, ...]
    p80: tuple[float, ...]
    p95: tuple[float, ...]
    source: Source = Source.FORECAST
    sample_count: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterLimit:
    """
    The only clusters that a task may use, by a rule that is not its author's.

    Attributes:
        clusters: Their names, the preferred one first; empty: the rule leaves none.
        reason: The rule in words.
        binding: Whether it holds against a pin by the task's author too.
    """

    clusters: tuple[str, ...]
    reason: str
    binding: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InputClass:
    """
    What runs on inputs of one size, or of one kind, need.

    Attributes:
        at: The size, for several the largest; or what the kind is known by.
        memory_gib: As of a profile.
        cores: As of a profile.
        duration_s: As of a profile.
        request: As of a profile.
    """

    at: float | str
    memory_gib: Quantity
    cores: Quantity
    duration_s: Quantity
    request: ResourceRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class InputShare:
    """
    How many of the runs come with inputs of one class, and what these ask for.

    Attributes:
        at: The largest size of it; or what the kind is known by.
        share: Of all runs, in (0, 1].
        duration_s: As of a profile, of its mean size.
        cores: That a run of its mean size asks for.
        memory_gib: That a run of its mean size asks for.
        request: Of a run of the largest size.
    """

    at: float | str
    share: float
    duration_s: Quantity
    cores: float
    memory_gib: float
    request: ResourceRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class ByInput:
    """
    How the need of a task depends on something that its host knows before each run.

    Attributes:
        measure: Name of what is known, see ``domain.input_facts``.
        classes: Sizes in ascending order, else kinds.
        linear: Whether the need lies on a line through the sizes; else each stands for itself.
        shares: Of the runs, for whoever counts all of them; what is missing to 1 are runs of other or
            unknown inputs, which need what the profile says.
    """

    measure: str
    classes: tuple[InputClass, ...]
    linear: bool = False
    shares: tuple[InputShare, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadProfile:
    """
    The complete need of one task, per run.

    Figures that do not apply to the task, or that nothing is known about, are ``None`` – never made
    up. ``starts_by_hour_of_week`` has 168 entries (Monday 00 UTC first), the expected number of runs
    started in each hour; empty when the cadence is unknown. ``use_by_hour_of_week`` is a forecast with
    its interval, or what was seen where no forecast is better, once the past is long enough; the starts
    are then its p50.

    Data rates: ``network_gbps`` to and from other machines, ``io_mib_per_s`` to and from disks,
    ``memory_gb_per_s`` between memory and processor (the accelerator's own if there is one),
    ``host_to_device_gb_per_s`` between host and accelerators. ``accelerator`` is set if only that
    model will do; ``accelerator_choice`` is what to buy, as ``2 x A100-80GB``, and
    ``accelerator_pace`` the time that other models take for its work, as a multiple. ``pool_pace`` is
    the time on pools where runs took longer or shorter: cluster, pool, multiple.
    ``checkpoint_interval_s`` is ``None`` where whatever is lost starts anew. ``cpu_family`` is
    compute_optimised, general_purpose or memory_optimised; ``qos_class`` is one of Kubernetes'.

    ``spread`` and ``anti_affinity`` say which failure domains its instances may share.

    Serving: ``latency_ms`` is the time to answer without the way to the user; ``user_regions`` and
    ``latency_objective_ms`` are what its description says, the latter at ``sla_attainment``.

    ``by_input`` tells the runs on small inputs from those on large ones; the figures beside it are those
    of a run of whose input nothing is known. ``input_class`` is set where the figures are those of one
    input.
    """

    task: TaskKey
    compute_type: ComputeType
    cores: Quantity
    memory_gib: Quantity
    duration_s: Quantity
    request: ResourceRequest
    predicted_at: datetime
    instances: int = 1
    accelerator: str | None = None
    accelerators: int = 0
    accelerator_memory_gib: Quantity | None = None
    local_disk_gib: Quantity | None = None
    storage: tuple[StorageNeed, ...] = ()
    warehouse_units: Quantity | None = None
    network_gbps: Quantity | None = None
    io_mib_per_s: Quantity | None = None
    latency_ms: Quantity | None = None
    input_gib: float | None = None
    preferred_regions: tuple[str, ...] = ()
    starts_by_hour_of_week: tuple[float, ...] = ()
    use_by_hour_of_week: WeeklyUse | None = None
    sla_attainment: float = 0.99
    sla_weight: float = 1.0
    deadline_s: float | None = None
    latency_objective_ms: float | None = None
    user_regions: tuple[str, ...] = ()
    allowed_regions: tuple[str, ...] = ()
    allowed_providers: tuple[str, ...] = ()
    data_region: str | None = None
    pinned_cluster: str | None = None
    spread: SpreadRule | None = None
    anti_affinity: tuple[AntiAffinityRule, ...] = ()
    cluster_limits: tuple[ClusterLimit, ...] = ()
    idempotent: bool = False
    checkpoint_interval_s: float | None = None
    neighbours: tuple[TaskKey, ...] = ()
    accelerator_choice: Choice | None = None
    accelerator_pace: tuple[tuple[str, float], ...] = ()
    pool_pace: tuple[tuple[str, str, float], ...] = ()
    cpu_family: Choice | None = None
    serving_runtime: Choice | None = None
    qos_class: Choice | None = None
    location: Choice | None = None
    memory_gb_per_s: Quantity | None = None
    host_to_device_gb_per_s: Quantity | None = None
    by_input: ByInput | None = None
    input_class: str = ""
