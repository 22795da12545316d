"""Prior of serving: Little's law for concurrency, memory bandwidth for language models."""

from __future__ import annotations

import math
from dataclasses import dataclass

from aiops_provider.domain.profile import ComputeType, Quantity
from aiops_provider.domain.units import BYTES_PER_GIB
from aiops_provider.domain.workload import Serving
from aiops_provider.profiling.accelerator_memory import key_value_cache_gib
from aiops_provider.profiling.estimate import Estimate
from aiops_provider.profiling.priors.guess import (
    PROCESS_MEMORY_GIB,
    Guess,
    between,
    exactly,
)
from aiops_provider.profiling.priors.models import (
    LARGE_PARAMETERS,
    NetworkShape,
    network_shape,
    weight_bytes,
)

# Seconds of one core per request to a classical model behind a Python web framework: 2 ms of
# framework and a single-row prediction, up to 50 ms for a large forest. Engineering assumptions.
_CLASSICAL_S = between(0.005, 0.05)
_FRAMEWORK_S = 0.002
# Effective FLOP/s of one core on small batches, half of what training reaches (see deep_learning).
_CORE_FLOPS = 10e9
# Share of the cores that may be busy: above 70 % the waiting time of a queue more than triples
# (M/M/1: 1 / (1 - 0.7) = 3.3).
_UTILISATION = 0.7
_MOST_CORES_PER_INSTANCE = 8.0
# Requests per second when nothing is said.
_UNKNOWN_RATE = between(1.0, 10.0)
# Prompt and answer of a conversation, medians of the Azure LLM inference trace 2023 (conv) as
# published with Splitwise (Patel et al., ISCA 2024): 1,020 and 129 tokens; the p95 of the answer is 450.
_PROMPT_TOKENS = 1020.0
_ANSWER_TOKENS = between(129.0, 450.0)
# Each token of an answer reads all weights once (roofline, Williams et al. 2009). Memory bandwidth
# of an accelerator: A10G 600 GB/s; a T4, the slow case, 320 GB/s. 60 % of it is reached.
_BANDWIDTH = 0.6 * 600e9
_SLOW_BANDWIDTH = 0.6 * 320e9
# Sequences decoded side by side by one copy of the model; vLLM allows 256, memory mostly fewer.
_MOST_SEQUENCES = 64.0
# Grouped-query attention keeps a fraction of the keys and values: 1/4 for Llama 3 8B, all of them
# in older models.
_KEPT_HEADS = Guess(0.25, 0.5, 1.0)
_LEAST_CACHED_BYTES = 2.0
# Reading the prompt is bound by arithmetic, 2 FLOPs per weight and token: 40 % of an A100's 312e12,
# in the slow case of a T4's 65e12.
_PREFILL_S_PER_FLOP = between(1 / (0.4 * 312e12), 1 / (0.4 * 65e12))
# Small batches reach 20–30 % of the peak: an L4's 121e12, in the slow case a T4's 65e12.
_ACCELERATOR_S_PER_FLOP = between(1 / (0.3 * 121e12), 1 / (0.2 * 65e12))
# A machine with one T4 costs as much as one with 12–16 vCPU: more cores than that, and the
# accelerator is cheaper (AWS g4dn.xlarge USD 0.526, c6i.4xlarge USD 0.68 an hour).
_CORES_PER_ACCELERATOR = 16.0
_ACCELERATOR_GIB = 80.0 * 0.9
_DEVICE_CONTEXT_GIB = Guess(1.0, 1.5, 2.0)
_HOST_CONTEXT_GIB = Guess(2.0, 3.0, 4.0)
_ARTIFACT_GIB = between(0.02, 0.3)
# How long an endpoint lives when nothing is said: an hour to a day.
_LIFETIME_S = between(3600.0, 86400.0)


@dataclass(frozen=True, slots=True)
class _Demand:
    # Over the hours: the busiest ones come, whatever a request takes, so their product is no chance.
    rate_per_s: Guess
    concurrent: float | None
    what: str


