"""
How long tasks take on configurations of machines, relative to one another, as other tasks show it.

A task's profile – the logarithms of its times, less their mean – is a draw from a normal distribution whose
mean and covariance other tasks estimate. Conditioning it on a few runs of the task itself is the
probabilistic form of matrix factorisation (Paragon and Quasar, Delimitrou and Kozyrakis, ASPLOS 2013 and 2014;
Tipping and Bishop, 1999). Where covariances rest on few tasks they are shrunk towards a kernel of what the
configurations are made of, as Ledoit and Wolf (2004) shrink towards the identity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiops_provider.profiling.similarity import words_of

Floats = NDArray[np.float64]

# Strengths of likeness of names that are compared by how well they foretell the tasks that are known; 0
# takes all tasks alike.
_STRENGTHS = (0.0, 2.0, 4.0, 8.0, 16.0)
# Share of the kernel in the covariance: a few dozen tasks cannot tell thousands of covariances.
_SHRINKAGE = 0.3
# Runs of one task on one configuration differ by some percent (C3O: 1 to 5 %).
_REPEATS = 0.05
# Nothing is known of the level of a task before it runs: it may well be twenty times that of others, and
# must not be taken for a sign of its shape.
_LEAST_LEVEL_SPREAD = 3.0
# Tasks that fared otherwise than this one in a probe count a ninth of those that fared alike.
_ALIKE = 0.9
# The share of failures of all runs counts as much as this share of the tasks.
_PRIOR_TASKS = 0.2
_ITERATIONS = 30


@dataclass(frozen=True, slots=True)
class ConfigurationPrior:
    """
    What other tasks tell of one that has not run, over the configurations.

    Times of tasks are arrays over the configurations: seconds, infinite where it failed, NaN where it was
    not tried.

    Attributes:
        centre: Mean of the logarithm of its times.
        covariance: Of those logarithms.
        failed: Tasks x configurations, 1 where it failed.
        known: Tasks x configurations, 1 where it was tried.
        weights: Of the tasks, summing to 1.
    """

    centre: Floats
    covariance: Floats
    failed: Floats
    known: Floats
    weights: Floats

    @classmethod
    def of(cls, task: str, others: Mapping[str, Floats], kernel: Floats) -> ConfigurationPrior:
        """
        The prior of a task.

        Args:
            task: Its name; words in it tell which tasks are alike.
            others: Times of the other tasks.
            kernel: Likeness of the configurations.
        """
        size = len(kernel)
        names = sorted(name for name, row in others.items() if np.isfinite(row).any())
        if not names:
            empty = np.zeros((0, size))
            return cls(np.full(size, math.log(60.0)), 4.0 + kernel, empty, empty, np.zeros(0))
        rows = np.stack([others[name] for name in names])
        failed, ran = np.isinf(rows), ~np.isnan(rows)
        good = np.isfinite(rows)
        logs = np.log(np.where(good, rows, 1.0))
        weights = _weights(task, names, logs, good)
        level, profile = _levels(logs, good, weights)
        residual = np.where(good, logs - level[:, None] - profile, 0.0)
        spread = (residual * weights[:, None]).T @ residual
        variance = max(float(np.trace(spread)) / size, _REPEATS**2)
        # The mean profile of few tasks is itself uncertain.
        uncertain = 1.0 + float((weights**2).sum())
        shape = ((1.0 - _SHRINKAGE) * spread + _SHRINKAGE * variance * kernel) * uncertain
        middle = float(weights @ level)
        between = max(math.sqrt(float(weights @ (level - middle) ** 2)), _LEAST_LEVEL_SPREAD)
        return cls(
            profile + middle,
            shape + between**2,
            failed.astype(np.float64),
            ran.astype(np.float64),
            weights,
        )

    def given(self, probes: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the logarithm of the times, given the task's own."""
        seen = np.flatnonzero(np.isfinite(probes))
        centre, covariance = self.centre.copy(), self.covariance
        if len(seen):
            told = np.log(probes[seen])
            gain = np.linalg.solve(
                covariance[np.ix_(seen, seen)] + _REPEATS**2 * np.eye(len(seen)), covariance[seen]
            ).T
            centre = centre + gain @ (told - centre[seen])
            covariance = covariance - gain @ covariance[seen]
            centre[seen] = told
        deviation = np.sqrt(np.maximum(np.diag(covariance), 0.0) + _REPEATS**2)
        return centre, deviation

    def failures(self, probes: Floats) -> Floats:
        """Odds of failure on each configuration; certain where the task's own runs tell."""
        size = len(self.centre)
        weights = self.weights.copy()
        for place in np.flatnonzero(~np.isnan(probes)):
            if self.known[:, place].any():
                alike = (self.failed[:, place] > 0) == bool(np.isinf(probes[place]))
                alike_or_unknown = alike | (self.known[:, place] == 0)
                weights *= np.where(alike_or_unknown, _ALIKE, 1.0 - _ALIKE)
        odds = np.zeros(size)
        if len(weights):
            weights /= weights.sum()
            usual = float((self.failed * weights[:, None]).sum()) / max(
                float((self.known * weights[:, None]).sum()), 1e-12
            )
            odds = (weights @ self.failed + _PRIOR_TASKS * usual) / (
                weights @ self.known + _PRIOR_TASKS
            )
        odds[np.isinf(probes)] = 1.0
        odds[np.isfinite(probes)] = 0.0
        return odds


