"""What a detector says about one sample, and what a detector must be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from aiops_provider.detection.baseline import Baseline
from aiops_provider.domain.kpi import KpiSample

# A detector's p-value below this may raise an alarm: score 0.5. One false alarm in 10,000 samples
# of a quiet series; the false-discovery rate lowers it further where many series are watched.
ALARM_P = 1e-4

# Doubles end near 1e-308; what is smaller than this says nothing more.
SMALLEST_P = 1e-300


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """
    How well a sample agrees with the past of its series.

    Attributes:
        p_value: Probability of such a sample, or one further out, when all is well.
        expected: What the past lets expect, in the KPI's unit.
        effect: Distance from *expected* in robust standard deviations, signed; 0 for events.
        reason: One sentence.
        detector: Who says so.
        event: A fact such as a failed try, not a figure that may deviate by chance: it is told at
            once and does not wait for the false-discovery rate.
    """

    p_value: float
    expected: float
    reason: str
    detector: str
    effect: float = 0.0
    event: bool = False

    @property
    def score(self) -> float:
        """In [0, 1]; 0.5 where an alarm may be raised, 1 is surely anomalous."""
        return score_of(self.p_value)


def score_of(p_value: float) -> float:
    """
    Map a p-value to [0, 1] without losing the order of very small ones.

    ``s = L / (L + 4)`` with ``L = -log10(p)``: 0 at p = 1, 0.5 at p = 0.0001 (:data:`ALARM_P`).

    >>> [round(score_of(p), 2) for p in (1.0, 0.05, 1e-4, 1e-12)]
    [0.0, 0.25, 0.5, 0.75]
    """
    surprise = abs(math.log10(min(max(p_value, SMALLEST_P), 1.0)))
    return surprise / (surprise - math.log10(ALARM_P))


class Detector(Protocol):
    """
    Judges a sample by the past of its series.

    Requirements: causal (looks only at what *history* holds before the sample), stateless (the
    same sample and history give the same verdict), p-values that are not too small when all is
    well. ``score`` is called from one thread.
    """

    name: str

    def score(self, sample: KpiSample, history: Baseline) -> Verdict | None:
        """The verdict, or ``None`` while there is too little history to judge."""
        ...
