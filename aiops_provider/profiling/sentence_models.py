"""Which model a sentence names, and what it says about its size and training."""

from __future__ import annotations

import re
from typing import Any

from aiops_provider.profiling import sentence_figures as figures

# The first that matches names the family; longer names before their parts.
_FAMILIES = (
    ("tree_ensemble", r"xgboost|lightgbm|catboost|random forests?|gradient[- ]boost\w*|decision trees?|"
     r"gbm|gbdt|isolation forest|boosted trees|extra ?trees"),
    ("linear", r"(?:linear|logistic|ridge|lasso|poisson) regression|elastic ?net|linear model|lasso|"
     r"linear learner|svm|support vector|naive bayes|glm|factorization machines?"),
    ("clustering", r"k-?means|dbscan|hdbscan|clustering|gaussian mixture|pca"),
    ("deep_network", r"resnet-?\d*|resnext-?\d*|efficientnet(?:-b\d)?|mobilenet\w*|retinanet|ssd|"
     r"mask ?r-?cnn|yolo\w*|3d u-?net|u-?net|vit(?:-\w+)?|distilbert|roberta(?:-large)?|"
     r"bert(?:[- ](?:base|large))?|gpt-?oss(?:-\d+b)?|gpt-?[234j](?:-?xl)?|t5(?:-\w+)?|"
     r"whisper(?:[- ]large)?|dlrm\w*|rnn-?t|lstm|transformers?|(?:convolutional )?neural net\w*|cnn|"
     r"(?:code ?)?llama[- ]?\d*(?:\.\d)?|mixtral|mistral|qwen[\d.]*|gemma[- ]?\d*|falcon|phi-?\d*|"
     r"deepseek\w*|bloom|vicuna|mpt|sdxl|stable diffusion\w*|diffusion model|flux\S*|clip|"
     r"deepar|autoencoder|gnn|r-?gat|graph neural net\w*|minigo|deep network|deep learning|"
     r"language models?|llms?|image classif\w+|object detection|semantic segmentation"),
)  # fmt: skip
_TUNING = r"fine-?tun\w*|\bq?lora\b|\bpeft\b|adapters?|instruction-?tun\w*"
_PRECISIONS = (
    ("int4", r"qlora|4-?bit|int4|nf4|awq|gptq"),
    ("int8", r"8-?bit|int8"),
    ("fp8", r"fp8"),
    ("bf16", r"bf16|bfloat16"),
    ("fp16", r"fp16|half precision"),
    ("fp32", r"fp32|full precision"),
)
_LANGUAGE_MODEL = 5e8


def candidate_in(text: str) -> dict[str, Any] | None:
    """
    The model as fields of ``ModelCandidate``; ``None`` if the sentence names none.

    >>> candidate_in("QLoRA of Llama 3 70B with rank 16")["lora_rank"]
    16
    """
    family, name = _family(text)
    size = figures.parameters(text)
    tuning = re.search(_TUNING, text, re.IGNORECASE) is not None
    if family is None and size is None and not tuning:
        return None
    if tuning and family in {None, "deep_network"}:
        family = "fine_tuning"
    family = family or "deep_network"
    found: dict[str, Any] = {"family": family, "name": name, "parameters": size}
    if family in {"deep_network", "fine_tuning"}:
        found |= _network(text, tuning=tuning)
    hyperparameters = _hyperparameters(text, family)
    if hyperparameters:
        found["hyperparameters"] = hyperparameters
    if name and size and size >= _LANGUAGE_MODEL and "diffusion" not in name:
        found["name"] = f"{name}-{size / 1e9:g}b"
    return found


def _family(text: str) -> tuple[str | None, str | None]:
    for family, words in _FAMILIES:
        match = re.search(rf"\b({words})(?![a-z])", text, re.IGNORECASE)
        if match:
            return family, re.sub(r"\s+", "-", match[1].lower())
    return None, None


def _network(text: str, *, tuning: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    batch = figures.setting_of(text, "batch size|batch")
    if batch:
        found["batch_size"] = round(batch)
    precision = next(
        (name for name, words in _PRECISIONS if re.search(words, text, re.IGNORECASE)), None
    )
    if precision:
        found["precision"] = precision
    if tuning and re.search(r"lora|adapter|peft", text, re.IGNORECASE):
        # Rank 16 is what published recipes mostly start from; the base decides the memory.
        found["lora_rank"] = round(figures.setting_of(text, "rank") or 16)
    return found


def _hyperparameters(text: str, family: str) -> dict[str, Any]:
    if family == "tree_ensemble":
        named = {"n_estimators": "trees|rounds|estimators", "max_depth": "depth"}
    elif family == "clustering":
        named = {"n_clusters": "clusters|centroids|centres"}
    else:
        named = {"sequence_length": "sequence length|context length"}
    values = {key: _setting(text, key, words) for key, words in named.items()}
    return {key: round(value) for key, value in values.items() if value}


def _setting(text: str, key: str, words: str) -> float | None:
    if key in {"n_estimators", "n_clusters"}:
        return figures.count_of(text, words)
    return figures.setting_of(text, words)
