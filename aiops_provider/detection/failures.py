"""Failed tries: events that need no statistics to be seen, only to be weighed."""

from __future__ import annotations

from aiops_provider.detection.baseline import Baseline
from aiops_provider.detection.verdict import Verdict
from aiops_provider.domain.kpi import KpiSample

# A task of which nothing is known fails in one of twenty tries; that guess weighs ten tries.
_PRIOR_TRIES = 10.0
_PRIOR_FAILURES = 0.5

# A task that fails more often than this is flaky: one more failure says nothing.
FLAKY_RATE = 0.1
# Tries of a flaky task that are looked at together, and how surprising they must be.
_RECENT_TRIES = 10
_FLAKY_P = 1e-3


class FailureDetector:
    """
    Weighs a failed try (value 1) by the task's own history of failures.

    The task's failure rate is estimated as ``(k + 0.5) / (n + 10)`` from *k* failures in *n* tries.
    A reliable task's failure is told at once, its p-value is that rate. A flaky task's failure is
    told when the last ten tries hold more failures than the binomial distribution allows
    (p < 0.001). A success is never an alarm. There is no warm-up: the first failure of a new task
    is a fact.
    """

    name = "failures"

    def score(self, sample: KpiSample, history: Baseline) -> Verdict:
        """The verdict; an event where it is worth telling."""
        _, values = history.before(sample.observed_at)
        failed = values >= 0.5
        rate = _rate(int(failed.sum()), len(failed))
        if sample.value < 0.5:
            return Verdict(p_value=1.0, expected=0.0, reason="succeeded", detector=self.name)
        if rate <= FLAKY_RATE:
            return Verdict(
                p_value=rate,
                expected=0.0,
                reason=f"failed, as it did in {failed.sum()} of {len(failed)} earlier tries",
                detector=self.name,
                event=True,
            )
        recent, earlier = failed[-_RECENT_TRIES + 1 :], failed[: -_RECENT_TRIES + 1]
        usual = max(_rate(int(earlier.sum()), len(earlier)), FLAKY_RATE)
        count, tries = int(recent.sum()) + 1, len(recent) + 1
        p_value = at_least(count, tries, usual)
        return Verdict(
            p_value=p_value,
            expected=0.0,
            reason=f"{count} of the last {tries} tries failed, where {usual:.0%} is usual",
            detector=self.name,
            event=p_value < _FLAKY_P,
        )


def _rate(failures: int, tries: int) -> float:
    return (failures + _PRIOR_FAILURES) / (tries + _PRIOR_TRIES)


def at_least(count: int, tries: int, rate: float) -> float:
    """
    Probability of so many failures or more, by the binomial distribution.

    >>> round(at_least(1, 2, 0.5), 2)
    0.75
    """
    from scipy import special

    return 1.0 if count == 0 else float(special.bdtrc(count - 1, tries, rate))
