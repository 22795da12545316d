"""The robust seasonal z-score: is the value far from those of comparable moments?"""

from __future__ import annotations

from aiops_provider.detection.baseline import Baseline
from aiops_provider.detection.local_clock import LocalClock
from aiops_provider.detection.reference import DAY_S, Reference, references
from aiops_provider.detection.verdict import Verdict
from aiops_provider.domain.kpi import KpiSample

# A value that a season makes this likely is normal, even where it is unusual lately.
_USUAL_P = 0.05
# An excursion that came so often, over more than a day and in this share of the samples, is what
# the series does; nine tenths of the way is the same excursion.
_REGULAR_TIMES = 5
_REGULAR_SHARE = 0.002
_REGULAR_REACH = 0.9


class SeasonalDetector:
    """
    Compares a value with the median of the same time of day, week, month or year, or of lately.

    ``z = (x - median) / (scale * sqrt(1 + π/(2n)))``; the p-value is two-sided, by Student's t
    sized by the number of comparable values (see :class:`Reference`). Of the references that have
    enough values, the one with the narrowest interval is used, chosen without looking at the
    sample: a series that swings with the day has its narrowest around the same time of day. On a public
    holiday that of holidays and Sundays is among them. A
    value that is usual for the time of day, week, month or year (p > 0.05) is normal in any case, and so
    is an excursion that the series has made at least five times before.

    False alarms per sample, as multiples of the p-value: 0.4 to 0.9 on normal noise with 8 to 14
    comparable values, less with more; 1 to 4 on log-normal noise of 30 %; up to 20 at p = 0.0001 on
    noise as wild as Student's t with 4 degrees of freedom. A series that wanders (random walk)
    alarms more often, which is inherent in comparing with a fixed level. It cannot see a change of
    shape without a change of level.

    Args:
        minimum_history: Values of the series before it is judged.
        clock: What counts as the same time; default: UTC, without holidays.
    """

    name = "seasonal"

    def __init__(self, minimum_history: int = 8, clock: LocalClock | None = None) -> None:
        self._minimum, self._clock = minimum_history, clock

    def score(self, sample: KpiSample, history: Baseline) -> Verdict | None:
        """The verdict, or ``None`` while there is too little history to judge."""
        times, values = history.before(sample.observed_at)
        moment = sample.observed_at.timestamp()
        found = list(references(times, values, moment, minimum=self._minimum, clock=self._clock))
        if not found:
            return None
        best = min(found, key=Reference.width)
        p_value = _p_value(sample.value, best)
        if p_value < _USUAL_P:
            for season in found[1:]:  # the first is "lately"
                usual = _p_value(sample.value, season)
                if usual > _USUAL_P:
                    best, p_value = season, usual
        if p_value < _REGULAR_SHARE:
            p_value = max(p_value, _regular(sample, history, best.location, len(values)))
        effect = best.deviation(sample.value)
        return Verdict(
            p_value=p_value,
            expected=best.location,
            reason=_reason(sample.value, best, effect),
            detector=self.name,
            effect=effect,
        )


def _p_value(value: float, reference: Reference) -> float:
    return two_sided_p(reference.deviation(value), reference.freedom)


def _regular(sample: KpiSample, history: Baseline, location: float, samples: int) -> float:
    """Share of the samples at which the series went as far as now, and came back; 0 if rarely."""
    reach = location + _REGULAR_REACH * (sample.value - location)
    above = sample.value > location
    alike = [
        begin
        for begin, low, high in history.excursions_before(sample.observed_at)
        if (high >= reach if above else low <= reach)
    ]
    share = len(alike) / samples
    if len(alike) < _REGULAR_TIMES or share < _REGULAR_SHARE or max(alike) - min(alike) < DAY_S:
        return 0.0
    return share


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
