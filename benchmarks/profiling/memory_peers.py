"""
Rules of others for the memory of a task, re-implemented from their public descriptions.

Before a kind has a finished run each gives the user's request. After a kill each doubles, at least to
the largest peak seen, unless its description says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.profiling.memory_replay import Outcome, Sizer
from benchmarks.profiling.memory_traces import Job

_MIB = 1 / 1024


class UserRequest:
    """What the user asked for; twice that after a kill."""

    def first(self, job: Job) -> float:
        """The request as it stands."""
        return job.asked_gib

    def next(self, job: Job, failed_gib: float) -> float:  # noqa: ARG002 – the same for all jobs
        """Twice as much."""
        return 2 * failed_gib

    def learn(self, outcome: Outcome) -> None:
        """Users are taken not to look."""


class PerKind:
    """Learns each kind by itself; subclasses say what its outcomes ask for."""

    def __init__(self) -> None:
        self._seen: dict[str, list[Outcome]] = {}

    def first(self, job: Job) -> float:
        """The user's request until the kind has a finished run."""
        done = [o for o in self._seen.get(job.kind, ()) if not o.killed]
        return self._size(job, done) if done else job.asked_gib

    def next(self, job: Job, failed_gib: float) -> float:
        """Twice as much, at least the largest peak seen."""
        peaks = [o.job.peak_gib for o in self._seen.get(job.kind, ()) if not o.killed]
        return max(2 * failed_gib, *peaks) if peaks else 2 * failed_gib

    def learn(self, outcome: Outcome) -> None:
        """Keep it."""
        self._seen.setdefault(outcome.job.kind, []).append(outcome)

    def _size(self, job: Job, done: list[Outcome]) -> float:
        raise NotImplementedError


class Krr(PerKind):
    """robusta KRR: the largest peak plus 15 %, at least 100 MiB (its defaults)."""

    def _size(self, job: Job, done: list[Outcome]) -> float:  # noqa: ARG002
        return max(1.15 * max(o.job.peak_gib for o in done), 100 * _MIB)


class Vpa(PerKind):
    """
    Kubernetes' Vertical Pod Autoscaler with its bump after a kill.

    The 90 % quantile of a histogram whose buckets grow by 5 % and whose weights halve in 24 h, plus
    15 %; a kill enters as a sample of ``max(1.2 x, x + 100 MiB)``, which is also the next try. Its
    minimum of 250 MiB per pod is left out, which favours it here.
    """

    def _size(self, job: Job, done: list[Outcome]) -> float:  # noqa: ARG002
        seen = self._seen[job.kind]
        newest = seen[-1].ended_s
        samples = [
            (
                _bump(o.allowed_gib) if o.killed else o.job.peak_gib,
                math.pow(0.5, (newest - o.ended_s) / 86400),
            )
            for o in seen
        ]
        return 1.15 * _bucket_end(_weighted_quantile(samples, 0.9))

    def next(self, job: Job, failed_gib: float) -> float:  # noqa: ARG002
        """The bump."""
        return _bump(failed_gib)


def _bump(gib: float) -> float:
    return max(1.2 * gib, gib + 100 * _MIB)


def _bucket_end(gib: float) -> float:
    # Buckets of 10 MB growing by 5 %: bucket n starts at 10 MB * (1.05^n - 1) / 0.05.
    first, ratio = 10e6 / 2**30, 1.05
    index = math.floor(math.log(gib * (ratio - 1) / first + 1, ratio) + 1e-9)
    return first * (ratio ** (index + 1) - 1) / (ratio - 1)


def _weighted_quantile(samples: list[tuple[float, float]], level: float) -> float:
    total, below = math.fsum(weight for _, weight in samples), 0.0
    for value, weight in sorted(samples):
        below += weight
        if below >= level * total:
            return value
    return max(value for value, _ in samples)


class WittPercentile(PerKind):
    """Witt et al. (HPCS 2019): a percentile of the peaks seen, times a margin."""

    def __init__(self, percentile: float, margin: float = 1.0) -> None:
        super().__init__()
        self._percentile = percentile
        self._margin = margin

    def _size(self, job: Job, done: list[Outcome]) -> float:  # noqa: ARG002
        peaks = [o.job.peak_gib for o in done]
        return self._margin * float(np.percentile(peaks, self._percentile))


