"""Published architectures of language models: what a name is enough to know."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from aiops_provider.domain.workload import ModelCandidate


@dataclass(frozen=True, slots=True)
class Architecture:
    """
    A transformer.

    Attributes:
        parameters: Number of weights.
        layers: Number of layers.
        width: Values of one token between layers.
        kv_heads: Key-value heads of a layer; as many as heads without grouped queries.
        head_width: Values of a head.
    """

    parameters: float
    layers: int
    width: int
    kv_heads: int
    head_width: int


# From the papers' tables and the models' published config.json: BERT (Devlin 2019), GPT-2 (Radford
# 2019), GPT-3 (Brown 2020), OPT (Zhang 2022), Llama 2 (Touvron 2023), Llama 3 (Meta 2024), Mistral
# and Mixtral (Jiang 2023, 2024), Qwen 2.5 (2024), Gemma (2024).
PUBLISHED: Mapping[str, Architecture] = {
    "bert-base": Architecture(110e6, 12, 768, 12, 64),
    "bert-large": Architecture(340e6, 24, 1024, 16, 64),
    "gpt2-medium": Architecture(355e6, 24, 1024, 16, 64),
    "gpt2-large": Architecture(774e6, 36, 1280, 20, 64),
    "gpt2-xl": Architecture(1.56e9, 48, 1600, 25, 64),
    "gpt2": Architecture(124e6, 12, 768, 12, 64),
    "gpt-3": Architecture(175e9, 96, 12288, 96, 128),
    "opt-13b": Architecture(13e9, 40, 5120, 40, 128),
    "opt-30b": Architecture(30e9, 48, 7168, 56, 128),
    "opt-66b": Architecture(66e9, 64, 9216, 72, 128),
    "llama-2-7b": Architecture(6.74e9, 32, 4096, 32, 128),
    "llama-2-13b": Architecture(13.0e9, 40, 5120, 40, 128),
    "llama-2-70b": Architecture(69.0e9, 80, 8192, 8, 128),
    "llama-3-8b": Architecture(8.03e9, 32, 4096, 8, 128),
    "llama-3.1-8b": Architecture(8.03e9, 32, 4096, 8, 128),
    "llama-3-70b": Architecture(70.6e9, 80, 8192, 8, 128),
    "llama-3.1-70b": Architecture(70.6e9, 80, 8192, 8, 128),
    "llama-3.1-405b": Architecture(405e9, 126, 16384, 8, 128),
    "mistral-7b": Architecture(7.24e9, 32, 4096, 8, 128),
    "mixtral-8x7b": Architecture(46.7e9, 32, 4096, 8, 128),
    "mixtral-8x22b": Architecture(140.6e9, 56, 6144, 8, 128),
    "qwen2.5-7b": Architecture(7.62e9, 28, 3584, 4, 128),
    "qwen2.5-72b": Architecture(72.7e9, 80, 8192, 8, 128),
    "gemma-7b": Architecture(8.54e9, 28, 3072, 16, 256),
}
_SPELT = str.maketrans({" ": "-", "_": "-", "/": "-"})
_RUN_TOGETHER = re.compile(r"llama(\d)")
_PATTERNS = {
    name: re.compile(rf"(?<![a-z0-9]){re.escape(name)}(?![a-z0-9.])") for name in PUBLISHED
}
# Names of the fields of a config.json on the Hugging Face Hub.
_LAYERS, _WIDTH, _HEADS = "num_hidden_layers", "hidden_size", "num_attention_heads"
_KV_HEADS, _HEAD_WIDTH = "num_key_value_heads", "head_dim"


def architecture_of(candidate: ModelCandidate) -> Architecture | None:
    """
    The architecture of a model, by its hyperparameters, else by its name.

    Hyperparameters are named as in a config.json: num_hidden_layers, hidden_size,
    num_attention_heads, num_key_value_heads, head_dim.

    Returns:
        ``None`` where it is not known; nothing is guessed.
    """
    said = candidate.hyperparameters
    layers = _count(said.get(_LAYERS)) or candidate.layers
    width, heads = _count(said.get(_WIDTH)), _count(said.get(_HEADS))
    if layers and width and heads:
        return Architecture(
            parameters=candidate.parameters or 12.0 * layers * width**2,
            layers=layers,
            width=width,
            kv_heads=_count(said.get(_KV_HEADS)) or heads,
            head_width=_count(said.get(_HEAD_WIDTH)) or width // heads,
        )
    return published_architecture(candidate.name or "")


def published_architecture(name: str) -> Architecture | None:
    """
    The architecture of the longest published name that the name contains.

    >>> published_architecture("meta-llama/Llama-2-70b-chat").kv_heads
    8
    """
    spelt = _RUN_TOGETHER.sub(r"llama-\1", name.lower().translate(_SPELT))
    held = [known for known, pattern in _PATTERNS.items() if pattern.search(spelt)]
    return PUBLISHED[max(held, key=len)] if held else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