def serving_prior(serving: Serving) -> Estimate:
    """
    Requests in the system are rate times time in the system (Little 1961): ``L = lambda * W``.

    Classical models and small networks: the cores are ``rate * service time / 0.7``, spread over
    instances of at most eight cores. Models of more than 5e8 weights: accelerators for weights and
    the cache of keys and values of all concurrent sequences, time per token from bandwidth.
    """
    demand = _demand(serving)
    shape = network_shape(serving.model)
    neural = serving.model.family in {"deep_network", "fine_tuning"} or serving.model.parameters
    if (neural or shape.known) and shape.parameters.p50 >= LARGE_PARAMETERS:
        return _language_model(serving, shape, demand)
    service = _CLASSICAL_S
    if neural or shape.known:
        work = shape.parameters * (2 * shape.reuse / _CORE_FLOPS)
        service = work * between(1.0, 3.0) + exactly(_FRAMEWORK_S)
    latency = _latency(service)
    busy = demand.rate_per_s.together(service)
    if demand.concurrent is not None:
        # Each request in the system occupies a core for as long as it is served.
        busy = busy.largest(exactly(demand.concurrent))
    needed = busy * (1 / _UTILISATION)
    limit = serving.latency_objective_ms
    too_slow = limit is not None and latency.p80 > limit
    if (neural or shape.known) and (needed.p50 > _CORES_PER_ACCELERATOR or too_slow):
        return _network_on_accelerator(serving, shape, demand)
    instances = max(1, math.ceil(needed.p80 / _MOST_CORES_PER_INSTANCE))
    cores = needed * (1 / instances)
    held = _ARTIFACT_GIB
    if neural or shape.known:
        held = shape.parameters * (2 * weight_bytes(serving.model, default="fp32") / BYTES_PER_GIB)
    # A worker process per core, each with the model; the median server shares one.
    workers = Guess(1.0, max(1.0, math.ceil(cores.p50)), max(1.0, math.ceil(cores.p80)))
    return Estimate(
        compute_type=ComputeType.CPU,
        memory_gib=((PROCESS_MEMORY_GIB + held) * workers).quantity(demand.what),
        cores=cores.at_least(0.1).quantity(demand.what),
        duration_s=_lifetime(serving),
        instances=instances,
        accelerators=0,
        latency_ms=latency.quantity("service time and waiting at 70 % load"),
    )


def _network_on_accelerator(serving: Serving, shape: NetworkShape, demand: _Demand) -> Estimate:
    """A network that would keep too many cores busy, or that a core answers too slowly."""
    service = shape.parameters * (2 * shape.reuse) * _ACCELERATOR_S_PER_FLOP + exactly(_FRAMEWORK_S)
    busy = demand.rate_per_s.together(service)
    instances = max(1, math.ceil(busy.p50 / _UTILISATION))
    held = weight_bytes(serving.model, default="fp16")
    # Activations of a batch and the workspace of the kernels take about as much as the weights.
    device = shape.parameters * (2 * held / BYTES_PER_GIB) + _DEVICE_CONTEXT_GIB
    what = f"{demand.what}, {shape.parameters.p50:.3g} weights of {held:g} bytes"
    host = PROCESS_MEMORY_GIB + _HOST_CONTEXT_GIB
    return Estimate(
        compute_type=ComputeType.GPU,
        memory_gib=host.quantity(what),
        cores=Guess(2.0, 4.0, 8.0).quantity(what),
        duration_s=_lifetime(serving),
        instances=instances,
        accelerators=1,
        accelerator_memory_gib=device.quantity(f"{what}; weights, activations, context"),
        latency_ms=_latency(service).quantity("service time and waiting at 70 % load"),
    )


