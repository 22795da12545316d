"""Which accelerator to buy: by memory, arithmetic, bandwidth, and price per unit of work."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from aiops_provider.domain.machine import Accelerator
from aiops_provider.domain.profile import Choice, ComputeType, WorkloadProfile
from aiops_provider.domain.workload import ModelCandidate, Serving, TaskDescription, Training
from aiops_provider.profiling.priors.deep_learning import training_flops
from aiops_provider.profiling.priors.models import network_shape, weight_bytes

# Shares of the datasheet that programs reach: 35 % of the arithmetic (large models 40–50 %, PaLM,
# Chowdhery et al. 2022; small ones less), 60 % of the bandwidth, 90 % of the memory.
_ARITHMETIC, _BANDWIDTH, _MEMORY = 0.35, 0.6, 0.9
# Devices joined by PCIe rather than NVLink lose a third to communication; the datasheets' HBM
# devices above 1,000 GB/s are those sold with NVLink. An engineering assumption.
_PCIE_EFFICIENCY, _NVLINK_EFFICIENCY, _NVLINK_GB_PER_S = 0.65, 0.9, 1000.0
# PCIe machines on sale hold eight devices; NVLink systems are joined to more.
_MOST_PCIE, _MOST_NVLINK = 8, 4096
# Without a deadline a training is meant to be over by the next day.
_TRAINING_S = 86400.0
# Turing and Volta have no bf16, and neither they nor Ampere fp8 (NVIDIA, "CUDA GPU Compute
# Capability": 8.0 and 8.9 have).
_WITHOUT_BF16 = frozenset({"T4", "V100", "V100-32GB"})
_WITHOUT_FP8 = _WITHOUT_BF16 | {"A10", "A10G", "A100", "A100-80GB"}
_UNABLE = {"bf16": _WITHOUT_BF16, "tf32": _WITHOUT_BF16, "fp8": _WITHOUT_FP8}
# Without an objective: 10 tokens a second, twice as fast as people read (250 words a minute).
_TOKEN_S = 0.1
# Share of a device that requests may keep busy; see the prior of serving.
_UTILISATION = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """
    An accelerator that can be bought.

    Attributes:
        accelerator: By its datasheet.
        usd_per_hour: Of one, with its share of the machine.
        most: How many one machine holds; ``None``: as many as are sold joined together.
    """

    accelerator: Accelerator
    usd_per_hour: float
    most: int | None = None


@dataclass(frozen=True, slots=True)
class _Work:
    """What must be done: FLOPs and bytes within a time, on all devices of one instance together."""

    flops: float
    bytes: float
    limit_s: float
    ends: bool
    unit: str


@dataclass(frozen=True, slots=True)
class _Fit:
    offer: Offer
    count: int
    seconds: float
    usd: float


def with_accelerator(
    profile: WorkloadProfile,
    description: TaskDescription | None,
    offers: Iterable[Offer],
    *,
    paces: Mapping[str, float] | None = None,
) -> WorkloadProfile:
    """
    The profile with the accelerator that does its work at the lowest price in time.

    Time by roofline (Williams et al. 2009), ``max(FLOPs / arithmetic, bytes / bandwidth)``; as many
    devices, a power of two, as the memory needs and the time asks for. What ends is judged by the
    price of the whole, an endpoint by its price per hour. If nothing is in time, the fastest.

    Args:
        profile: As predicted; its request gets the number and the memory of accelerators, so that
            any pool with room may run it.
        description: What is said about the task.
        offers: What can be bought; with none the profile is returned as it is.
        paces: Time of the task by model, in any unit, learned from runs; empty: the datasheets.
    """
    if profile.compute_type is ComputeType.CPU:
        reason = "cores do it in time and cheaper"
        return replace(profile, accelerator_choice=Choice(value="none", reason=reason))
    need = profile.accelerator_memory_gib
    if need is None:
        return profile
    work = _work(description, profile.instances)
    unable = frozenset().union(*(_UNABLE.get(p, frozenset()) for p in _precisions(description)))
    able = [offer for offer in offers if offer.accelerator.model not in unable]
    fits = [fit for offer in able for fit in _fits(offer, work, need.p80)]
    if profile.accelerator is not None:
        fits = [fit for fit in fits if fit.offer.accelerator.model == profile.accelerator]
    if not fits:
        return profile
    in_time = [fit for fit in fits if fit.seconds <= work.limit_s]
    best = (
        min(in_time, key=lambda fit: (fit.usd, fit.seconds))
        if in_time
        else min(fits, key=lambda fit: fit.seconds)
    )
    # No more than the chosen ones have, whatever the rounding.
    held_gib = best.count * best.offer.accelerator.memory_gib
    request = replace(
        profile.request,
        accelerators=best.count,
        accelerator_memory_gib=min(need.p80 / _MEMORY, held_gib),
    )
    return replace(
        profile,
        request=request,
        accelerators=best.count,
        accelerator_choice=_choice(best, work, need.p80, len(fits)),
        accelerator_pace=_paces(able, work, best, paces or {}),
    )


def _paces(
    offers: Iterable[Offer], work: _Work, best: _Fit, learned: Mapping[str, float]
) -> tuple[tuple[str, float], ...]:
    """
    Time on as many devices of each model, as a multiple of that on the chosen one.

    Learned ratios win over the roofline. An endpoint that answers in time needs no faster device;
    one that is twice too slow needs twice as many.
    """
    found: dict[str, float] = {}
    for offer in offers:
        device = offer.accelerator
        if not device.fp16_tflops or not device.bandwidth_gb_per_s:
            continue
        joined = device.bandwidth_gb_per_s >= _NVLINK_GB_PER_S
        seconds = _seconds(device, work, best.count, joined=joined)
        if device.model in learned and best.offer.accelerator.model in learned:
            slower = learned[device.model] / learned[best.offer.accelerator.model]
            seconds = best.seconds * slower
        if not work.ends:
            found[device.model] = max(1.0, seconds / work.limit_s)
        elif best.seconds > 0:
            found[device.model] = seconds / best.seconds
    return tuple(sorted(found.items()))


def _choice(best: _Fit, work: _Work, need_gib: float, others: int) -> Choice:
    chosen = best.offer.accelerator
    price = f"USD {best.usd:.3g} {'in all' if work.ends else 'an hour'}"
    late = "" if best.seconds <= work.limit_s else f", though {work.limit_s:.3g} s were asked for"
    return Choice(
        value=f"{best.count} x {chosen.model}",
        reason=(
            f"{need_gib:.3g} GiB needed, {best.count} x {chosen.memory_gib:g} GiB; {work.unit} in "
            f"{best.seconds:.3g} s{late}; {price}, the lowest of {others} ways"
        ),
    )


def _fits(offer: Offer, work: _Work, need_gib: float) -> Iterable[_Fit]:
    device = offer.accelerator
    if not device.fp16_tflops or not device.bandwidth_gb_per_s:
        return
    joined = device.bandwidth_gb_per_s >= _NVLINK_GB_PER_S
    most = offer.most or (_MOST_NVLINK if joined else _MOST_PCIE)
    count = _power_of_two(need_gib / (device.memory_gib * _MEMORY))
    while count <= most:
        seconds = _seconds(device, work, count, joined=joined)
        hours = seconds / 3600.0 if work.ends else 1.0
        yield _Fit(offer, count, seconds, offer.usd_per_hour * count * hours)
        if seconds <= work.limit_s:
            return
        count *= 2


def _seconds(device: Accelerator, work: _Work, count: int, *, joined: bool) -> float:
    share = 1.0
    if count > 1:
        share = _NVLINK_EFFICIENCY if joined else _PCIE_EFFICIENCY
    arithmetic = (device.fp16_tflops or 0.0) * 1e12 * _ARITHMETIC
    bandwidth = (device.bandwidth_gb_per_s or 0.0) * 1e9 * _BANDWIDTH
    return max(work.flops / arithmetic, work.bytes / bandwidth) / (count * share)


def _power_of_two(least: float) -> int:
    """One, two, four …: heads and layers are split evenly over devices."""
    return 1 << max(0, math.ceil(math.log2(max(least, 1.0))))


def _work(description: TaskDescription | None, instances: int) -> _Work:
    match description:
        case Training():
            candidates = description.candidates
            named = candidates if candidates != "unknown" else ()
            networks = named or (ModelCandidate(family="deep_network"),)
            flops = sum(training_flops(candidate, description).p50 for candidate in networks)
            every = description.cadence.every_s if description.cadence else None
            # A run is over before the next one starts.
            limit = description.sla.deadline_s or every or _TRAINING_S
            return _Work(flops, 0.0, limit, ends=True, unit=f"{flops:.2g} FLOPs")
        case Serving():
            return _serving_work(description, instances)
        case _:
            return _Work(0.0, 0.0, math.inf, ends=False, unit="its work")


def _precisions(description: TaskDescription | None) -> set[str]:
    match description:
        case Training() if description.candidates != "unknown":
            models = description.candidates
        case Serving():
            models = (description.model,)
        case _:
            models = ()
    return {model.precision for model in models if model.precision}


def _serving_work(serving: Serving, instances: int) -> _Work:
    shape = network_shape(serving.model)
    weights = shape.parameters.p50
    objective = (serving.latency_objective_ms or 0.0) / 1000.0
    if shape.language:
        held = weights * weight_bytes(serving.model, default="fp16")
        token_s = _TOKEN_S
        if objective and serving.output_tokens:
            token_s = min(_TOKEN_S, objective / serving.output_tokens)
        return _Work(2 * weights, held, token_s, ends=False, unit="a token")
    rate = serving.requests_per_s or max(serving.seen_demand_per_s, default=1.0)
    flops = 2 * weights * shape.reuse * rate / instances
    return _Work(flops, 0.0, _UTILISATION, ends=False, unit="its requests of a second")
