"""Fills in what no run and no predictor told: choices and data rates that follow from the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from aiops_provider.domain.profile import (
    Choice,
    ComputeType,
    Quantity,
    Source,
    StorageNeed,
    WorkloadProfile,
)
from aiops_provider.domain.units import BYTES_PER_GIB
from aiops_provider.domain.workload import (
    Dataset,
    Etl,
    FeatureEngineering,
    Generic,
    Serving,
    TaskDescription,
    Training,
)
from aiops_provider.profiling.priors.data_size import on_disk_gib, row_count, size_in_words
from aiops_provider.profiling.priors.guess import Guess, between
from aiops_provider.profiling.priors.models import LARGE_PARAMETERS, network_shape, weight_bytes
from aiops_provider.profiling.priors.storage import storage_class

# Clouds sell 2, 4 and 8 GiB per vCPU (AWS C, M and R; Google Cloud highcpu, standard, highmem); the
# limits are the geometric means in between.
_COMPUTE_GIB_PER_CORE, _MEMORY_GIB_PER_CORE = 2.83, 5.66
# One core streams 2 GB/s through its arithmetic (see the prior of training).
_CORE_GB_PER_S = between(2.0, 8.0)
# Operations per byte at which an accelerator's arithmetic and memory are in balance: 65e12 / 320e9
# of a T4, 312e12 / 1555e9 of an A100, 989e12 / 3350e9 of an H100 give 200 to 300.
_BALANCE = 200.0
# Arithmetic that a training reaches, see the prior of deep learning.
_ACHIEVED_FLOPS = between(35e12, 312e12 * 0.4)
# Tokens a second that a reader is shown: 10; MLPerf Inference asks for 5 (Llama 2 70B, server).
_TOKENS_PER_S = between(5.0, 25.0)
# Bytes of a token as text, of a row in JSON, and of a picture (an ImageNet JPEG).
_TOKEN_BYTES, _REQUEST_BYTES, _PICTURE_BYTES = 4.0, 4096.0, 110e3
# A model is loaded within a minute, or a new instance comes too late.
_LOAD_S = 60.0
# What a warehouse of the smallest size does in an hour is one credit (Snowflake, "Overview of
# warehouses"; at least 60 s are billed); larger sizes cost in proportion and are as much faster.
_BILLED_S = 60.0
# Tables of more than this belong into a warehouse rather than a database for transactions.
_LARGE_TABLE_GIB = 100.0


def completed(profile: WorkloadProfile, description: TaskDescription | None) -> WorkloadProfile:
    """
    The same profile with nothing left for the user to choose.

    What is there already stays: runs know better than rules.
    """
    storage = _storage(profile, description)
    return replace(
        profile,
        storage=storage,
        cpu_family=profile.cpu_family or _cpu_family(profile),
        serving_runtime=profile.serving_runtime or _runtime(profile, description),
        qos_class=profile.qos_class or _qos_class(profile, description),
        location=profile.location or _location(description),
        warehouse_units=profile.warehouse_units or _warehouse_units(profile, storage),
        network_gbps=profile.network_gbps or _network(profile, description),
        io_mib_per_s=profile.io_mib_per_s or _disk_rate(profile),
        local_disk_gib=profile.local_disk_gib or _local_disk(profile),
        memory_gb_per_s=profile.memory_gb_per_s or _memory_rate(profile, description),
        host_to_device_gb_per_s=profile.host_to_device_gb_per_s or _host_to_device(profile),
    )


def _cpu_family(profile: WorkloadProfile) -> Choice:
    ratio = profile.request.memory_gib / max(profile.request.cores, 0.1)
    if ratio < _COMPUTE_GIB_PER_CORE:
        value = "compute_optimised"
    elif ratio < _MEMORY_GIB_PER_CORE:
        value = "general_purpose"
    else:
        value = "memory_optimised"
    source = profile.memory_gib.source
    return Choice(
        value=value,
        source=source,
        sample_count=profile.memory_gib.sample_count,
        reason=f"{ratio:.3g} GiB per core; families on sale have 2, 4 and 8",
    )


def _runtime(profile: WorkloadProfile, description: TaskDescription | None) -> Choice | None:
    if not isinstance(description, Serving):
        return None
    shape = network_shape(description.model)
    if profile.compute_type is ComputeType.CPU:
        return Choice(value="cpu", reason="cores answer in time; no accelerator has to be shared")
    if shape.language and shape.parameters.p50 >= LARGE_PARAMETERS:
        reason = "answers token by token: continuous batching and a paged cache of keys and values"
        return Choice(value="vllm", reason=reason)
    return Choice(value="triton", reason="a network with one answer per request: dynamic batching")


def _qos_class(profile: WorkloadProfile, description: TaskDescription | None) -> Choice:
    serving = isinstance(description, Serving)
    stream = isinstance(description, Etl) and description.streaming
    if serving or stream or profile.compute_type is ComputeType.GPU:
        what = "an accelerator" if profile.compute_type is ComputeType.GPU else "a steady answer"
        return Choice(value="Guaranteed", reason=f"{what} must not wait for a neighbour's burst")
    promised = description is not None and description.sla.deadline_s is not None
    why = "its deadline" if promised else "its memory"
    return Choice(value="Burstable", reason=f"{why} is reserved, idle cores may be borrowed")


def _location(description: TaskDescription | None) -> Choice:
    locality = description.locality if description is not None else None
    if isinstance(description, Serving) and description.user_regions:
        return Choice(value=", ".join(description.user_regions), reason="near the users")
    if locality is not None and locality.data_region:
        size = f" {locality.data_gib:g} GiB of" if locality.data_gib else ""
        return Choice(value=locality.data_region, reason=f"near its{size} data: moving it costs")
    if locality is not None and locality.allowed_regions:
        return Choice(value=", ".join(locality.allowed_regions), reason="nowhere else is allowed")
    return Choice(value="any", reason="neither users, data nor law tie it to a place")


def _warehouse_units(profile: WorkloadProfile, storage: Iterable[StorageNeed]) -> Quantity | None:
    if all(need.storage_class != "warehouse" for need in storage):
        return None
    run = profile.duration_s
    units = Guess(run.p50, run.p80, run.p95).at_least(_BILLED_S) * (1 / 3600.0)
    return replace(
        units.quantity("credits: hours of the smallest warehouse, 60 s at least"),
        source=run.source,
        sample_count=run.sample_count,
    )


def _network(profile: WorkloadProfile, description: TaskDescription | None) -> Quantity:
    if isinstance(description, Serving):
        rate, each = _request_rate(description), _request_bytes(description)
        spread = between(1.0, 2.0) * (8 * rate * each / 1e9)
        return spread.quantity(f"{rate:.3g} requests/s of {each:.3g} bytes, in and out")
    volume = _input(description)
    moved = 2 * volume.p50 * BYTES_PER_GIB * 8 / 1e9
    spread = _per_run(moved, profile)
    return spread.quantity(f"{volume.p50:.3g} GiB in and out during a run")


def _disk_rate(profile: WorkloadProfile) -> Quantity:
    disk = profile.local_disk_gib or _local_disk(profile)
    spread = _per_run(2 * disk.p50 * 1024, profile)
    return spread.quantity(f"{disk.p50:.3g} GiB of scratch space written and read during a run")


def _local_disk(profile: WorkloadProfile) -> Quantity:
    held = profile.accelerator_memory_gib or profile.memory_gib
    spread = Guess(held.p50, held.p80, held.p95) * 2.0
    return spread.quantity(
        "twice what is held in memory: a checkpoint or a spill, and its successor"
    )


def _memory_rate(profile: WorkloadProfile, description: TaskDescription | None) -> Quantity:
    if profile.compute_type is ComputeType.CPU:
        cores = profile.cores
        spread = Guess(cores.p50, cores.p80, cores.p95) * _CORE_GB_PER_S
        return spread.quantity("2 GB/s for each busy core")
    if isinstance(description, Serving):
        shape = network_shape(description.model)
        held = shape.parameters.p50 * weight_bytes(description.model, default="fp16")
        if shape.language:
            spread = _TOKENS_PER_S * (held / 1e9)
            return spread.quantity("all weights are read for each token, 5 tokens/s and more")
    spread = _ACHIEVED_FLOPS * (profile.accelerators / _BALANCE / 1e9)
    return spread.quantity("arithmetic reached, at 200 operations per byte (roofline)")


def _host_to_device(profile: WorkloadProfile) -> Quantity | None:
    held = profile.accelerator_memory_gib
    if held is None:
        return None
    spread = Guess(held.p50, held.p80, held.p95) * (BYTES_PER_GIB / 1e9 / _LOAD_S)
    return spread.quantity("the device's memory filled within a minute of the start")


def _per_run(amount: float, profile: WorkloadProfile) -> Guess:
    # The shorter the run, the faster the data must come.
    typical = amount / max(profile.duration_s.p50, 1.0)
    return Guess(typical, 2 * typical, 4 * typical)


def _request_rate(serving: Serving) -> float:
    if serving.requests_per_s is not None:
        return serving.requests_per_s
    # Whoever waits for answers sends about one request a second at most.
    return serving.concurrent_requests or max(serving.seen_demand_per_s, default=1.0)


def _request_bytes(serving: Serving) -> float:
    shape = network_shape(serving.model)
    if serving.prompt_tokens or serving.output_tokens:
        tokens = (serving.prompt_tokens or 0.0) + (serving.output_tokens or 0.0)
        return _REQUEST_BYTES + _TOKEN_BYTES * tokens
    return _PICTURE_BYTES if shape.reuse > 1 else _REQUEST_BYTES


def _input(description: TaskDescription | None) -> Guess:
    return on_disk_gib(_source(description))


def _source(description: TaskDescription | None) -> Dataset:
    match description:
        case Etl() | FeatureEngineering():
            return description.source
        case Training():
            return description.dataset
        case Generic():
            return Dataset(volume_gib=description.input_gib, rows=description.input_rows)
        case _:
            return Dataset()


def _storage(
    profile: WorkloadProfile, description: TaskDescription | None
) -> tuple[StorageNeed, ...]:
    known = {need.role: need for need in profile.storage}
    for role, make in (("source", _source_need), ("intermediate", _intermediate_need),
                       ("target", _target_need)):  # fmt: skip
        if role not in known:
            known[role] = make(profile, description)
    return tuple(known.values())


def _source_need(profile: WorkloadProfile, description: TaskDescription | None) -> StorageNeed:
    if isinstance(description, Serving):
        held = profile.accelerator_memory_gib or profile.memory_gib
        capacity = replace(held, source=Source.PRIOR, reason="the model's files")
        reason = "model files are read whole, once per start"
        return StorageNeed(
            role="source", storage_class="object", capacity_gib=capacity, reason=reason
        )
    dataset = _source(description)
    name, reason = _class_of(dataset)
    capacity = on_disk_gib(dataset).quantity(size_in_words(dataset))
    return StorageNeed(role="source", storage_class=name, capacity_gib=capacity, reason=reason)


def _intermediate_need(
    profile: WorkloadProfile, description: TaskDescription | None
) -> StorageNeed:
    if isinstance(description, Etl) and description.streaming:
        name, reason = "key_value", "state of windows and joins is kept by key"
    elif profile.memory_gib.p95 <= 64:
        name, reason = "in_memory", "up to 64 GiB it is held in memory"
    else:
        name, reason = "file", "more than 64 GiB are spilled to local disk"
    capacity = replace(profile.memory_gib, reason="the working set")
    return StorageNeed(
        role="intermediate", storage_class=name, capacity_gib=capacity, reason=reason
    )


def _target_need(profile: WorkloadProfile, description: TaskDescription | None) -> StorageNeed:
    match description:
        case Etl():
            name, reason = _class_of(description.target, like=description.source)
            capacity = on_disk_gib(description.source).quantity("as much as is read")
        case FeatureEngineering():
            cells = row_count(description.source) * float(description.features or 20)
            name, reason = "object", "tables of features are written whole, in columns"
            capacity = (cells * (8.0 / BYTES_PER_GIB)).quantity("8 bytes for each feature of a row")
        case Training():
            name, reason = "object", "a model is one file, read by whoever serves it"
            held = profile.accelerator_memory_gib
            size = Guess(held.p50, held.p80, held.p95) if held else between(0.02, 0.3)
            capacity = size.quantity("the model and its last checkpoint")
        case Serving():
            name, reason = "key_value", "answers are looked up by their request"
            day = _request_rate(description) * 86400.0 * _REQUEST_BYTES / BYTES_PER_GIB
            capacity = (between(1.0, 2.0) * day).quantity("a day of answers")
        case _:
            name, reason = "object", "nothing tells more; object storage holds anything"
            capacity = _input(description).quantity("as much as is read")
    return StorageNeed(role="target", storage_class=name, capacity_gib=capacity, reason=reason)


def _class_of(dataset: Dataset, *, like: Dataset | None = None) -> tuple[str, str]:
    known = storage_class(dataset)
    if known is not None:
        return known, "its location says so"
    name = (dataset.format or (like.format if like else None) or "").lower()
    if name:
        return "object", f"files of {name}, read whole and in parallel"
    size = on_disk_gib(dataset)
    if dataset.table_schema is not None:
        large = size.p50 > _LARGE_TABLE_GIB
        why = f"a table of {size.p50:.3g} GiB"
        return ("warehouse" if large else "sql"), f"{why}; beyond 100 GiB a warehouse scans faster"
    return "object", "nothing tells more; object storage holds anything"
