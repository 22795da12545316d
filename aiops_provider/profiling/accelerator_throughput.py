"""
How fast a job is on another type of accelerator, from one probe and what other jobs did.

A job that was measured on one type is asked for on another. Ratios between two types vary tenfold
from model to model, so the figure comes from jobs that were measured on both, and no single reading
of them is trusted: few jobs are known, and which of them is alike shows only afterwards. Where no job
was, the datasheets decide. It knows nothing of prices, clusters or stores.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from aiops_provider.domain.machine import Accelerator

# A job that runs as fast on the probed type may do steps of like size: a job that is e ** 2 = 7.4 times
# as fast or as slow has 1/e of its say. Rates may as well count different things, so this is a mild hint.
_RATE_SCALE = 2.0
# Shares of three letters that make two names relatives: ResNet-18 and ResNet-50 share 0.6.
_KIN_WEIGHT = 4.0
# Sums of weights are equal up to this share.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """
    Throughput of one job on one type of accelerator.

    Attributes:
        job: Name of the model, or of the task.
        accelerator: The type.
        setting: Everything else that must be alike to be compared, such as ("2 devices", "spread").
        batch: Size per device, or ``""``: only runs of one size are compared with each other.
        per_s: Steps, samples or runs a second, > 0.
    """

    job: str
    accelerator: str
    setting: tuple[str, ...] = ()
    batch: str = ""
    per_s: float


@dataclass(frozen=True, slots=True)
class _Pair:
    job: str
    setting: tuple[str, ...]
    log_rate: float
    log_ratio: float


class ThroughputTransfer:
    """
    Learned ratios between types of accelerators.

    The answer is the geometric mean of four readings, each a median of the ratios of other jobs in which
    a job counts once however often it was measured, and more where its name is alike: over jobs in the
    same setting and over all, with those of a like rate first and without. Weights for the four by their
    errors on the known jobs were no better than equal ones, for want of jobs to tell them apart.

    Args:
        measurements: Of jobs on at least two types each; others teach nothing.
        accelerators: Datasheets, for types that no job was measured on together.

    Raises:
        ValueError: A rate is not positive and finite.
    """

    def __init__(
        self, measurements: Iterable[Measurement], accelerators: Iterable[Accelerator] = ()
    ) -> None:
        found: dict[tuple[str, tuple[str, ...], str], dict[str, float]] = {}
        for one in measurements:
            if not (0 < one.per_s < math.inf):
                raise ValueError(f"per_s of {one.job} must be positive and finite, got {one.per_s}")
            by_type = found.setdefault((one.job, one.setting, one.batch), {})
            by_type[one.accelerator] = max(one.per_s, by_type.get(one.accelerator, 0.0))
        self._pairs: dict[tuple[str, str], list[_Pair]] = {}
        for (job, setting, _), rates in found.items():
            for start, rate in rates.items():
                for end, other in rates.items():
                    if start != end:
                        pair = _Pair(job, setting, math.log(rate), math.log(other / rate))
                        self._pairs.setdefault((start, end), []).append(pair)
        for pairs in self._pairs.values():
            pairs.sort(key=lambda pair: pair.log_ratio)
        self._datasheets = {each.model: each for each in accelerators}

    def __bool__(self) -> bool:
        """Whether anything was measured on two types."""
        return bool(self._pairs)

    def ratio(self, probe: Measurement, accelerator: str) -> float | None:
        """
        Throughput on a type, as a multiple of that on the probed one.

        Args:
            probe: The job as measured; what is known of the same job counts like that of others.
            accelerator: The type that is asked for.

        Returns:
            ``None`` where neither measurements nor datasheets tell.
        """
        if accelerator == probe.accelerator:
            return 1.0
        pairs = self._pairs.get((probe.accelerator, accelerator), [])
        if not pairs:
            return self._by_datasheet(probe.accelerator, accelerator)
        alike = [pair for pair in pairs if pair.setting == probe.setting] or pairs
        kin = {job: 1 + _KIN_WEIGHT * likeness(job, probe.job) for job in {p.job for p in pairs}}
        readings = [
            _reading(some, kin, rate)
            for some in (alike, pairs)
            for rate in (None, math.log(probe.per_s))
        ]
        return math.exp(fmean(readings))

    def predict(self, probe: Measurement, accelerator: str) -> float | None:
        """Throughput on a type, in the unit of the probe; ``None`` where nothing tells."""
        ratio = self.ratio(probe, accelerator)
        return None if ratio is None else probe.per_s * ratio

    def best_probe(self, accelerator: str, among: Iterable[str]) -> str | None:
        """
        The type to measure on when another is asked for: its ratios to that one vary least.

        Args:
            accelerator: The type that is asked for.
            among: Types that could be probed.

        Returns:
            ``None`` if nothing was measured on one of them and on the asked one.
        """
        spreads = {
            start: _spread([pair.log_ratio for pair in self._pairs[start, accelerator]])
            for start in among
            if start != accelerator and (start, accelerator) in self._pairs
        }
        return min(spreads, key=lambda start: (spreads[start], start)) if spreads else None

    def _by_datasheet(self, start: str, end: str) -> float | None:
        first, second = self._datasheets.get(start), self._datasheets.get(end)
        return None if first is None or second is None else datasheet_ratio(first, second)


def datasheet_ratio(first: Accelerator, second: Accelerator) -> float | None:
    """
    Speed of the second as a multiple of the first: geometric mean of arithmetic and bandwidth.

    Which of the two binds is not known (roofline, Williams et al. 2009); ``None``: a figure of the
    datasheets is missing.
    """
    figures = (
        first.fp16_tflops,
        second.fp16_tflops,
        first.bandwidth_gb_per_s,
        second.bandwidth_gb_per_s,
    )
    if not all(figures):
        return None
    arithmetic, its_arithmetic, bandwidth, its_bandwidth = (float(f or 0.0) for f in figures)
    return math.sqrt(its_arithmetic / arithmetic * its_bandwidth / bandwidth)


def likeness(one: str, other: str) -> float:
    """
    Share of groups of three letters that two names have in common, in [0, 1].

    >>> likeness("ResNet-18", "resnet-50") > likeness("ResNet-18", "Transformer")
    True
    """
    first, second = _trigrams(one), _trigrams(other)
    return len(first & second) / len(first | second)


def _spread(values: list[float]) -> float:
    """Median distance from the median; one ratio alone says nothing about others."""
    if len(values) == 1:
        return math.inf
    middle = median(values)
    return median(abs(value - middle) for value in values)


def _trigrams(name: str) -> set[str]:
    padded = f"  {name.lower()} "
    return {padded[at : at + 3] for at in range(len(padded) - 2)}


def _reading(pairs: Sequence[_Pair], kin: Mapping[str, float], log_rate: float | None) -> float:
    """
    Weighted median of log ratios.

    Args:
        pairs: In ascending order of ratio, at least one.
        kin: Weight of each job, shared by its pairs.
        log_rate: Of the probe; pairs near it first. ``None``: whatever their rate.
    """
    times = Counter(pair.job for pair in pairs)
    weights = [kin[pair.job] / times[pair.job] for pair in pairs]
    if log_rate is not None:
        away = [abs(pair.log_rate - log_rate) for pair in pairs]
        nearest = min(away)
        weights = [
            weight * math.exp((nearest - distance) / _RATE_SCALE)
            for weight, distance in zip(weights, away, strict=True)
        ]
    return _weighted_median([pair.log_ratio for pair in pairs], weights)


def _weighted_median(ordered: Sequence[float], weights: Sequence[float]) -> float:
    """Where half the weight lies on either side; midway between two values if just there it is split."""
    half = math.fsum(weights) / 2
    passed, below = 0.0, None
    for value, weight in zip(ordered, weights, strict=True):
        if below is not None:
            return (below + value) / 2
        passed += weight
        if passed > half * (1 + _ROUNDING):
            return value
        if passed >= half * (1 - _ROUNDING):
            below = value
    return ordered[-1]
