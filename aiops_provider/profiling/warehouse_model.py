"""
How the runtime of queries depends on volume, threads and memory, one model for all queries together.

``ln t = a + b ln volume + c ln threads + d overflow`` for each query, its four figures drawn towards
those of all queries (a hierarchical linear model; Gelman and Hill, "Data Analysis Using Regression and
Multilevel/Hierarchical Models", 2007, chapter 12). *Overflow* is ``ln(working set / memory)`` where
positive; the working set is learned from what was spilled and grows with the volume.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

_Vector = NDArray[np.float64]

# What is assumed before any run: time grows with the volume, twice the threads take 0.7 of the time
# (Amdahl's law with a serial fifth gives 0.6), working sets of twice the memory cost a third more.
_SLOPES = np.array([0.9, -0.5, 0.4])
# How far queries differ in these, and how much a run differs from its next: a tenth is usual where
# others use the machine.
_SLOPE_SPREAD = np.array([0.3, 0.3, 0.4])
_LEVEL_SPREAD = 1.0
_NOISE = 0.1
# A query taken for like another one differs from it by half of what any two differ by.
_LIKENESS = 0.5
# Less than this share of memory written to disk is no spill.
_SPILLED = 0.01
# Beside a neighbour whose working set is refuted by a run without spill.
_REFUTED = math.log(0.1)
# More queries than this tell nothing that is worth the time.
_MOST_QUERIES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseSize:
    """
    One size of a warehouse.

    Attributes:
        name: As the warehouse calls it.
        units: What is billed per hour of it, in units of the smallest or in credits, > 0.
        threads: Cores that work on one query, > 0; relative figures serve as well.
        memory_gib: Before a query spills, > 0; relative figures do not serve.
        price_per_s: In any currency, > 0.
    """

    name: str
    units: float
    threads: float
    memory_gib: float
    price_per_s: float

    def __post_init__(self) -> None:
        for field in ("units", "threads", "memory_gib", "price_per_s"):
            value = getattr(self, field)
            if not 0 < value < math.inf:
                raise ValueError(f"{field} of size {self.name} must be > 0 and finite, got {value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseRun:
    """
    One finished run of a query.

    Attributes:
        query: Name or hash of its text.
        size: What it ran on.
        volume_gib: Data it read, > 0.
        runtime_s: Without waiting in a queue, > 0.
        spilled_gib: Written to disk for want of memory.
        failed: For want of memory; its runtime then says nothing.
    """

    query: str
    size: WarehouseSize
    volume_gib: float
    runtime_s: float
    spilled_gib: float = 0.0
    failed: bool = False

    def __post_init__(self) -> None:
        good = 0 < self.volume_gib < math.inf and 0 < self.runtime_s < math.inf
        if not good or not 0 <= self.spilled_gib < math.inf:
            raise ValueError(
                f"a run of {self.query} needs volume_gib > 0, runtime_s > 0 and spilled_gib >= 0, "
                f"got {self.volume_gib}, {self.runtime_s} and {self.spilled_gib}"
            )

    @property
    def spilled(self) -> bool:
        """Whether it wrote more to disk than a rounding error."""
        return self.spilled_gib > _SPILLED * self.size.memory_gib


@dataclass(frozen=True, slots=True)
class Behaviour:
    """
    One way in which a query may behave.

    Attributes:
        weight: How likely; those of a query add up to one.
        figures: Level and slopes: a, b, c, d.
        covariance: Of the figures.
        working_set: GiB held per GiB read.
    """

    weight: float
    figures: _Vector
    covariance: _Vector
    working_set: float

    def overflow(self, volume_gib: float, size: WarehouseSize) -> float:
        """How far the working set exceeds the memory, as a logarithm; zero where it fits."""
        return _overflow(volume_gib, size, self.working_set)

    def log_seconds(self, volume_gib: float, size: WarehouseSize) -> float:
        """Mean of the logarithm of the runtime."""
        return float(_row(volume_gib, size, self.working_set) @ self.figures)

    def variance(self, volume_gib: float, size: WarehouseSize) -> float:
        """Variance of the logarithm of one run's time."""
        row = _row(volume_gib, size, self.working_set)
        return float(row @ self.covariance @ row) + _NOISE**2


