"""The rules of others that predict runtimes, from their public descriptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.neighbors import KNeighborsRegressor

Rows = Sequence[Mapping[str, float]]
Predict = Callable[[Rows], NDArray[np.float64]]
Peer = Callable[[Rows, NDArray[np.float64]], Predict]


def _logarithms(rows: Rows) -> NDArray[np.float64]:
    return np.log([[row[name] for name in sorted(row)] for row in rows])


def ernest(rows: Rows, runtimes_s: NDArray[np.float64]) -> Predict:
    """Venkataraman et al., NSDI 2016: non-negative least squares on 1, size/n, log n, n (n: workers)."""

    def terms(rows: Rows) -> NDArray[np.float64]:
        size = np.array([row.get("data_size_mb", 1.0) for row in rows])
        workers = np.array([row["workers"] for row in rows])
        return np.column_stack([np.ones_like(size), size / workers, np.log(workers), workers])

    # Relative errors are judged, so relative errors are fitted.
    weights, _ = nnls(terms(rows) / runtimes_s[:, None], np.ones_like(runtimes_s))
    return lambda wanted: np.asarray(terms(wanted) @ weights)


def neighbours(rows: Rows, runtimes_s: NDArray[np.float64]) -> Predict:
    """The three nearest configurations, by standardised logarithms, weighted by distance."""
    known = _logarithms(rows)
    centre, spread = known.mean(axis=0), np.maximum(known.std(axis=0), 1e-9)
    model = KNeighborsRegressor(n_neighbors=3, weights="distance")
    model.fit((known - centre) / spread, np.log(runtimes_s))
    return lambda wanted: np.exp(model.predict((_logarithms(wanted) - centre) / spread))


def boosted_trees(rows: Rows, runtimes_s: NDArray[np.float64]) -> Predict:
    """Gradient boosting on logarithms at scikit-learn's defaults."""
    model = GradientBoostingRegressor(random_state=0).fit(_logarithms(rows), np.log(runtimes_s))
    return lambda wanted: np.exp(model.predict(_logarithms(wanted)))


def boosted_trees_tuned(rows: Rows, runtimes_s: NDArray[np.float64]) -> Predict:
    """Gradient boosting with more and slower trees, as its documentation advises."""
    model = GradientBoostingRegressor(
        n_estimators=500, learning_rate=0.05, subsample=0.7, random_state=0
    )
    model.fit(_logarithms(rows), np.log(runtimes_s))
    return lambda wanted: np.exp(model.predict(_logarithms(wanted)))


PEERS: Mapping[str, Peer] = {
    "Ernest": ernest,
    "kNN-3": neighbours,
    "boosted trees": boosted_trees,
    "boosted trees, 500 slow": boosted_trees_tuned,
}


def lotaru(rows: Rows, runtimes_s: NDArray[np.float64]) -> Predict:
    """
    Bader et al., FGCS 2024: Bayesian linear regression on the input size where both go together.

    Where they correlate by less than 0.8 the median, as the paper has it.
    """
    from sklearn.linear_model import BayesianRidge

    size = np.array([[row["input_gib"]] for row in rows])
    together = np.ptp(size) > 0 and np.ptp(runtimes_s) > 0
    if not together or np.corrcoef(size[:, 0], runtimes_s)[0, 1] < 0.8:
        return middle(rows, runtimes_s)
    model = BayesianRidge().fit(size, runtimes_s)
    return lambda wanted: np.maximum(
        model.predict(np.array([[row["input_gib"]] for row in wanted])), 1e-3
    )


def middle(rows: Rows, runtimes_s: NDArray[np.float64]) -> Predict:
    """The median of the runs."""
    del rows
    return lambda wanted: np.full(len(wanted), float(np.median(runtimes_s)))


def proportional(rows: Rows, runtimes_s: NDArray[np.float64]) -> Predict:
    """The median of seconds per GiB, times the input."""
    rate = float(np.median(runtimes_s / np.array([row["input_gib"] for row in rows])))
    return lambda wanted: rate * np.array([row["input_gib"] for row in wanted])


NODE_PEERS: Mapping[str, Peer] = {
    "Lotaru-like": lotaru,
    "median": middle,
    "in proportion to the input": proportional,
    "kNN-3": neighbours,
    "boosted trees": boosted_trees,
}
