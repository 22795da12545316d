"""Prior of training: classical models from the size of their data, networks from FLOPs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from aiops_provider.domain.profile import ComputeType
from aiops_provider.domain.units import BYTES_PER_GIB, gib_from_bytes
from aiops_provider.domain.workload import Dataset, ModelCandidate, Training
from aiops_provider.profiling.estimate import Estimate
from aiops_provider.profiling.priors.data_size import (
    NUMBER_BYTES,
    columns,
    in_memory_gib,
    row_count,
    size_in_words,
)
from aiops_provider.profiling.priors.deep_learning import (
    PICTURES,
    TrainingNeed,
    deep_network_need,
)
from aiops_provider.profiling.priors.guess import (
    NOTHING,
    PROCESS_MEMORY_GIB,
    PROCESS_START_S,
    Guess,
    between,
    exactly,
)
from aiops_provider.profiling.priors.storage import storage_need

# What people try on a table when nothing is said: trees still beat networks there (Grinsztajn et
# al., NeurIPS 2022), and a linear model is the yardstick.
_USUAL_CANDIDATES = (ModelCandidate(family="linear"), ModelCandidate(family="tree_ensemble"))
# On pictures, sound and text it is a network.
_UNSTRUCTURED = PICTURES | {
    "wav", "mp3", "audio", "text", "txt", "webdataset", "tfrecord",
}  # fmt: skip
# The table itself: numbers, and some columns that are not.
_TABLE = Guess(1.0, 1.2, 2.0)
# Copies of the matrix while fitting: scikit-learn checks, converts and centres its input.
_LINEAR_COPIES = Guess(1.5, 2.0, 3.0)
# Gradient boosting with histograms took 12.9 bytes a cell with XGBoost and 3 with LightGBM
# (Higgs, 10.5e6 x 28; LightGBM docs, "Experiments"): 0.4–1.6 of a matrix of 8 bytes a cell.
_TREE_COPIES = Guess(0.6, 1.2, 2.0)
# 64 bytes is one node of a scikit-learn tree. Fully grown on noise a tree has 1.26 nodes per row
# (bootstrap samples hold 63 % of the rows, two nodes a leaf); on data with structure far fewer.
_NODE_BYTES = 64.0
_NODES_PER_ROW = Guess(0.1, 0.4, 1.26)
_DEFAULT_TREES = 100.0
# Boosted trees are shallow where nobody says otherwise: max_depth 6 in XGBoost and CatBoost, 31
# leaves in LightGBM and scikit-learn's histogram boosting (their documentation); forests are not.
_DEFAULT_DEPTH = {"xgb": 6.0, "catboost": 6.0, "lightgbm": 5.0, "lgbm": 5.0, "boosting": 5.0}
# Core-seconds per row, feature, tree and level: 238.5 s (LightGBM) and 551.9 s (XGBoost) with 16
# threads for 10.5e6 * 28 * 500 * 8 on Higgs (same source): 3.2e-9 and 7.5e-9; scikit-learn's exact
# forests sort and take up to ten times as long.
_TREE_S = between(5e-9, 5e-8)
# Seconds per cell and pass of a solver: a multiply-add over 8 bytes at 2 GB/s of one core.
_LINEAR_S = between(4e-9, 2e-8)
# Passes until L-BFGS stops (scikit-learn's max_iter is 100), or k-means (300, mostly 10–50).
_LINEAR_PASSES = between(50.0, 200.0)
_CLUSTERS = 8.0
# One fit, or a few for a comparison of parameters.
_FITS = between(1.0, 5.0)
_MOST_CORES = 16.0
# More cores pay when one would be busy for this long.
_CORE_SECONDS_PER_CORE = 60.0


def training_prior(training: Training) -> Estimate:
    """
    The candidates are fitted one after the other: the largest memory, the sum of the times.

    Tables: ``process + matrix * copies (+ trees)``, time from rows, features, trees and levels.
    Networks: see ``deep_learning``. Unknown candidates: the usual ones for such data.
    """
    candidates = _candidates(training)
    needs = [_need(candidate, training) for candidate in candidates]
    memory = needs[0].memory_gib
    for need in needs[1:]:
        memory = memory.largest(need.memory_gib)
    core_seconds, accelerated = NOTHING, NOTHING
    for need in needs:
        core_seconds, accelerated = (
            core_seconds + need.core_seconds,
            accelerated + need.accelerated_s,
        )
    cores = max(need.cores for need in needs)
    accelerators = max(need.accelerators for need in needs)
    device = [n.accelerator_memory_gib for n in needs if n.accelerator_memory_gib is not None]
    what = (
        f"prior for {' + '.join(need.what for need in needs)} on {size_in_words(training.dataset)}"
    )
    duration = PROCESS_START_S + core_seconds * (1 / cores) + accelerated
    return Estimate(
        compute_type=ComputeType.GPU if accelerators else ComputeType.CPU,
        memory_gib=memory.quantity(what),
        cores=Guess(cores, cores, 2 * cores).quantity(what),
        duration_s=duration.quantity(what),
        accelerators=accelerators,
        accelerator_memory_gib=max(device, key=lambda d: d.p95).quantity(what) if device else None,
        storage=storage_need("source", training.dataset) or None,
    )


def _candidates(training: Training) -> tuple[ModelCandidate, ...]:
    named = () if training.candidates == "unknown" else training.candidates
    if not named:
        named = (ModelCandidate(),)
    unstructured = (training.dataset.format or "").lower() in _UNSTRUCTURED
    network = training.tokens is not None or unstructured
    usual = (ModelCandidate(family="deep_network"),) if network else _USUAL_CANDIDATES
    chosen: list[ModelCandidate] = []
    for candidate in named:
        if candidate.family != "unknown":
            chosen.append(candidate)
        elif candidate.parameters is not None or candidate.layers is not None:
            # Only networks are described by weights and layers.
            chosen.append(candidate.model_copy(update={"family": "deep_network"}))
        else:
            chosen.extend(usual)
    return tuple(chosen)


def _need(candidate: ModelCandidate, training: Training) -> TrainingNeed:
    match candidate.family:
        case "deep_network" | "fine_tuning":
            return deep_network_need(candidate, training)
        case "tree_ensemble":
            return _tree_need(candidate, training)
        case _:
            return _linear_need(candidate, training)


def _linear_need(candidate: ModelCandidate, training: Training) -> TrainingNeed:
    rows, cells = _shape(training.dataset)
    clusters = _number(candidate.hyperparameters, "n_clusters", "k") or _CLUSTERS
    groups = clusters if candidate.family == "clustering" else 1.0
    passes = exactly(float(training.epochs)) if training.epochs else _LINEAR_PASSES
    # Clustering keeps the distance of each row to each centre.
    distances = rows * (groups * 8.0 / BYTES_PER_GIB if groups > 1 else 0.0)
    core_seconds = cells * passes * _LINEAR_S * groups * _FITS
    return TrainingNeed(
        memory_gib=_with_matrix(training, _LINEAR_COPIES) + distances,
        cores=_cores(core_seconds),
        core_seconds=core_seconds,
        accelerated_s=NOTHING,
        what=candidate.name or candidate.family.replace("_", " "),
    )


def _tree_need(candidate: ModelCandidate, training: Training) -> TrainingNeed:
    rows, cells = _shape(training.dataset)
    given = candidate.hyperparameters
    trees = (
        _number(given, "n_estimators", "num_round", "num_boost_round", "max_iter", "iterations")
        or _DEFAULT_TREES
    )
    depth = _number(given, "max_depth", "depth") or _usual_depth(candidate.name or "")
    levels = depth or max(1.0, math.log2(max(2.0, rows.p50)))
    nodes = rows * _NODES_PER_ROW
    if depth is not None:
        nodes = nodes.at_most(2.0 ** min(depth + 1, 60))
    core_seconds = cells * _TREE_S * (trees * levels) * _FITS
    return TrainingNeed(
        memory_gib=_with_matrix(training, _TREE_COPIES)
        + nodes * (trees * gib_from_bytes(_NODE_BYTES)),
        cores=_cores(core_seconds),
        core_seconds=core_seconds,
        accelerated_s=NOTHING,
        what=candidate.name or f"a tree ensemble of {trees:g}",
    )


def _usual_depth(name: str) -> float | None:
    words = name.lower().replace("_", " ")
    return next((depth for part, depth in _DEFAULT_DEPTH.items() if part in words), None)


def _with_matrix(training: Training, copies: Guess) -> Guess:
    """The process, the table as read, and the copies that fitting makes of it."""
    matrix = _shape(training.dataset)[1] * gib_from_bytes(NUMBER_BYTES)
    return PROCESS_MEMORY_GIB + matrix * (_TABLE + copies)


def _shape(dataset: Dataset) -> tuple[Guess, Guess]:
    """Rows and cells."""
    rows = row_count(dataset)
    if dataset.rows is None and dataset.volume_gib is not None:
        return rows, in_memory_gib(dataset) * (BYTES_PER_GIB / NUMBER_BYTES)
    return rows, rows * columns(dataset)


def _cores(core_seconds: Guess) -> float:
    return max(1.0, min(_MOST_CORES, round(core_seconds.p50 / _CORE_SECONDS_PER_CORE)))


def _number(given: Mapping[str, Any], *keys: str) -> float | None:
    for key in keys:
        value = given.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
            return float(value)
    return None
