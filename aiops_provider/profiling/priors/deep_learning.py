"""Prior of training a deep network: memory of states and activations, time from FLOPs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from aiops_provider.domain.units import BYTES_PER_GIB
from aiops_provider.domain.workload import ModelCandidate, Training
from aiops_provider.profiling.accelerator_memory import training_states
from aiops_provider.profiling.priors.data_size import in_memory_gib
from aiops_provider.profiling.priors.guess import PROCESS_MEMORY_GIB, Guess, between, exactly
from aiops_provider.profiling.priors.models import NetworkShape, network_shape, weight_bytes

# 2 FLOPs per weight forward and 4 backward, per token or sample (Kaplan et al. 2020: C = 6 N D).
_FLOPS_PER_WEIGHT = 6.0
_FLOPS_PER_FROZEN_WEIGHT = 4.0
# Adapters of unknown rank (LoRA, Hu et al. 2021) train 0.1–1 % of the weights; the rest is held.
_ADAPTER_SHARE = 0.01
_ADAPTER_KEYS = frozenset({"lora", "lora_r", "lora_rank", "rank", "adapter", "peft", "qlora"})
# Bytes of activations per layer, token and unit of width, attention matrices not kept
# (Korthikanti et al. 2022: s*b*h*34).
_ACTIVATION_BYTES = 34.0
# Bytes of activations per weight and sample of a convolutional network: ResNet-50 keeps some 90 MB
# per image in fp32 with 25.6e6 weights. For dense layers less; taken for all.
_ACTIVATION_BYTES_PER_WEIGHT = 3.5
PICTURES = frozenset({"jpeg", "jpg", "png", "tiff", "dicom", "image", "images", "video"})
_DEFAULT_BATCH = 32
_DEFAULT_TUNING_BATCH = 8
# Tokens of one sample of text: BERT's 512 positions.
_SEQUENCE_TOKENS = 512.0
_SEQUENCE_KEYS = ("sequence_length", "max_length", "max_seq_length", "block_size", "context_length")
# Passes over the data: BERT is fine-tuned in 2–4; 10 for a network from scratch is our assumption.
_TUNING_EPOCHS = 3.0
_SCRATCH_EPOCHS = 10.0
# Samples of a data set that is not described, and bytes of one of them (an ImageNet JPEG: 110 kB).
_UNKNOWN_SAMPLES = between(5e4, 1e6)
_SAMPLE_BYTES = 110e3
_LANGUAGE_BYTES_PER_TOKEN = 4.0
# Effective FLOP/s. One server core: 2.5 GHz * 32 fp32 FLOPs (AVX2) at a quarter of the peak. One
# accelerator: a T4's 65e12 (fp16) at 30 % in the slow case, an A100's 312e12 (bf16) at 40 % in the
# fast one; large models reach 46 % (PaLM, Chowdhery et al. 2022), small ones far less.
_CORE_FLOPS = 20e9
_ACCELERATOR_S_PER_FLOP = between(1 / (0.35 * 165e12), 1 / (0.3 * 65e12))
_CPU_CORES = 8.0
# Longer than this on eight cores and people take an accelerator.
_PATIENCE_S = 2 * 3600.0
# Memory of one accelerator of the large kind (A100, H100), and how full it gets.
_ACCELERATOR_GIB = 80.0 * 0.9
# A CUDA context and the libraries' kernels take 1–2 GiB of the device, 2–4 GiB of the host.
_DEVICE_CONTEXT_GIB = Guess(1.0, 1.5, 2.0)
_HOST_CONTEXT_GIB = Guess(2.0, 3.0, 4.0)
# A CPU build of a deep-learning library on top of the process. Engineering assumption.
_LIBRARY_GIB = Guess(0.2, 0.35, 0.6)
# Processes that load and augment data; cloud machines sell 4–12 vCPU with a GPU.
_LOADER_CORES = 4.0
_LOADER_GIB = Guess(0.5, 1.0, 2.0)
# A guess about activations and fragmentation errs by a factor.
_DOUBT = between(1.0, 2.0)


@dataclass(frozen=True, slots=True)
class TrainingNeed:
    """
    What fitting one candidate needs.

    Attributes:
        memory_gib: Host memory.
        cores: CPU cores.
        core_seconds: Time on one core; 0 when accelerated.
        accelerated_s: Time on the accelerators; 0 when not.
        accelerators: How many.
        accelerator_memory_gib: All of them together; ``None`` when not accelerated.
        what: For the reason.
    """

    memory_gib: Guess
    cores: float
    core_seconds: Guess
    accelerated_s: Guess
    what: str
    accelerators: int = 0
    accelerator_memory_gib: Guess | None = None


def deep_network_need(candidate: ModelCandidate, training: Training) -> TrainingNeed:
    """
    FLOPs are ``6 * weights * tokens`` (or ``* samples * uses of each weight``) times epochs.

    Memory is weights, gradients and the optimizer's state (16 bytes a weight with Adam; the
    hyperparameter ``optimizer`` names another), plus activations of one batch. An accelerator is
    taken when eight cores would need more than two hours.
    """
    shape = _shape(candidate, training)
    flops = training_flops(candidate, training)
    model = _model_gib(candidate, shape)
    on_cpu = flops * (1 / _CORE_FLOPS)
    name = candidate.name or candidate.family.replace("_", " ")
    what = f"{name} with {shape.parameters.p50:.3g} weights, {flops.p50:.2g} FLOPs"
    if on_cpu.p50 / _CPU_CORES <= _PATIENCE_S:
        return TrainingNeed(
            memory_gib=PROCESS_MEMORY_GIB + _LIBRARY_GIB + model + _batches_gib(training),
            cores=max(1.0, min(_CPU_CORES, on_cpu.p50 / 60)),
            core_seconds=on_cpu * between(1.0, 4.0),
            accelerated_s=exactly(0.0),
            what=what,
        )
    device = model + _DEVICE_CONTEXT_GIB
    count = max(1, math.ceil(device.p80 / _ACCELERATOR_GIB))
    return TrainingNeed(
        memory_gib=PROCESS_MEMORY_GIB
        + _HOST_CONTEXT_GIB
        + _LOADER_GIB * float(count)
        # The weights pass through the host's memory when they are loaded or saved.
        + shape.parameters * (weight_bytes(candidate, default="fp32") / BYTES_PER_GIB)
        + _batches_gib(training),
        cores=_LOADER_CORES * count,
        core_seconds=exactly(0.0),
        accelerated_s=flops * _ACCELERATOR_S_PER_FLOP * (1 / count),
        what=f"{what}, accelerated",
        accelerators=count,
        accelerator_memory_gib=device,
    )


def training_flops(candidate: ModelCandidate, training: Training) -> Guess:
    """
    Operations of a whole training: ``6 N D`` (Kaplan et al. 2020).

    ``4 N D`` with adapters: the frozen weights pass gradients on but get none themselves.
    """
    shape = _shape(candidate, training)
    each = _FLOPS_PER_FROZEN_WEIGHT if candidate.lora_rank is not None else _FLOPS_PER_WEIGHT
    per_unit = shape.parameters * (each * shape.reuse)
    return per_unit * _units(training, shape, candidate)


def _shape(candidate: ModelCandidate, training: Training) -> NetworkShape:
    pictures = (training.dataset.format or "").lower() in PICTURES
    return network_shape(candidate, tokens_given=training.tokens is not None, pictures=pictures)


def _units(training: Training, shape: NetworkShape, candidate: ModelCandidate) -> Guess:
    """Samples or tokens seen over all epochs."""
    tuning = candidate.family == "fine_tuning"
    epochs = float(training.epochs or (_TUNING_EPOCHS if tuning else _SCRATCH_EPOCHS))
    if training.tokens is not None:
        # Tokens of a language model are counted over the whole training unless epochs are given.
        return exactly(training.tokens * float(training.epochs or 1))
    dataset = training.dataset
    per_sample = _sequence_tokens(candidate) if shape.language else 1.0
    if dataset.rows is not None:
        return exactly(dataset.rows * per_sample * epochs)
    if dataset.volume_gib is not None:
        size = _LANGUAGE_BYTES_PER_TOKEN if shape.language else _SAMPLE_BYTES
        return between(1.0, 4.0) * (dataset.volume_gib * BYTES_PER_GIB / size * epochs)
    return _UNKNOWN_SAMPLES * (per_sample * epochs)


def _model_gib(candidate: ModelCandidate, shape: NetworkShape) -> Guess:
    default = "bf16" if candidate.family == "fine_tuning" else "fp32"
    held = weight_bytes(candidate, default=default)
    adapters = _ADAPTER_KEYS & {key.lower() for key in candidate.hyperparameters}
    optimizer = candidate.hyperparameters.get("optimizer")
    states = training_states(candidate.precision or default, str(optimizer or "adam")).per_weight
    per_weight = states
    if candidate.lora_rank is not None:
        per_weight = held + _adapter_share(shape, candidate.lora_rank) * states
    elif adapters:
        per_weight = held + _ADAPTER_SHARE * states
    batch = candidate.batch_size or (
        _DEFAULT_TUNING_BATCH if candidate.family == "fine_tuning" else _DEFAULT_BATCH
    )
    if shape.language:
        tokens = batch * _sequence_tokens(candidate)
        activations = exactly(shape.layers * tokens * shape.width * _ACTIVATION_BYTES)
    else:
        activations = shape.parameters * (batch * _ACTIVATION_BYTES_PER_WEIGHT)
    held_gib = shape.parameters * (per_weight / BYTES_PER_GIB)
    return held_gib + activations * _DOUBT * (1 / BYTES_PER_GIB)


def _adapter_share(shape: NetworkShape, rank: int) -> float:
    """
    Trained weights of a LoRA per weight of its base.

    Each of the seven matrices of a layer gets two of ``rank x width`` (Hu et al. 2021): ``14 * rank
    * width * layers`` beside ``12 * layers * width²``.
    """
    return min(1.0, 14.0 * rank / (12.0 * shape.width))


def _sequence_tokens(candidate: ModelCandidate) -> float:
    for key in _SEQUENCE_KEYS:
        value = candidate.hyperparameters.get(key)
        if isinstance(value, (int, float)) and value > 0:
            return float(value)
    return _SEQUENCE_TOKENS


def _batches_gib(training: Training) -> Guess:
    """The data, as far as it is held: networks read batches, but small sets are loaded whole."""
    return in_memory_gib(training.dataset).at_most(4.0)
