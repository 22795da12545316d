"""
Twenty-five hospitals and what is watched of each: rows, precision of a frozen model, 30 features.

A period (six hours) of a hospital is a fresh sample of the tumour data: as many rows as the hour
lets expect, drawn anew. A *replica* of it lies in every cluster, and a task reads the one of the
cluster it runs in – which is how bad data of one provider shows in some tasks and not in others.
Tasks need numpy only: importing scikit-learn costs more than the rest of the task.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from aiops_provider.cli.demo.data import data_folder, smoothed_bootstrap, tumours

if TYPE_CHECKING:
    import numpy as np

PARTITIONS = tuple(f"hospital-{number:02d}" for number in range(1, 26))
PERIOD_HOURS = 6

# Where a task runs when nobody placed it, for instance under LocalExecutor.
UNPLACED = "local"

_JITTER = 0.3
_ROW_NOISE = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenModel:
    """
    A logistic regression that is not trained any more; plain numbers, so numpy can apply it.

    Attributes:
        columns: Names of the features, in order.
        weights: One per column, on raw figures.
        intercept: Log-odds at all zeros.
    """

    columns: tuple[str, ...]
    weights: tuple[float, ...]
    intercept: float

    def save(self, data: Path) -> None:
        """Write it where :meth:`load` finds it."""
        text = json.dumps(
            {"columns": self.columns, "weights": self.weights, "intercept": self.intercept}
        )
        data.mkdir(parents=True, exist_ok=True)
        (data / "model.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, data: Path) -> FrozenModel:
        """Read it from the demo's data folder."""
        found = json.loads((data / "model.json").read_text(encoding="utf-8"))
        return cls(
            columns=tuple(found["columns"]),
            weights=tuple(found["weights"]),
            intercept=found["intercept"],
        )


