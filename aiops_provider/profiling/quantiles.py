"""
Quantiles from few, ageing and partly censored observations, in pure Python.

All figures profiled here (memory, time, cores) are positive and vary by factors rather than by
differences, so distances are measured between logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from aiops_provider.domain.profile import Quantity

# Standard normal quantiles at the three levels that every quantity has.
LEVELS = (0.5, 0.8, 0.95)
Z50, Z80, Z95 = (NormalDist().inv_cdf(level) for level in LEVELS)
# A figure of zero has no logarithm: a MiB, a hundredth of a core, a hundredth of a second.
SMALLEST = 0.001
# Scale of the run-to-run variation of ln(peak memory) before any was seen. Over 91 process types
# of four nf-core workflows its standard deviation has the median 0.05–0.28, the upper quartile
# 0.1–0.7 (traces of Bader et al., Sizey, CLUSTER 2024). Values from 0.1 to 0.3 gave nearly the same
# waste there.
DEFAULT_LOG_SCALE = 0.15
# The same where what people ask for bounds the answer, so that room costs little: the first that keeps
# the kills of tasks that have run below 1.5 % in each (``benchmarks.profiling.memory_sizing``).
BOUNDED_LOG_SCALE = 0.35
# How many runs that assumption is worth.
_DEFAULT_WEIGHT = 2.0
# The newest runs tell whether records are still being broken.
_NEWEST_RECORDS = 8
# Share of an effective run below which what has aged is forgotten.
_FORGOTTEN = 0.1


@dataclass(frozen=True, slots=True)
class Observation:
    """
    One value, or a lower bound of one.

    Attributes:
        value: The figure, > 0; for a censored observation the true figure is larger.
        weight: By age, > 0.
        censored: Whether *value* is only a lower bound.
        beyond: What to take for a censored figure when nothing larger was ever seen, >= value.
    """

    value: float
    weight: float
    censored: bool = False
    beyond: float = 0.0


def effective_count(weights: Sequence[float]) -> float:
    """
    Number of equally weighted runs that would tell as much (Kish): ``(sum w)^2 / sum w^2``.

    >>> effective_count([1.0, 1.0, 1.0])
    3.0
    """
    return math.fsum(weights) ** 2 / math.fsum(w * w for w in weights)


def uncensored(observations: Sequence[Observation]) -> list[tuple[float, float]]:
    """
    Values and weights after each lower bound was shared out among the larger values.

    This is Efron's redistribution to the right, which gives the Kaplan–Meier estimate. A bound with
    nothing above it becomes an observation of its ``beyond``.

    Returns:
        (value, weight) in ascending order of value; the weights sum up to those given.

    >>> uncensored([Observation(1.0, 1.0, censored=True, beyond=1.5), Observation(2.0, 1.0)])
    [(2.0, 2.0)]
    """
    # A bound equal to an observed value lies above it, as usual for Kaplan–Meier.
    ordered = sorted(observations, key=lambda o: (o.value, o.censored, o.weight, o.beyond))
    to_the_right = math.fsum(o.weight for o in ordered)
    inflation, farthest = 1.0, 0.0
    shared: list[tuple[float, float]] = []
    for place, observation in enumerate(ordered):
        to_the_right -= observation.weight
        last = place == len(ordered) - 1
        if not observation.censored:
            shared.append((observation.value, observation.weight * inflation))
            farthest = 0.0
            continue
        farthest = max(farthest, observation.beyond)
        if last:
            shared.append((farthest, observation.weight * inflation))
        else:
            inflation *= (to_the_right + observation.weight) / to_the_right
    return shared


def few_run_quantiles(
    observations: Sequence[Observation],
    *,
    levels: Sequence[float] = LEVELS,
    default_scale: float = DEFAULT_LOG_SCALE,
    runs: float | None = None,
) -> tuple[float, ...]:
    """
    Quantiles that hold for the next run, however few runs there were.

    Up to the share ``n / (n + 1)`` the answer is an order statistic at the level
    ``q * (n + 1) / n``, as in split conformal prediction. Above it no order statistic is high
    enough: the n-th of n exchangeable runs is exceeded by the next with probability
    ``1 / (n + 1)``, and the tail beyond is taken to be exponential in the logarithm with scale
    *s*, hence::

        quantile(q) = max * exp(s * ln(1 / ((n + 1) * (1 - q))))

    With one run the p95 is ``exp(2.3 s)`` times what was seen, with five ``exp(1.2 s)`` times,
    from nineteen on it is an order statistic. *s* is the mean absolute log deviation from the
    median, pulled towards *default_scale* as if that had been seen in two runs more. The
    median is not corrected.

    Args:
        observations: At least one; ages are in the weights, *n* is the effective count.
        levels: In (0, 1), ascending.
        default_scale: *s* before any variation was seen.
        runs: *n* where the observations are worth less than their weights tell, > 0.

    Returns:
        One value per level, ascending.

    >>> [round(q, 2) for q in few_run_quantiles([Observation(1.0, 1.0)])]
    [1.0, 1.15, 1.41]
    """
    n = effective_count([o.weight for o in observations]) if runs is None else runs
    shared = uncensored(observations)
    total = math.fsum(weight for _, weight in shared)
    scale = _log_scale(shared, total, n, default_scale)
    # Values that together weigh less than a tenth of a run are no maximum: they have aged away.
    highest = 1 - _FORGOTTEN / n
    values: list[float] = []
    for level in levels:
        rank = level * (n + 1) / n if level > LEVELS[0] else level
        value = _order_statistic(shared, min(rank, highest) * total)
        if rank > 1:
            value *= math.exp(scale * math.log(1 / ((n + 1) * (1 - level))))
        values.append(max(value, values[-1]) if values else value)
    return tuple(values)


def above_records(
    values: Sequence[float],
    *,
    levels: Sequence[float] = LEVELS,
    default_scale: float = DEFAULT_LOG_SCALE,
) -> tuple[float, ...]:
    """
    Quantiles for runs that keep breaking the record of those before them.

    The short runs of a batch end first, and they need least: what has ended is no fair sample of
    what is to come. Among exchangeable values the n-th is a record with probability ``1/n``
    (Rényi 1962). The chance *p* that the next one is a record is counted over the newest eight,
    pulled towards that as by two more; above the record the tail is exponential in the logarithm,
    as in ``few_run_quantiles``::

        quantile(q) = record * exp(s * ln(p / (1 - q)))    where p > 1 - q

    Args:
        values: In the order in which they became known, > 0, at least one.
        levels: In (0, 1), ascending.
        default_scale: *s* before any variation was seen.

    Returns:
        One lower bound of a quantile per level, 0 where nothing is to be said.

    >>> [round(q, 2) for q in above_records([1.0, 1.1, 1.2, 1.3, 1.4])]
    [1.47, 1.66, 2.0]
    >>> above_records([1.4, 1.3, 1.2, 1.1, 1.0, 1.2])
    (0.0, 0.0, 0.0)
    """
    n = len(values)
    record, broken = values[0], []
    for value in values[1:]:
        broken.append(value > record)
        record = max(record, value)
    newest = broken[-_NEWEST_RECORDS:]
    chance = (sum(newest) + _DEFAULT_WEIGHT / (n + 1)) / (len(newest) + _DEFAULT_WEIGHT)
    if chance <= 1 / n:
        return (0.0,) * len(levels)
    scale = _log_scale([(value, 1.0) for value in sorted(values)], n, n, default_scale)
    return tuple(
        record * math.exp(scale * math.log(chance / (1 - level))) if chance > 1 - level else 0.0
        for level in levels
    )


def _order_statistic(ordered: Sequence[tuple[float, float]], mass: float) -> float:
    """Smallest value at or below which lies *mass*."""
    below = 0.0
    for value, weight in ordered:
        below += weight
        # Weights of equal age must not miss their rank by a rounding error.
        if below >= mass * (1 - 1e-9):
            return value
    return ordered[-1][0]


def _log_scale(
    ordered: Sequence[tuple[float, float]], total: float, n: float, default: float
) -> float:
    median = _order_statistic(ordered, total / 2)
    seen = (
        math.fsum(w * abs(math.log(max(v, SMALLEST) / max(median, SMALLEST))) for v, w in ordered)
        / total
    )
    # One run deviates from itself by nothing, which is no sign that the next will not.
    return (_DEFAULT_WEIGHT * default + n * seen) / (_DEFAULT_WEIGHT + n - 1)


def quantile_at(quantity: Quantity, z: float) -> float:
    """
    Value of a quantity at a standard normal quantile.

    ``ln(value)`` is linear in *z* between p50, p80 and p95 and goes on with the slope of the upper
    piece above p95; below p50 with that of the lower piece.

    Args:
        quantity: Any.
        z: 0 is the median, 1.645 the p95.

    >>> from aiops_provider.domain.profile import Source
    >>> wide = Quantity(p50=1.0, p80=2.0, p95=4.0, source=Source.PRIOR)
    >>> round(quantile_at(wide, 0.8416), 3)
    2.0
    """
    p50, p80, p95 = (max(p, SMALLEST) for p in (quantity.p50, quantity.p80, quantity.p95))
    if z <= Z80:
        return p50 * math.pow(p80 / p50, (z - Z50) / (Z80 - Z50))
    return p80 * math.pow(p95 / p80, (z - Z80) / (Z95 - Z80))


def z_of(quantity: Quantity, value: float) -> float:
    """
    Standard normal quantile at which a value lies; the inverse of ``quantile_at``.

    Returns:
        In [-8, 8]; 8 when the quantity has no spread and the value is above it.
    """
    p50, p80, p95 = (max(p, SMALLEST) for p in (quantity.p50, quantity.p80, quantity.p95))
    low, high, z_low, z_high = (p50, p80, Z50, Z80) if value <= p80 else (p80, p95, Z80, Z95)
    distance = math.log(max(value, SMALLEST) / low)
    slope = math.log(high / low) / (z_high - z_low)
    if abs(distance) > 8 * slope:
        return math.copysign(8.0, distance) if distance else z_low
    return max(-8.0, min(8.0, z_low + distance / slope)) if slope else z_low


def exceeded(z: float) -> float:
    """
    Probability that a standard normal variable is above *z*.

    >>> round(exceeded(1.6449), 3)
    0.05
    """
    return 0.5 * math.erfc(z / math.sqrt(2))


def z_exceeded_with(probability: float) -> float:
    """The standard normal quantile that is exceeded with this probability, at most 8."""
    return NormalDist().inv_cdf(1 - probability) if probability > 1e-15 else 8.0


def log_spread(quantity: Quantity) -> float:
    """
    Standard deviation of ``ln(value)`` that the distance of p50 and p95 stands for.

    >>> from aiops_provider.domain.profile import Source
    >>> round(log_spread(Quantity(p50=1.0, p80=2.0, p95=4.0, source=Source.PRIOR)), 2)
    0.84
    """
    return math.log(max(quantity.p95, SMALLEST) / max(quantity.p50, SMALLEST)) / Z95