def _levels(logs: Floats, good: NDArray[np.bool_], weights: Floats) -> tuple[Floats, Floats]:
    """Level of each task and profile over the configurations: least squares over what is known."""
    profile = np.zeros(logs.shape[1])
    level = np.zeros(len(logs))
    share = good * weights[:, None]
    total = share.sum(axis=0)
    for _ in range(_ITERATIONS):
        level = ((logs - profile) * good).sum(axis=1) / good.sum(axis=1)
        profile = np.where(
            total > 0, ((logs - level[:, None]) * share).sum(axis=0) / np.maximum(total, 1e-12), 0.0
        )
        profile -= profile.mean()
    return level, profile


def _weights(task: str, names: Sequence[str], logs: Floats, good: NDArray[np.bool_]) -> Floats:
    """Weights of the tasks by likeness of their names, as strong as serves the known tasks best."""
    words = [words_of(name) for name in names]
    rarity: dict[str, float] = {}
    for some in words:
        for word in some:
            rarity[word] = rarity.get(word, 0.0) + 1.0
    mine = words_of(task)

    def likeness(left: frozenset[str], right: frozenset[str]) -> float:
        def weight(some: frozenset[str]) -> float:
            return sum(1.0 / (1.0 + rarity.get(word, 0.0)) for word in some)

        return weight(left & right) / max(weight(left | right), 1e-12)

    among = np.array([[likeness(left, right) for right in words] for left in words])
    strength = _strength(among, logs, good)
    found = np.exp(strength * np.array([likeness(mine, some) for some in words]))
    weights: Floats = found / found.sum()
    return weights


def _strength(among: Floats, logs: Floats, good: NDArray[np.bool_]) -> float:
    """The strength at which each known task's profile is foretold best by the others."""
    if len(logs) < 3:
        return 0.0
    means = (logs * good).sum(axis=1, keepdims=True) / good.sum(axis=1, keepdims=True)
    centred = np.where(good, logs - means, 0.0)

    def loss(strength: float) -> float:
        weights = np.exp(strength * among)
        np.fill_diagonal(weights, 0.0)
        told = (weights @ centred) / np.maximum(weights @ good, 1e-12)
        errors = ((centred - told) ** 2 * good).sum(axis=1) / good.sum(axis=1)
        return float(np.log(errors + 1e-6).mean())

    return min(_STRENGTHS, key=loss)


def configuration_kernel(features: Sequence[Mapping[str, float | str]]) -> Floats:
    """
    Likeness of configurations by what they are made of, a positive definite matrix in [0, 1].

    Logarithms of figures in standard deviations, words equal or not; half the squared distances lie
    below the length scale. Without any feature only equal ones are alike.

    Args:
        features: Of each; figures must be > 0.
    """
    size = len(features)
    distance = np.zeros((size, size))
    for name in sorted({name for one in features for name in one}):
        column = [one.get(name) for one in features]
        if all(isinstance(value, int | float) for value in column):
            logs = np.log(np.array(column, dtype=np.float64))
            logs = logs / (logs.std() or 1.0)
            distance += (logs[:, None] - logs) ** 2
        else:
            text = np.array([str(value) for value in column])
            distance += 2.0 * (text[:, None] != text)
    apart = distance[distance > 0]
    if not len(apart):
        return np.eye(size)
    kernel: Floats = np.exp(-distance / (2.0 * float(np.median(apart))))
    return kernel
