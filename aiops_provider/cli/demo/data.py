"""
The patients of the demo: the two medical data sets that ship inside scikit-learn, resampled.

Both sets are small (569 and 442 rows). A smoothed bootstrap – rows drawn with replacement, each
figure moved a little – scales them to any number of rows with the same means and correlations.
Everything is seeded, so two runs see the same patients.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

# Where the pipelines keep their data; every stand-in cluster of one machine sees the same folder,
# as clusters see one object store.
DATA_VARIABLE = "AIOPS_DEMO_DATA"

# Noise per figure, in standard deviations of its column: at 0.6 the classes overlap enough that a
# model has something to learn (without noise every candidate reaches a precision near 1).
JITTER = 0.6


def data_folder() -> Path:
    """Where the pipelines keep their data: ``$AIOPS_DEMO_DATA``, else the temporary folder."""
    return Path(os.environ.get(DATA_VARIABLE) or Path(tempfile.gettempdir()) / "aiops-demo")


def tumours() -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """
    The breast-cancer data as it ships.

    Returns:
        Measurements (569, 30), 1 where malignant (569,), names of the 30 columns.
    """
    from sklearn.datasets import load_breast_cancer

    found = load_breast_cancer()
    malignant = (found.target == 0).astype("int8")
    return found.data, malignant, tuple(str(name) for name in found.feature_names)


def metabolism() -> np.ndarray:
    """The diabetes data as it ships: ten measurements, unscaled, shape (442, 10)."""
    from sklearn.datasets import load_diabetes

    measurements: np.ndarray = load_diabetes(scaled=False).data
    return measurements


def smoothed_bootstrap(
    data: np.ndarray, rows: np.ndarray, generator: np.random.Generator, *, jitter: float = JITTER
) -> np.ndarray:
    """
    The chosen rows, each figure moved by normal noise.

    Args:
        data: Shape (n, columns).
        rows: Indices into *data*, repeats welcome.
        generator: Source of the noise.
        jitter: Standard deviation of the noise in multiples of that of each column.

    Returns:
        Shape (len(rows), columns), float32.
    """
    noise = generator.standard_normal((len(rows), data.shape[1]), dtype="float32")
    noise *= jitter * data.std(axis=0).astype("float32")
    noise += data[rows].astype("float32")
    return noise
