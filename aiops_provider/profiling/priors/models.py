"""How large a described model is: weights, layers, width, bytes, work per sample."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiops_provider.domain.workload import ModelCandidate
from aiops_provider.profiling.priors.architectures import architecture_of
from aiops_provider.profiling.priors.guess import Guess, between, exactly

# Weights as published: ResNet (He 2016), EfficientNet (Tan 2019), ViT (Dosovitskiy 2021), BERT
# (Devlin 2019), DistilBERT (Sanh 2019), GPT-2 (Radford 2019), T5 (Raffel 2020), Whisper (Radford
# 2022), Llama 3 (Meta 2024), Mistral (2023).
_PUBLISHED_PARAMETERS = {
    "resnet18": 11.7e6,
    "resnet50": 25.6e6,
    "resnet101": 44.5e6,
    "efficientnet-b0": 5.3e6,
    "vit-base": 86e6,
    "distilbert": 66e6,
    "bert-base": 110e6,
    "bert-large": 340e6,
    "gpt2-xl": 1.56e9,
    "gpt2": 124e6,
    "t5-base": 220e6,
    "whisper-large": 1.55e9,
    "llama-3-8b": 8.03e9,
    "llama-3-70b": 70.6e9,
    "mistral-7b": 7.24e9,
    # torchvision's "Models and pre-trained weights".
    "retinanet": 34.0e6,
    "mask-r-cnn": 44.4e6,
    "ssd": 35.6e6,
}
# Families of which a name is enough to know that weights are shared over positions.
_CONVOLUTIONAL = re.compile(
    r"resnet|resnext|efficientnet|mobilenet|convnext|vgg|densenet|image-classif|cnn"
)
# Those that answer for every pixel or box, and tasks that are done by such networks.
_DENSE = re.compile(
    r"retinanet|r-?cnn|u-?net|yolo|(?<![a-z])ssd|object-detection|semantic-segmentation"
)
# Large networks that do not answer in tokens.
_NOT_LANGUAGE = re.compile(r"diffusion|sdxl|flux|dlrm|clip|gnn|r-?gat|vit")
_LANGUAGE = re.compile(
    r"bert|gpt|llama|mi[sx]tral|qwen|gemma|falcon|(?<![a-z])(?:t5|phi|opt)(?![a-z])"
)
# "ResNet-50", "resnet_50" and "resnet50" are the same.
_SEPARATORS = re.compile(r"[-_ ]")
# "8b", "350m" at the end of a word of a name.
_SIZE_IN_NAME = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)([mb])(?![a-z0-9])")
# Weights of a network nobody has described: between a small tabular one and BERT.
_UNKNOWN_NETWORK = between(5e6, 110e6)
_UNKNOWN_LANGUAGE_MODEL = between(1e9, 8e9)
# ResNet-50 does 4.1e9 multiply-adds per image with 25.6e6 weights (He 2016): each weight is used
# 160 times, for as many positions.
_CONVOLUTIONAL_REUSE = 160.0
# RetinaNet with ResNet-50 does 151.5e9 multiply-adds per picture of 800 pixels with 34.0e6 weights,
# Mask R-CNN 134.4e9 with 44.4e6 (torchvision): 3,000 to 4,500 uses.
_DENSE_REUSE = 4000.0
# Transformers are about 128 times as wide as deep (GPT-3 175B: 12288 / 96), and have 12 * layers *
# width^2 weights (Kaplan et al. 2020).
_WIDTH_PER_LAYER = 128.0
_WEIGHTS_PER_SQUARE = 12.0
# Dense networks of a billion weights answer in tokens unless their name says otherwise.
_LANGUAGE_PARAMETERS = 1e9
# Above this a model answers in text and wants an accelerator; below it is served from a CPU.
LARGE_PARAMETERS = 5e8
BYTES_BY_PRECISION = {
    "fp32": 4.0,
    "tf32": 4.0,
    "fp16": 2.0,
    "bf16": 2.0,
    "fp8": 1.0,
    "int8": 1.0,
    "int4": 0.5,
}


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """
    A network as far as its description tells.

    Attributes:
        parameters: Number of weights.
        layers: Number of layers.
        width: Width of a layer, as if it were a transformer.
        language: Whether its samples are sequences of tokens.
        reuse: How often each weight is used for one sample or token.
        known: Whether the number of weights was given or published.
        kept_width: Values of a token's keys in one layer; ``None``: the architecture is unknown.
    """

    parameters: Guess
    layers: float
    width: float
    language: bool
    reuse: float
    known: bool
    kept_width: float | None = None


def network_shape(
    candidate: ModelCandidate, *, tokens_given: bool = False, pictures: bool = False
) -> NetworkShape:
    """
    Fill in what is not said about a network.

    Args:
        candidate: The model.
        tokens_given: Whether the task counts its data in tokens.
        pictures: Whether its data are pictures; an unnamed network is then convolutional.
    """
    name = (candidate.name or "").lower()
    unnamed = not candidate.name and candidate.family != "fine_tuning"
    dense = _DENSE.search(name) is not None
    convolutional = dense or _CONVOLUTIONAL.search(name) is not None or (pictures and unnamed)
    architecture = architecture_of(candidate)
    known = candidate.parameters or (architecture.parameters if architecture else _published(name))
    language = not convolutional and (
        tokens_given
        or candidate.family == "fine_tuning"
        or _LANGUAGE.search(name) is not None
        or ((known or 0.0) >= _LANGUAGE_PARAMETERS and _NOT_LANGUAGE.search(name) is None)
    )
    if known:
        parameters = exactly(known)
    else:
        parameters = _UNKNOWN_LANGUAGE_MODEL if language else _UNKNOWN_NETWORK
    layers: float = candidate.layers or (
        parameters.p50 / (_WEIGHTS_PER_SQUARE * _WIDTH_PER_LAYER**2)
    ) ** (1 / 3)
    layers = max(1.0, float(layers))
    width = (parameters.p50 / (_WEIGHTS_PER_SQUARE * layers)) ** 0.5
    if architecture is not None:
        layers, width = float(candidate.layers or architecture.layers), float(architecture.width)
    return NetworkShape(
        parameters=parameters,
        layers=layers,
        width=width,
        language=language,
        reuse=_DENSE_REUSE if dense else _CONVOLUTIONAL_REUSE if convolutional else 1.0,
        known=bool(known),
        kept_width=float(architecture.kv_heads * architecture.head_width) if architecture else None,
    )


def _published(name: str) -> float | None:
    spelt = _SEPARATORS.sub("", name)
    for published, parameters in _PUBLISHED_PARAMETERS.items():
        if _SEPARATORS.sub("", published) in spelt:
            return parameters
    match = _SIZE_IN_NAME.search(name)
    return float(match[1]) * {"m": 1e6, "b": 1e9}[match[2]] if match else None


def weight_bytes(candidate: ModelCandidate, *, default: str) -> float:
    """Bytes of one weight as it is held for computing."""
    return BYTES_BY_PRECISION[candidate.precision or default]
