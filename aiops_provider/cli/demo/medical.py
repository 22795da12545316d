"""
The steps of the medical pipeline, without a host: the Airflow DAG and the Prefect flow call them.

Records of patients → features → (few or many rows?) → two candidates trained → the better one
serves requests. Each step reads and writes files in the folder of its run, so that the steps can
run anywhere that sees the folder. Libraries are imported inside the functions: a DAG file is
parsed in every task, also in those that need none of this.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiops_provider.cli.demo.data import data_folder, metabolism, smoothed_bootstrap, tumours

if TYPE_CHECKING:
    import numpy as np

# From here on a histogram method is worth its overhead; below it exact splits are affordable.
MANY_ROWS = 50_000
CANDIDATES = ("linear", "forest", "boosting")

_TRAINING_SHARE = 0.8
_LINEAR_BATCHES = 16
_FOREST_BATCHES, _TREES_PER_BATCH = 6, 5
_BOOSTING_BATCHES, _ROUNDS_PER_BATCH = 6, 5

OnBatch = Callable[[int, float], None]


def run_folder(run_id: str) -> Path:
    """The folder that the steps of one run share."""
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in run_id)
    folder = data_folder() / "runs" / safe
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def transform(folder: Path, *, rows: int, seed: int = 1) -> int:
    """
    Join tumour and metabolism measurements into patient records.

    Args:
        folder: Of the run.
        rows: Number of patients.
        seed: Same seed, same patients.

    Returns:
        Number of records written, after dropping impossible ones (a size below 0).
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    data, malignant, names = tumours()
    chosen = generator.integers(0, len(data), rows)
    tumour = smoothed_bootstrap(data, chosen, generator)
    others = metabolism()
    metabolic = smoothed_bootstrap(others, generator.integers(0, len(others), rows), generator)
    possible = tumour[:, names.index("mean radius")] > 0
    np.save(folder / "records.npy", np.hstack([tumour, metabolic])[possible])
    np.save(folder / "malignant.npy", malignant[chosen][possible])
    return int(possible.sum())


def features(folder: Path) -> int:
    """
    Standardise the records and add the products of the ten most telling columns.

    Returns:
        Number of columns written.
    """
    import numpy as np

    records = np.load(folder / "records.npy")
    malignant = np.load(folder / "malignant.npy")
    standard = (records - records.mean(axis=0)) / records.std(axis=0)
    gap = standard[malignant == 1].mean(axis=0) - standard[malignant == 0].mean(axis=0)
    telling = np.argsort(-np.abs(gap))[:10]
    first, second = np.triu_indices(len(telling), k=1)
    products = standard[:, telling[first]] * standard[:, telling[second]]
    table = np.hstack([standard, products]).astype("float32")
    np.save(folder / "features.npy", table)
    return int(table.shape[1])


def choose_candidates(rows: int) -> tuple[str, ...]:
    """
    The branch: which models are tried on this many rows.

    >>> choose_candidates(2_000)
    ('linear', 'forest')
    >>> choose_candidates(1_000_000)
    ('linear', 'boosting')
    """
    return ("linear", "boosting") if rows >= MANY_ROWS else ("linear", "forest")


def train(candidate: str, folder: Path, *, on_batch: OnBatch, seed: int = 1) -> float:
    """
    Train one candidate batch by batch, and keep the model.

    Args:
        candidate: One of ``CANDIDATES``.
        folder: Of the run.
        on_batch: Called after each batch with its number from 0 and the precision on held-out rows.
        seed: Same seed, same model.

    Returns:
        Precision of the final model on held-out rows.
    """
    import joblib  # type: ignore[import-untyped]
    import numpy as np

    # Mapped, not read: the linear candidate only ever needs one batch in memory.
    table = np.load(folder / "features.npy", mmap_mode="r")
    malignant = np.load(folder / "malignant.npy")
    split = int(len(table) * _TRAINING_SHARE)
    learner = {"linear": _linear, "forest": _forest, "boosting": _boosting}[candidate]
    held_out = np.asarray(table[split:])
    precision = 0.0
    model = None
    for batch, model in enumerate(learner(table[:split], malignant[:split], seed)):
        precision = _precision(model.predict(held_out), malignant[split:])
        on_batch(batch, precision)
    joblib.dump(model, folder / f"{candidate}.joblib")
    return precision


def compare(precisions: Mapping[str, float]) -> str:
    """
    The candidate with the highest precision; the earlier name wins a tie.

    >>> compare({"linear": 0.91, "forest": 0.94})
    'forest'
    """
    return max(sorted(precisions), key=lambda candidate: precisions[candidate])


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """
    What a serving task saw.

    Attributes:
        requests: Answered with a score.
        failures: Answered with an error, or not at all.
        requests_per_s: Mean rate of the answered ones.
        latency_p95_ms: Exceeded by one request in twenty.
    """

    requests: int
    failures: int
    requests_per_s: float
    latency_p95_ms: float


def serve(
    folder: Path,
    candidate: str,
    *,
    seconds: float,
    on_second: Callable[[float, float], None],
) -> Served:
    """
    Serve the model over HTTP on loopback while a load generator asks for scores.

    Args:
        folder: Of the run.
        candidate: Whose model.
        seconds: How long.
        on_second: Called about once a second with requests per second and p95 latency in ms.

    Returns:
        What the load generator saw over the whole time.
    """
    import joblib
    import numpy as np

    from aiops_provider.cli.demo.serving import generate_load, scoring_server

    model = joblib.load(folder / f"{candidate}.joblib")
    patients = np.load(folder / "features.npy", mmap_mode="r")[:256]
    bodies = [json.dumps({"features": row.tolist()}).encode() for row in np.asarray(patients)]
    with scoring_server(lambda row: _score(model, row)) as port:
        latencies, failures = generate_load(port, bodies, seconds=seconds, on_second=on_second)
    return Served(
        requests=len(latencies),
        failures=failures,
        requests_per_s=len(latencies) / seconds,
        latency_p95_ms=float(np.quantile(latencies, 0.95)) if latencies else 0.0,
    )


def _score(model: Any, row: list[float]) -> float:
    import numpy as np

    return float(model.predict_proba(np.array([row], dtype="float32"))[0, 1])


def _precision(predicted: np.ndarray, malignant: np.ndarray) -> float:
    claimed = predicted == 1
    return float(malignant[claimed].mean()) if claimed.any() else 0.0


def _linear(table: np.ndarray, malignant: np.ndarray, seed: int) -> Iterator[Any]:
    import numpy as np
    from sklearn.linear_model import SGDClassifier

    # Averaged weights: the plain ones jump with every batch.
    model = SGDClassifier(loss="log_loss", alpha=1e-4, average=True, random_state=seed)
    for rows in np.array_split(np.arange(len(table)), _LINEAR_BATCHES):
        model.partial_fit(table[rows[0] : rows[-1] + 1], malignant[rows], classes=[0, 1])
        yield model


def _forest(table: np.ndarray, malignant: np.ndarray, seed: int) -> Iterator[Any]:
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(n_estimators=0, max_depth=8, warm_start=True, random_state=seed)
    for _ in range(_FOREST_BATCHES):
        model.n_estimators += _TREES_PER_BATCH
        yield model.fit(table, malignant)


def _boosting(table: np.ndarray, malignant: np.ndarray, seed: int) -> Iterator[Any]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=0, warm_start=True, early_stopping=False, random_state=seed
    )
    for _ in range(_BOOSTING_BATCHES):
        model.max_iter += _ROUNDS_PER_BATCH
        yield model.fit(table, malignant)
