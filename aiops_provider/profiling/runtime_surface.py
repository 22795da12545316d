"""
How long a job takes on a configuration it was not yet seen on, from few runs on others.

A Gaussian process over logarithms: runtimes vary by factors, and scaling laws (time per core, per
GiB, per worker) are straight lines there. A linear kernel holds those laws, so that it extrapolates;
a squared-exponential kernel per feature holds what bends them: memory that runs out, overhead of many
workers. What a run needs whatever its size bends the line most, and beyond the largest size that was
seen it is straight again: where the runs speak for it, it is added to the size before the logarithm is
taken. It needs numpy and scipy, so nothing that a scheduler imports may import this module.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize, nnls

from aiops_provider.errors import DataError

_FEWEST_RUNS = 3
# Weak priors on the logarithms of the parameters (mean, standard deviation), for standardised
# features and runtimes. They matter only while runs are few: smooth and nearly without noise.
_AMPLITUDE = (0.0, 1.0)
_LENGTH = (1.0, 1.0)
_SLOPE = (-1.0, 2.0)
# A line through two points extrapolates whatever else differs between them: two machine types that differ
# in memory say nothing about a third one. Such figures get no slope, and beyond the two levels the nearer one
# is taken: the mean of both, to which the bends return, is that of no machine.
_LEVELS_OF_A_LINE = 3
_NO_SLOPE = -12.0
_NOISE = (-5.0, 1.5)
# Far below the variation between repeated runs; keeps the matrix invertible.
_JITTER = 1e-8
_MOST_STEPS = 120

_Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Runtime:
    """
    A predicted runtime.

    Attributes:
        p50_s: Median, seconds.
        log_scale: Standard deviation of its natural logarithm.
    """

    p50_s: float
    log_scale: float

    def quantile_s(self, level: float) -> float:
        """
        The runtime that a share *level* of runs stays below, in seconds.

        >>> round(Runtime(100.0, 0.1).quantile_s(0.9), 1)
        113.7
        """
        return self.p50_s * math.exp(NormalDist().inv_cdf(level) * self.log_scale)


class RuntimeSurface:
    """
    Runtimes of one job over its configurations.

    It cannot foretell a machine type whose like was never seen, and its interval does not say so: see the
    split "unseen machine" of ``benchmarks.profiling.runtime``. Ask it only about known types.

    Fitting takes O(n^3 + n^2 f) time per step for n runs and f features: up to a few hundred runs.

    Source: Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), chapters 2 and 5.
    """

    def __init__(
        self, features: Sequence[Mapping[str, float]], runtimes_s: Sequence[float]
    ) -> None:
        """
        Fit.

        Args:
            features: Per run, its figures by name (workers, cores, GiB …), all > 0, the same names.
            runtimes_s: Per run, seconds, > 0.

        Raises:
            DataError: If there are too few runs, or figures missing, infinite or not positive.
        """
        if len(features) != len(runtimes_s) or len(runtimes_s) < _FEWEST_RUNS:
            raise DataError(
                f"{len(features)} configurations do not fit the runtimes, or are too few",
                field="runtimes_s",
                value=len(runtimes_s),
                mend=f"Give one configuration per runtime, and at least {_FEWEST_RUNS}.",
            )
        self._names = tuple(sorted(features[0]))
        raw = np.array([self._figures(row) for row in features])
        seconds = np.array([_positive("runtime_s", value) for value in runtimes_s])
        target = np.log(seconds)
        self._mean, self._scale = float(target.mean()), float(_spread(target[:, None])[0])
        y = (target - self._mean) / self._scale
        levels = np.array([len(np.unique(column)) for column in raw.T])
        straight = levels >= _LEVELS_OF_A_LINE
        two = levels == _LEVELS_OF_A_LINE - 1
        self._least = np.where(two, raw.min(axis=0), 0.0)
        self._most = np.where(two, raw.max(axis=0), np.inf)
        fitted = _fit(raw, np.zeros(len(levels)), y, straight)
        overhead = _overhead(raw, seconds, straight)
        if overhead.any():
            other = _fit(raw, overhead, y, straight)
            fitted = min(fitted, other, key=lambda each: each.loss)
        self._fitted, self._x, self._parameters = fitted, fitted.scaled(raw), fitted.parameters
        self._factor = cholesky(_covariance(self._x, self._parameters), lower=True)
        self._weights = cho_solve((self._factor, True), y)

    def predict(self, features: Mapping[str, float]) -> Runtime:
        """
        The runtime on a configuration.

        Raises:
            DataError: If a figure is missing, infinite or not positive.
        """
        figures = np.array(self._figures(features))
        held = np.clip(figures, self._least, self._most)
        x, nearest = self._fitted.scaled(figures[None, :]), self._fitted.scaled(held[None, :])
        centre = self._mean + self._scale * float(
            _kernel(nearest, self._x, self._parameters)[0] @ self._weights
        )
        # How little is known there is told by where it is, not by the level that is taken for it.
        across = _kernel(x, self._x, self._parameters)[0]
        noise = math.exp(self._parameters[-1])
        own = float(_kernel(x, x, self._parameters)[0, 0]) + noise
        explained = solve_triangular(self._factor, across, lower=True)
        variance = max(own - float(explained @ explained), noise)
        return Runtime(p50_s=math.exp(centre), log_scale=self._scale * math.sqrt(variance))

    def _figures(self, features: Mapping[str, float]) -> list[float]:
        missing = [name for name in self._names if name not in features]
        if missing:
            raise DataError(
                "the configuration lacks a figure",
                field=missing[0],
                mend="Name each figure of the runs.",
            )
        return [_positive(name, features[name]) for name in self._names]


@dataclass(frozen=True, slots=True)
class _Fitted:
    """
    A way to scale figures, the parameters that are most likely under it, and how likely they are.

    Attributes:
        overhead: Added to each figure.
        centre: Mean of the logarithms.
        spread: Their standard deviation.
        parameters: See ``_most_likely``.
        loss: Negative logarithm of the posterior density, up to a constant.
    """

    overhead: _Array
    centre: _Array
    spread: _Array
    parameters: _Array
    loss: float

    def scaled(self, figures: _Array) -> _Array:
        """Runs x features, standardised logarithms."""
        return np.asarray((np.log(figures + self.overhead) - self.centre) / self.spread)


def _fit(raw: _Array, overhead: _Array, y: _Array, straight: NDArray[np.bool_]) -> _Fitted:
    logarithms = np.log(raw + overhead)
    centre, spread = logarithms.mean(axis=0), _spread(logarithms)
    parameters, loss = _most_likely((logarithms - centre) / spread, y, straight)
    return _Fitted(overhead, centre, spread, parameters, loss)


def _overhead(raw: _Array, seconds: _Array, straight: NDArray[np.bool_]) -> _Array:
    """
    What a run needs whatever its size, in the unit of each figure that the time grows with.

    By non-negative least squares of the relative error on a constant and the figure; 0 where that finds
    no constant or no growth, and for figures that are known at too few levels for a line.
    """
    found = np.zeros(len(straight))
    for place in np.flatnonzero(straight):
        terms = np.column_stack([np.ones(len(seconds)), raw[:, place]]) / seconds[:, None]
        (constant, per_unit), _ = nnls(terms, np.ones(len(seconds)))
        if constant > 0 and per_unit > 0:
            found[place] = constant / per_unit
    return found


def _positive(name: str, value: float) -> float:
    if not (value > 0 and math.isfinite(value)):
        raise DataError("no finite figure above 0", field=name, value=value, mend="Give one.")
    return float(value)


def _spread(columns: _Array) -> _Array:
    spread = columns.std(axis=0)
    return np.where(spread > 1e-9, spread, 1.0)  # a constant column tells nothing, at any scale


def _kernel(left: _Array, right: _Array, parameters: _Array) -> _Array:
    features = left.shape[1]
    lengths, slopes = parameters[1 : 1 + features], parameters[1 + features : -1]
    distance = (((left[:, None, :] - right[None, :, :]) / np.exp(lengths)) ** 2).sum(axis=2)
    linear = (left * np.exp(slopes)) @ right.T
    return np.asarray(np.exp(parameters[0] - distance / 2) + linear)


def _covariance(x: _Array, parameters: _Array) -> _Array:
    return _kernel(x, x, parameters) + (math.exp(parameters[-1]) + _JITTER) * np.eye(len(x))


def _most_likely(x: _Array, y: _Array, straight: NDArray[np.bool_]) -> tuple[_Array, float]:
    """
    Maximum a posteriori of the logarithms (amplitude, lengths, slopes, noise) and its loss, by L-BFGS.

    Args:
        x: Runs x features, standardised.
        y: Runtimes, standardised.
        straight: Which features may have a slope.
    """
    features = x.shape[1]
    slopes = [_SLOPE if may else (_NO_SLOPE, 1e-3) for may in straight]
    priors = [_AMPLITUDE, *[_LENGTH] * features, *slopes, _NOISE]
    centre, deviation = np.array(priors).T
    squares = (x[:, None, :] - x[None, :, :]) ** 2

    def loss(parameters: _Array) -> tuple[float, _Array]:
        factor = cholesky(_covariance(x, parameters), lower=True)
        weights = cho_solve((factor, True), y)
        # Derivative of the negative log likelihood by the covariance (Rasmussen and Williams, 5.9).
        slope = (cho_solve((factor, True), np.eye(len(x))) - np.outer(weights, weights)) / 2
        bends = np.exp(
            parameters[0] - (squares / np.exp(2 * parameters[1 : 1 + features])).sum(axis=2) / 2
        )
        gradient = np.empty_like(parameters)
        gradient[0] = (slope * bends).sum()
        by_length = np.einsum("ij,ijk->k", slope * bends, squares)
        gradient[1 : 1 + features] = by_length / np.exp(2 * parameters[1 : 1 + features])
        gradient[1 + features : -1] = np.einsum("ik,ij,jk->k", x, slope, x) * np.exp(
            parameters[1 + features : -1]
        )
        gradient[-1] = np.trace(slope) * math.exp(parameters[-1])
        away = (parameters - centre) / deviation
        value = float(np.log(np.diag(factor)).sum() + y @ weights / 2 + away @ away / 2)
        return value, gradient + away / deviation

    bounds = [(mean - 4 * width, mean + 4 * width) for mean, width in priors]
    found = minimize(loss, centre, jac=True, bounds=bounds, options={"maxiter": _MOST_STEPS})
    return np.asarray(found.x, dtype=np.float64), float(found.fun)
