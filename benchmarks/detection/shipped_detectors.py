"""p-values of the detectors that ship, of whole series: every sample judged by those before it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from aiops_provider.detection.baseline import Baseline
from aiops_provider.detection.scoring.windows import Floats
from aiops_provider.detection.seasonal import SeasonalDetector
from aiops_provider.detection.sequential import SequentialTest
from aiops_provider.domain.kpi import KpiSample
from benchmarks.detection.causal_peers import stream_p_values
from benchmarks.detection.labelled_series import LabelledSeries

SEASONAL, STREAMING, BOTH = "aiops seasonal (default)", "aiops streaming", "aiops, both"
SEQUENTIAL = "aiops sequential (inside a run)"


def shipped_p_values(series: Sequence[LabelledSeries]) -> dict[str, list[Floats]]:
    """
    Of every detector for series that go on, and of the two together as a rule may ask for them.

    Returns:
        p-values of every sample, 1 during a detector's warm-up.
    """
    seasonal = [seasonal_p_values(one) for one in series]
    streaming = stream_p_values(series)
    together = [
        np.minimum(2.0 * np.minimum(one, other), 1.0)
        for one, other in zip(seasonal, streaming, strict=True)
    ]
    return {SEASONAL: seasonal, STREAMING: streaming, BOTH: together}


def seasonal_p_values(series: LabelledSeries) -> Floats:
    """The seasonal detector's, to which every earlier sample is normal."""
    detector, history = SeasonalDetector(), Baseline()
    found = np.ones(len(series.values))
    for place, sample in enumerate(_samples(series)):
        verdict = detector.score(sample, history)
        if verdict is not None:
            found[place] = verdict.p_value
        history.add(sample.observed_at, sample.value)
    return found


def sequential_p_values(series: LabelledSeries) -> Floats:
    """The sequential test's, the series taken for one run; either direction is odd."""
    test = SequentialTest()
    found = np.ones(len(series.values))
    for place, sample in enumerate(_samples(series)):
        verdict = test.score(sample, "both")
        if verdict is not None:
            found[place] = verdict.p_value
    return found


def _samples(series: LabelledSeries) -> list[KpiSample]:
    return [
        KpiSample(
            name=series.name,
            observed_at=datetime.fromtimestamp(float(moment), tz=UTC),
            value=float(value),
            context={"run_id": "1"},
        )
        for moment, value in zip(series.times, series.values, strict=True)
    ]