def freeze_model(seed: int = 1) -> FrozenModel:
    """Train the model once; needs scikit-learn."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    data, malignant, names = tumours()
    generator = np.random.default_rng(seed)
    chosen = generator.integers(0, len(data), 5_000)
    table = smoothed_bootstrap(data, chosen, generator, jitter=_JITTER)
    mean, spread = table.mean(axis=0), table.std(axis=0)
    fitted = LogisticRegression(C=0.1).fit((table - mean) / spread, malignant[chosen])
    weights = fitted.coef_[0] / spread
    return FrozenModel(
        columns=names,
        weights=tuple(float(weight) for weight in weights),
        intercept=float(fitted.intercept_[0] - weights @ mean),
    )


class Hospitals:
    """
    Draws the rows that a hospital has in a period; needs scikit-learn for the data.

    Args:
        seed: Same seed, hospital and period: same rows.
    """

    def __init__(self, seed: int = 1) -> None:
        self._seed = seed
        self._data, self._malignant, self._names = tumours()

    def rows(self, partition: str, period: datetime) -> np.ndarray:
        """
        Rows of one period.

        Args:
            partition: One of ``PARTITIONS``.
            period: Its moment; the hour decides how busy the hospital is.

        Returns:
            Shape (n, 31), float32: the features and, last, 1 where malignant.
        """
        import numpy as np

        number = PARTITIONS.index(partition)
        generator = np.random.default_rng([self._seed, number, int(period.timestamp())])
        busy = expected_rows(partition, period) * math.exp(_ROW_NOISE * generator.normal())
        share = 0.32 + 0.002 * number  # of malignant tumours; no two hospitals are alike
        sick = generator.random(round(busy)) < share
        chosen = np.where(
            sick,
            generator.choice(np.flatnonzero(self._malignant == 1), len(sick)),
            generator.choice(np.flatnonzero(self._malignant == 0), len(sick)),
        )
        table = smoothed_bootstrap(self._data, chosen, generator, jitter=_JITTER)
        return np.hstack([table, sick[:, None].astype("float32")])


def expected_rows(partition: str, period: datetime) -> float:
    """
    How many rows a hospital has in the period of that hour (UTC): by its size, most at 14 h.

    >>> from datetime import UTC
    >>> expected_rows("hospital-01", datetime(2026, 1, 5, 14, tzinfo=UTC))
    480.0
    """
    size = 400.0 + 20.0 * PARTITIONS.index(partition)
    return size * (1.0 + 0.2 * math.cos((period.hour - 14) / 24 * math.tau))


def kpis(rows: np.ndarray, model: FrozenModel) -> dict[tuple[str, str], float]:
    """
    What is watched of one partition.

    Args:
        rows: As drawn by :class:`Hospitals`.
        model: Judges the rows.

    Returns:
        Value by name of the KPI and feature; the feature is empty for KPIs of the whole partition.
    """
    import numpy as np

    features, malignant = rows[:, :-1].astype("float64"), rows[:, -1] == 1
    claimed = features @ np.array(model.weights) + model.intercept > 0
    precision = float(malignant[claimed].mean()) if claimed.any() else 0.0
    means = dict(zip(model.columns, features.mean(axis=0), strict=True))
    return {
        ("row_count", ""): float(len(rows)),
        ("precision", ""): precision,
        **{("feature_mean", column): float(mean) for column, mean in means.items()},
    }


def replica_folder(data: Path, cluster: str) -> Path:
    """Where a cluster keeps its replica of the partitions."""
    return data / "replicas" / cluster


def write_replicas(
    data: Path,
    clusters: Sequence[str],
    hospitals: Hospitals,
    period: datetime,
    *,
    corrupt: frozenset[str] = frozenset(),
) -> None:
    """
    Give every cluster its replica of one period, some of them broken.

    Args:
        data: The demo's data folder.
        clusters: Names of the clusters; tasks that nobody placed get one too.
        hospitals: Draws the rows.
        period: Which period.
        corrupt: Clusters whose replica is broken.
    """
    import numpy as np

    for partition in PARTITIONS:
        rows = hospitals.rows(partition, period)
        for cluster in (*clusters, UNPLACED):
            folder = replica_folder(data, cluster)
            folder.mkdir(parents=True, exist_ok=True)
            copy = broken(rows) if cluster in corrupt else rows
            # A task must never read half a file.
            unfinished = folder / f".{partition}.npy"
            np.save(unfinished, copy)
            unfinished.replace(folder / f"{partition}.npy")


def broken(rows: np.ndarray) -> np.ndarray:
    """
    A replica whose transfer went wrong: one row in five arrived, in other units.

    Labels stay, so the frozen model's precision falls too.
    """
    copy = rows[::5].copy()
    copy[:, :-1] *= 1.6
    return copy


def read_replica(partition: str) -> np.ndarray:
    """The partition as the cluster sees it that this process runs in."""
    import numpy as np

    cluster = os.environ.get("AIOPS_CLUSTER") or UNPLACED
    rows: np.ndarray = np.load(replica_folder(data_folder(), cluster) / f"{partition}.npy")
    return rows


def deliver(run_id: str, partition: str, summary: Mapping[str, float]) -> None:
    """
    Hand the result on: one line in a ledger, written at once.

    This is the effect that must happen exactly once however often clusters fail.
    """
    line = json.dumps(
        {
            "run_id": run_id,
            "partition": partition,
            "cluster": os.environ.get("AIOPS_CLUSTER") or UNPLACED,
            "process": os.getpid(),
            **summary,
        }
    )
    ledger = data_folder() / "ledger.jsonl"
    # One write to a file opened for appending: lines of tasks that end together do not mix.
    with ledger.open("ab", buffering=0) as file:
        file.write(f"{line}\n".encode())


def deliveries(data: Path, run_id: str) -> list[dict[str, object]]:
    """The ledger's lines of one run."""
    ledger = data / "ledger.jsonl"
    if not ledger.exists():
        return []
    lines = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line["run_id"] == run_id]