class QueryModel:
    """
    What the queries of a warehouse have in common, and each by itself.

    Args:
        runs: Finished runs of any queries, in any order.
    """

    def __init__(self, runs: Sequence[WarehouseRun]) -> None:
        self._runs = tuple(runs)
        self._by_query: dict[str, list[WarehouseRun]] = {}
        for run in runs:
            self._by_query.setdefault(run.query, []).append(run)
        good = {q: [r for r in rs if not r.failed] for q, rs in self._by_query.items()}
        most = sorted((q for q in good if good[q]), key=lambda q: (-len(good[q]), q))
        self._known = {
            query: _fitted(good[query], _own_working_set(good[query]))
            for query in most[:_MOST_QUERIES]
        }
        self._good = good

    def count(self, query: str | None = None) -> int:
        """Number of runs of a query, or of all."""
        return len(self._by_query.get(query, ())) if query is not None else len(self._runs)

    def likely(self, query: str) -> list[Behaviour]:
        """How a query may behave; empty where nothing has ever run."""
        own = self._good.get(query, [])
        others = [b for name, b in self._known.items() if name != query]
        if not others:
            return [self._known[query]] if query in self._known else []
        lower, upper = _bounds(own)
        made = [_like(other, own, lower, upper) for other in others]
        most = max(evidence for _, evidence in made)
        weights = [math.exp(evidence - most) for _, evidence in made]
        total = sum(weights)
        return [
            Behaviour(weight / total, b.figures, b.covariance, b.working_set)
            for weight, (b, _) in zip(weights, made, strict=True)
        ]

    def failing(self, query: str, volume_gib: float, size: WarehouseSize) -> float:
        """
        Share of runs that fail for want of memory.

        One for a query that has failed with as much memory per GiB read and did not succeed with
        less; else that of others with at most this memory per GiB.
        """
        tightness = volume_gib / size.memory_gib
        own = self._by_query.get(query, [])
        if any(not r.failed and r.volume_gib / r.size.memory_gib >= tightness for r in own):
            return 0.0
        if any(r.failed and r.volume_gib / r.size.memory_gib <= tightness for r in own):
            return 1.0
        others = [
            r.failed
            for r in self._runs
            if r.query != query
            and tightness / 2 <= r.volume_gib / r.size.memory_gib <= tightness * 2
        ]
        return sum(others) / len(others) if others else 0.0


def _row(volume_gib: float, size: WarehouseSize, working_set: float) -> _Vector:
    overflow = _overflow(volume_gib, size, working_set)
    return np.array([1.0, math.log(volume_gib), math.log(size.threads), overflow])


def _overflow(volume_gib: float, size: WarehouseSize, working_set: float) -> float:
    return max(0.0, math.log(max(working_set * volume_gib / size.memory_gib, 1e-9)))


def _bounds(runs: Sequence[WarehouseRun]) -> tuple[float, float]:
    """Working set per GiB read: at least and at most, by what spilled and what did not."""
    lower = max((r.size.memory_gib / r.volume_gib for r in runs if r.spilled), default=0.0)
    upper = min((r.size.memory_gib / r.volume_gib for r in runs if not r.spilled), default=math.inf)
    # A query that spilled with more memory per GiB than it once did without is no step function.
    return lower, max(lower, upper)


def _own_working_set(runs: Sequence[WarehouseRun]) -> float:
    lower, upper = _bounds(runs)
    spilled = [(r.size.memory_gib + r.spilled_gib) / r.volume_gib for r in runs if r.spilled]
    if spilled:
        return min(max(lower, median(spilled)), upper)
    return upper / 2 if upper < math.inf else 0.0


def _fitted(runs: Sequence[WarehouseRun], working_set: float) -> Behaviour:
    level = median(r.runtime_s / r.volume_gib ** float(_SLOPES[0]) for r in runs)
    prior = np.array([math.log(level), *_SLOPES])
    spread = np.array([_LEVEL_SPREAD, *_SLOPE_SPREAD]) ** 2
    figures, covariance, _ = _updated(prior, spread, runs, working_set)
    return Behaviour(1.0, figures, covariance, working_set)


def _like(
    other: Behaviour, own: Sequence[WarehouseRun], lower: float, upper: float
) -> tuple[Behaviour, float]:
    """A behaviour like that of another query, corrected by own runs; and the log of its evidence."""
    evidence = 0.0 if lower <= other.working_set <= upper else _REFUTED
    if any(run.spilled for run in own):
        working_set = _own_working_set(own)
    else:
        working_set = min(max(other.working_set, lower), upper)
    spread = (_LIKENESS * np.array([_LEVEL_SPREAD, *_SLOPE_SPREAD])) ** 2
    figures, covariance, explained = _updated(other.figures, spread, own, working_set)
    return Behaviour(1.0, figures, covariance, working_set), evidence + explained


def _updated(
    prior: _Vector, spread: _Vector, runs: Sequence[WarehouseRun], working_set: float
) -> tuple[_Vector, _Vector, float]:
    """Posterior mean and covariance of a linear model with known noise, and its log evidence."""
    if not runs:
        return prior, np.diag(spread), 0.0
    rows = np.array([_row(r.volume_gib, r.size, working_set) for r in runs])
    surprise = np.array([math.log(r.runtime_s) for r in runs]) - rows @ prior
    covariance = np.diag(spread)
    seen = rows @ covariance @ rows.T + _NOISE**2 * np.eye(len(runs))
    gain = np.linalg.solve(seen, rows @ covariance).T
    _, log_determinant = np.linalg.slogdet(seen)
    evidence = -0.5 * float(surprise @ np.linalg.solve(seen, surprise) + log_determinant)
    return prior + gain @ surprise, covariance - gain @ rows @ covariance, evidence
