"""The robust seasonal z-score: is the value far from those of comparable moments?"""

from __future__ import annotations

from aiops_provider.detection.baseline import Baseline
from aiops_provider.detection.reference import Reference, references
from aiops_provider.detection.verdict import Verdict
from aiops_provider.domain.kpi import KpiSample


class SeasonalDetector:
    """
    Compares a value with the median of the same time of day, week or year, or of lately.

    ``z = (x - median) / (scale * sqrt(1 + π/(2n)))``; the p-value is two-sided, by Student's t
    sized by the number of comparable values (see :class:`Reference`). Of the references that have
    enough values, the one with the narrowest interval is used: a series that swings with the day
    has its narrowest around the same time of day. It is chosen without looking at the sample.

    Simulated on normal noise it raises 0.5 to 1 times as many false alarms as its p-value says; on
    series that wander (random walks) or jump between levels it raises more, which is inherent in
    comparing with a fixed level. It cannot see a change of shape without a change of level.

    Args:
        minimum_history: Values of the series before it is judged.
    """

    name = "seasonal"

    def __init__(self, minimum_history: int = 8) -> None:
        self._minimum = minimum_history

    def score(self, sample: KpiSample, history: Baseline) -> Verdict | None:
        """The verdict, or ``None`` while there is too little history to judge."""
        times, values = history.before(sample.observed_at)
        found = references(times, values, sample.observed_at.timestamp(), minimum=self._minimum)
        best = min(found, key=Reference.width, default=None)
        if best is None:
            return None
        effect = best.deviation(sample.value)
        return Verdict(
            p_value=two_sided_p(effect, best.freedom),
            expected=best.location,
            reason=_reason(sample.value, best, effect),
            detector=self.name,
            effect=effect,
        )


def two_sided_p(deviation: float, freedom: float) -> float:
    """
    Probability of a deviation as large, to either side, under Student's t.

    >>> round(two_sided_p(2.306, 8.0), 3)
    0.05
    """
    from scipy import special

    return min(2.0 * float(special.stdtr(freedom, -abs(deviation))), 1.0)


def _reason(value: float, reference: Reference, effect: float) -> str:
    return (
        f"{value:.6g}, where {reference.location:.6g} is usual {reference.name}: "
        f"{abs(effect):.1f} robust deviations {'above' if effect > 0 else 'below'}"
    )
