"""Is this sample normal? Detectors give the odds, expert rules say what matters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from aiops_provider.detection.baseline import Baseline
from aiops_provider.detection.failures import FailureDetector
from aiops_provider.detection.local_clock import LocalClock
from aiops_provider.detection.rules import Effect, RuleSet, Ruling, relative_change
from aiops_provider.detection.seasonal import SeasonalDetector
from aiops_provider.detection.sequential import SequentialTest
from aiops_provider.detection.streaming.detector import StreamingDetector
from aiops_provider.detection.verdict import ALARM_P, Detector, Verdict
from aiops_provider.domain.kpi import KpiSample

# An open alarm is held while samples are this improbable: leaving takes more than entering. On the
# scale of deviations that is 0.7 of what raises it.
HOLD_P = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """
    A sample with what was thought of it.

    Attributes:
        sample: As reported.
        verdict: Of the detector or rule; ``None`` while there is too little history.
        alarmed: Whether it may raise an alarm.
        deviating: Whether it keeps an open alarm open.
        ruling: What the expert rules say; only of samples that deviate.
    """

    sample: KpiSample
    verdict: Verdict | None
    alarmed: bool = False
    deviating: bool = False
    ruling: Ruling = field(default_factory=lambda: Ruling(effect=Effect()))


class Judge:
    """
    Judges samples by the past of their series and by the rules.

    Args:
        rules: Expert rules in force.
        minimum_history: Samples of a series before it is judged.
        detectors: By name, instead of or beside the built-in ones.
        clock: Of the installation; default: UTC, without holidays.
    """

    def __init__(
        self,
        rules: RuleSet,
        *,
        minimum_history: int,
        detectors: Iterable[Detector] = (),
        clock: LocalClock | None = None,
    ) -> None:
        self._rules = rules
        self._sequential = SequentialTest()
        self._streaming = StreamingDetector(clock)
        self._minimum, self._clock = minimum_history, clock or LocalClock()
        self._by_clock: dict[tuple[str, str], SeasonalDetector] = {}
        built_in: tuple[Detector, ...] = (
            SeasonalDetector(minimum_history, clock),
            FailureDetector(),
        )
        self._detectors = {one.name: one for one in (*built_in, *detectors)}

    def verdict(self, sample: KpiSample, history: Baseline) -> Verdict | None:
        """
        What the detector that the rules choose says, or a threshold that is crossed.

        Where two tests look at a sample, the smaller p-value is doubled (Bonferroni).
        """
        choice = self._rules.choice(sample)
        found = self._crossing(sample, self._of_detector(sample, history, choice), choice)
        return _within(choice) if found is None and choice.detector == "none" else found

    def with_threshold(self, sample: KpiSample, found: Verdict | None) -> Verdict | None:
        """A verdict as it stands, or the threshold that the rules set if the sample crosses it."""
        return self._crossing(sample, found, self._rules.choice(sample))

    @staticmethod
    def _crossing(sample: KpiSample, found: Verdict | None, choice: Effect) -> Verdict | None:
        crossed = _crossed(sample.value, choice)
        if crossed is None:
            return found
        side, limit = crossed
        return Verdict(
            p_value=min(found.p_value, ALARM_P) if found else ALARM_P,
            expected=found.expected if found else limit,
            reason=f"{sample.value:.6g} is {side} the threshold {limit:.6g}",
            detector="threshold",
            effect=found.effect if found else 0.0,
            event=True,
        )

    def _of_detector(self, sample: KpiSample, history: Baseline, choice: Effect) -> Verdict | None:
        if choice.detector == "none":
            return None
        second: Verdict | None
        if choice.detector == "sequential":
            second = self._sequential.score(sample, choice.direction or "both")
        elif choice.detector == "streaming":
            second = self._streaming.score(sample, history)
        else:
            name = choice.detector or "seasonal"
            detector = self._seasonal(choice) if name == "seasonal" else self._detectors[name]
            return detector.score(sample, history)
        first = self._seasonal(choice).score(sample, history)
        told = [one for one in (first, second) if one is not None]
        if len(told) < 2:
            return told[0] if told else None
        best = min(told, key=lambda one: one.p_value)
        return replace(best, p_value=min(2.0 * best.p_value, 1.0))

    def _seasonal(self, choice: Effect) -> Detector:
        """The seasonal detector by the clock that the rules choose."""
        if choice.time_zone is None and choice.holidays is None:
            return self._detectors["seasonal"]
        zone, holidays = self._clock.names
        chosen = (choice.time_zone or zone, choice.holidays or holidays)
        if chosen not in self._by_clock:
            self._by_clock[chosen] = SeasonalDetector(self._minimum, LocalClock(*chosen))
        return self._by_clock[chosen]

    def observation(
        self, sample: KpiSample, verdict: Verdict | None, *, threshold_p: float
    ) -> Observation:
        """
        Decide.

        Args:
            sample: As reported.
            verdict: What was said of it.
            threshold_p: Largest p-value that the false-discovery rate admits.
        """
        if verdict is None or (verdict.p_value > HOLD_P and not verdict.event):
            return Observation(sample=sample, verdict=verdict)
        ruling = self._rules.ruling(sample, verdict)
        wanted = ruling.ignored_by is None and (
            verdict.detector == "threshold" or _counts(ruling.effect, sample.value, verdict)
        )
        significant = verdict.event or verdict.p_value <= min(threshold_p, ALARM_P)
        return Observation(
            sample=sample,
            verdict=verdict,
            alarmed=wanted and significant and _is_large(ruling.effect, sample.value, verdict),
            deviating=wanted,
            ruling=ruling,
        )


def _within(choice: Effect) -> Verdict | None:
    """Where only thresholds judge, what crosses none is normal, and ends an alarm."""
    limit = choice.above if choice.above is not None else choice.below
    if limit is None:
        return None
    return Verdict(p_value=1.0, expected=limit, reason="within the threshold", detector="threshold")


def _crossed(value: float, choice: Effect) -> tuple[str, float] | None:
    if choice.above is not None and value > choice.above:
        return "above", choice.above
    if choice.below is not None and value < choice.below:
        return "below", choice.below
    return None


def _counts(effect: Effect, value: float, verdict: Verdict) -> bool:
    """Whether the deviation goes the way that matters."""
    if effect.direction == "up":
        return value > verdict.expected
    if effect.direction == "down":
        return value < verdict.expected
    return True


def _is_large(effect: Effect, value: float, verdict: Verdict) -> bool:
    """Whether the deviation is worth a person's time, however significant it is."""
    if verdict.detector == "threshold":
        return True
    if effect.minimum_volume is not None and (
        max(abs(verdict.expected), abs(value)) < effect.minimum_volume
    ):
        return False
    change = abs(value - verdict.expected)
    if change < (effect.minimum_absolute_change or 0.0):
        return False
    return abs(relative_change(value, verdict.expected)) >= (effect.minimum_relative_change or 0.0)