def _language_model(serving: Serving, shape: NetworkShape, demand: _Demand) -> Estimate:
    held_bytes = weight_bytes(serving.model, default="fp16")
    weights_gib = shape.parameters * (held_bytes / BYTES_PER_GIB)
    per_token_s = Guess(1.0, (_BANDWIDTH / _SLOW_BANDWIDTH) ** 0.5, _BANDWIDTH / _SLOW_BANDWIDTH)
    per_token_s = per_token_s * shape.parameters * (held_bytes / _BANDWIDTH)
    # A model split over several accelerators reads its parts at the same time.
    split = max(1, math.ceil(weights_gib.p50 / _ACCELERATOR_GIB))
    answer = exactly(serving.output_tokens) if serving.output_tokens else _ANSWER_TOKENS
    prompt = serving.prompt_tokens or _PROMPT_TOKENS
    prefill_s = shape.parameters * (2 * prompt) * _PREFILL_S_PER_FLOP
    answer_s = (prefill_s + answer * per_token_s) * (1 / split)
    concurrent = (
        exactly(demand.concurrent)
        if demand.concurrent is not None
        else demand.rate_per_s.together(answer_s)
    ).at_least(1.0)
    instances = max(1, math.ceil(concurrent.p80 / _MOST_SEQUENCES))
    sequences = (concurrent * (1 / instances)).at_most(_MOST_SEQUENCES)
    tokens = exactly(prompt) + answer
    # Weights of a byte or less still compute with fp16 keys and values, vLLM's default.
    token_gib = key_value_cache_gib(
        layers=shape.layers,
        kv_heads=1.0,
        head_width=shape.kept_width or shape.width,
        tokens=1.0,
        bytes_per_value=max(held_bytes, _LEAST_CACHED_BYTES),
    )
    kept = exactly(1.0) if shape.kept_width else _KEPT_HEADS
    cache_gib = sequences * tokens * kept * token_gib
    device_gib = weights_gib + cache_gib + _DEVICE_CONTEXT_GIB
    count = max(1, math.ceil(device_gib.p80 / _ACCELERATOR_GIB))
    what = f"{demand.what}, {shape.parameters.p50:.3g} weights of {held_bytes:g} bytes"
    # Some loaders hold a second copy of a part of the weights.
    host = PROCESS_MEMORY_GIB + _HOST_CONTEXT_GIB + weights_gib * Guess(1.0, 1.2, 1.5)
    cores = Guess(2.0, 4.0, 8.0)
    return Estimate(
        compute_type=ComputeType.GPU,
        memory_gib=host.quantity(what),
        cores=cores.quantity(what),
        duration_s=_lifetime(serving),
        instances=instances,
        accelerators=count,
        accelerator_memory_gib=device_gib.quantity(f"{what}; weights, keys and values, context"),
        latency_ms=(answer_s * 1000.0).quantity("whole answer, token by token from bandwidth"),
    )


def _demand(serving: Serving) -> _Demand:
    past = sorted(serving.seen_demand_per_s)
    if serving.requests_per_s is not None:
        rate = exactly(serving.requests_per_s)
        what = f"{serving.requests_per_s:g} requests/s"
    elif past:
        rate = Guess(*(past[min(len(past) - 1, int(q * len(past)))] for q in (0.5, 0.8, 0.95)))
        what = f"past demand of {rate.p95:g} requests/s at the p95 hour"
    elif serving.concurrent_requests is not None:
        rate, what = exactly(0.0), ""
    else:
        rate, what = _UNKNOWN_RATE, "unknown demand"
    if serving.concurrent_requests is not None:
        what = f"{what}, {serving.concurrent_requests:g} at once".lstrip(", ")
    return _Demand(rate, serving.concurrent_requests, f"prior for {what}")


def _latency(service: Guess) -> Guess:
    """Time in an M/M/1 queue: exponential with mean ``S / (1 - load)``; quantiles ln(2), ln(5), ln(20)."""
    mean = service * (1000.0 / (1 - _UTILISATION))
    return Guess(mean.p50 * math.log(2), mean.p50 * math.log(5), mean.p50 * math.log(20))


def _lifetime(serving: Serving) -> Quantity:
    if serving.cadence is not None and serving.cadence.every_s is not None:
        return exactly(serving.cadence.every_s).quantity("until its next start")
    return _LIFETIME_S.quantity("an endpoint of unknown lifetime")
