"""Quiet series without end, whose noise is that of real ones: whatever is told of them is false."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from aiops_provider.detection.scoring.windows import Floats, flags_of
from aiops_provider.domain.kpi import KpiSample
from benchmarks.detection.labelled_series import LabelledSeries

START = datetime(2026, 3, 2, tzinfo=UTC)
_PLACES = [(f"cluster-{i}", f"provider-{i % 4}") for i in range(8)]


def quiet_values(
    series: Sequence[LabelledSeries], count: int, samples: int, rng: np.random.Generator
) -> Floats:
    """
    Levels of their own, with the relative residuals of a real series drawn independently.

    Args:
        series: Real ones; what is labelled in them is left out.
        count: How many to make.
        samples: Of each.
        rng: Of everything random.

    Returns:
        Shape (count, samples).
    """
    noise = [residuals(one) for one in series]
    levels = rng.lognormal(6.0, 1.5, size=count)
    kinds = rng.integers(0, len(noise), size=count)
    return np.stack(
        [
            level * (1.0 + rng.choice(noise[kind], size=samples))
            for level, kind in zip(levels, kinds, strict=True)
        ]
    )


def residuals(series: LabelledSeries) -> Floats:
    """Relative residuals of the normal samples against the median of the 24 before."""
    values = series.values
    normal = ~flags_of(series.windows, len(values))
    level = np.array([np.median(values[max(i - 24, 0) : i + 1]) for i in range(len(values))])
    scale = max(float(np.median(np.abs(values))), 1e-9)
    found: Floats = ((values - level) / scale)[normal]
    return np.clip(found, -5.0, 5.0)


def hour_of(hour: int, values: Floats) -> Iterator[KpiSample]:
    """
    One sample of every series.

    Args:
        hour: Since :data:`START`.
        values: One of each series.
    """
    at = START + timedelta(hours=hour)
    for number, value in enumerate(values):
        cluster, provider = _PLACES[number % len(_PLACES)]
        yield KpiSample(
            name=f"kpi_{number // 100}",
            observed_at=at,
            value=float(value),
            dimensions={"task": f"task-{number % 100}", "dag": f"dag-{number % 10}"},
            context={"cluster": cluster, "provider": provider},
        )
