"""Memory of accelerators: measured trainings of dense networks, and published sums."""

from __future__ import annotations

import ast
import csv
import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aiops_provider.domain.units import BYTES_PER_GIB
from aiops_provider.profiling.accelerator_memory import (
    LearnedMemory,
    key_value_cache_gib,
    training_states,
)
from aiops_provider.profiling.priors.architectures import published_architecture

OURS = "aiops learned memory"
LINEAR = "linear bytes formula"
GBM = "GBM on features"
STATIC = "DNNMem-like static estimate"
PRIOR = "aiops memory, no runs"
CASES = Path(__file__).with_name("gpu_memory_cases.csv")
_FOLDS = 5
_BYTES = 4.0
_MIB_PER_GIB = 1024.0
# What the package takes for a context where nothing was measured, see priors/deep_learning.
_CONTEXT_GIB = 1.5
# The caching allocator of PyTorch rounds small blocks up to 512 bytes and takes segments of 2 MiB.
_SEGMENT = 2.0 * 2**20


@dataclass(frozen=True, slots=True)
class Run:
    """A training: GiB by part, features for peers, bytes of every tensor, and the peak in GiB."""

    parts: Mapping[str, float]
    features: Sequence[float]
    tensors: Sequence[float]
    peak_gib: float


def read_runs(folder: Path) -> list[Run]:
    """The runs of ``mlp.csv.gz`` that measured a peak."""
    with gzip.open(folder / "mlp.csv.gz", "rt", newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if float(row["Max GPU Memory (MiB)"]) > 0]
    return [_run(row) for row in rows]


def _run(row: Mapping[str, str]) -> Run:
    layers = [
        (kind.lower(), *sizes) for kind, *sizes in ast.literal_eval(row["Activations-Params"])
    ]
    batch = float(row["Batch Size"])
    named = re.search(r"input:(\d+)", row["Filename"])
    # The first layer has inputs * outputs weights and a bias per output.
    first = layers[0]
    inputs = float(named[1]) if named else max(0.0, first[2] / first[1] - 1)
    weights = sum(layer[2] for layer in layers)
    held = {"linear": 0.0, "batch_normalization": 0.0, "dropout": 0.0, "function": 0.0}
    for kind, width, _ in layers:
        held[kind if kind in held else "function"] += width * batch * _BYTES / BYTES_PER_GIB
    states = training_states("fp32").per_weight * weights / BYTES_PER_GIB
    parts = {"states": states, "inputs": inputs * batch * _BYTES / BYTES_PER_GIB, **held}
    tensors = [each for _, _, size in layers if size for each in [size * _BYTES] * 4]
    tensors += [width * batch * _BYTES for _, width, _ in layers] + [inputs * batch * _BYTES]
    return Run(
        parts=parts,
        features=[weights, inputs, batch, float(len(layers)), *parts.values()],
        tensors=tensors,
        peak_gib=float(row["Max GPU Memory (MiB)"]) / _MIB_PER_GIB,
    )


@dataclass(frozen=True, slots=True)
class Folded:
    """Predictions of every run by models that have not seen it, GiB: expected and asked for."""

    expected: NDArray[np.float64]
    enough: NDArray[np.float64]


def cross_validated(runs: Sequence[Run], *, seed: int) -> dict[str, Folded]:
    """Ours and the peers on the same five folds; peers get the margin that ours gets."""
    order = np.random.default_rng(seed).permutation(len(runs))
    peaks = np.array([run.peak_gib for run in runs])
    names = (OURS, LINEAR, GBM, STATIC, PRIOR)
    found = {name: Folded(np.empty(len(runs)), np.empty(len(runs))) for name in names}
    for fold in range(_FOLDS):
        asked = order[fold::_FOLDS]
        known = np.setdiff1d(order, asked)
        learned = LearnedMemory([runs[i].parts for i in known], list(peaks[known]))
        answers = [learned.predict(runs[i].parts) for i in asked]
        found[OURS].expected[asked] = [answer.expected_gib for answer in answers]
        found[OURS].enough[asked] = [answer.enough_gib for answer in answers]
        for name, expected in _peers(runs, peaks, known).items():
            margin = max(1.0, float(np.quantile(peaks[known] / expected[known], 0.99)))
            found[name].expected[asked] = expected[asked]
            found[name].enough[asked] = expected[asked] * margin
    return found


def _peers(
    runs: Sequence[Run], peaks: NDArray[np.float64], known: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    from sklearn.ensemble import HistGradientBoostingRegressor

    features = np.array([run.features for run in runs])
    states = np.array([run.parts["states"] for run in runs])
    rest = np.array([sum(run.parts.values()) - run.parts["states"] for run in runs])
    columns = np.column_stack([np.ones(len(runs)), states, rest])
    weights, *_ = np.linalg.lstsq(columns[known], peaks[known], rcond=None)
    forest = HistGradientBoostingRegressor(random_state=0).fit(features[known], peaks[known])
    rounded = [sum(-(-t // 512) * 512 for t in run.tensors) for run in runs]
    segments = np.array([-(-size // _SEGMENT) * _SEGMENT / BYTES_PER_GIB for size in rounded])
    # A static estimate is told the context of the device: the smallest difference it was seen with.
    context = float(np.min(peaks[known] - segments[known]))
    return {
        LINEAR: columns @ weights,
        GBM: forest.predict(features),
        STATIC: segments + max(0.0, context),
        PRIOR: states + rest + _CONTEXT_GIB,
    }


@dataclass(frozen=True, slots=True)
class Case:
    """A published sum and ours, in bytes."""

    name: str
    kind: str
    expected_bytes: float
    ours_bytes: float
    source: str


def published_cases(file: Path = CASES) -> list[Case]:
    """The cases of the table, answered by the functions that the package uses."""
    with file.open(newline="", encoding="utf-8") as opened:
        return [
            Case(
                row["case"],
                row["kind"],
                float(row["expected_bytes"]),
                _ours_gib(row) * BYTES_PER_GIB,
                row["source"],
            )
            for row in csv.DictReader(opened)
        ]


def _ours_gib(row: Mapping[str, str]) -> float:
    if row["kind"] == "training_states":
        states = training_states(row["precision"], row["optimizer"])
        devices, stage = int(row["devices"]), int(row["stage"])
        return states.gib(float(row["parameters"]), devices=devices, stage=stage)
    known = published_architecture(row["architecture"])
    if known is None:
        raise SystemExit(f"{row['case']}: no architecture is known as {row['architecture']}")
    if row["kind"] == "weights":
        return known.parameters * float(row["value_bytes"]) / BYTES_PER_GIB
    return key_value_cache_gib(
        layers=known.layers,
        kv_heads=known.kv_heads,
        head_width=known.head_width,
        tokens=float(row["tokens"]),
        bytes_per_value=float(row["value_bytes"]),
    )