class WittRegression(PerKind):
    """Witt et al. (HPCS 2019): a line over the input's size plus one deviation of its residuals."""

    def _size(self, job: Job, done: list[Outcome]) -> float:
        sizes, peaks = _sizes(done), np.array([o.job.peak_gib for o in done])
        line = _line(sizes, peaks)
        offset = float(np.std(peaks - line(sizes)))
        return max(float(line(np.array([job.input_gib or 0.0]))[0]) + offset, _MIB)


class SizeyLike(PerKind):
    """
    Bader et al., Sizey (CLUSTER 2024), as far as a reader can build it.

    Models of one kind – line, nearest three, mean, 95th percentile – each scored by its accuracy
    and by how little it would have allocated (RAQ, both halves equal) on the runs seen, blended by
    softmax; then the dynamic offset: of deviation, median error and largest underestimate, the one that
    would have wasted least on the runs seen, a kill costing its run.
    """

    _NEWEST = 40
    _SHARPNESS = 10.0

    def _size(self, job: Job, done: list[Outcome]) -> float:
        done = done[-self._NEWEST :]
        sizes, peaks = _sizes(done), np.array([o.job.peak_gib for o in done])
        wanted = np.array([job.input_gib or 0.0])
        models = [_line, _nearest, _mean, _percentile]
        fitted = np.array([model(sizes, peaks)(sizes) for model in models])
        asked = np.array([max(0.0, float(model(sizes, peaks)(wanted)[0])) for model in models])
        accuracy = 1 - np.minimum(1, np.abs(fitted - peaks) / peaks).mean(axis=1)
        thrift = 1 - asked / max(float(asked.sum()), 1e-9)
        score = np.exp(self._SHARPNESS * (accuracy + thrift) / 2)
        weights = score / score.sum()
        errors = peaks - weights @ fitted
        under = errors[errors > 0]
        offsets = [0.0, float(np.std(errors))]
        if under.size:
            offsets += [float(np.std(under)), float(np.median(under)), float(under.max())]
        size = float(weights @ asked) + min(
            offsets, key=lambda o: _cost(weights @ fitted + o, peaks)
        )
        return max(size, _MIB)


def _cost(allowed: np.ndarray, peaks: np.ndarray) -> float:
    killed = allowed < peaks
    return float(np.where(killed, allowed + peaks, allowed - peaks).sum())


_Model = Callable[[np.ndarray], np.ndarray]


def _line(sizes: np.ndarray, peaks: np.ndarray) -> _Model:
    if np.ptp(sizes) == 0:
        return _mean(sizes, peaks)
    slope, constant = np.polyfit(sizes, peaks, 1)
    return lambda wanted: np.asarray(constant + slope * wanted)


def _nearest(sizes: np.ndarray, peaks: np.ndarray) -> _Model:
    def answer(wanted: np.ndarray) -> np.ndarray:
        order = np.argsort(np.abs(sizes[None, :] - wanted[:, None]), axis=1, kind="stable")[:, :3]
        return np.asarray(peaks[order].mean(axis=1))

    return answer


def _mean(sizes: np.ndarray, peaks: np.ndarray) -> _Model:  # noqa: ARG001
    return lambda wanted: np.full(wanted.shape, peaks.mean())


def _percentile(sizes: np.ndarray, peaks: np.ndarray) -> _Model:  # noqa: ARG001
    return lambda wanted: np.full(wanted.shape, np.percentile(peaks, 95))


def _sizes(done: list[Outcome]) -> np.ndarray:
    return np.array([o.job.input_gib or 0.0 for o in done])


PEERS: Mapping[str, Callable[[], Sizer]] = {
    "user's request": UserRequest,
    "KRR (max + 15 %)": Krr,
    "VPA with OOM bump": Vpa,
    "Witt p95": lambda: WittPercentile(95),
    "Witt p99": lambda: WittPercentile(99),
    "Witt p99 + 10 %": lambda: WittPercentile(99, 1.1),
    "Witt regression": WittRegression,
    "Sizey-like blend": SizeyLike,
}
