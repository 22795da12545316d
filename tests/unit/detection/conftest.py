"""Short ways to make samples, observations and alarms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.detection.baseline import Baseline
from aiops_provider.domain.alarm import Alarm, Hypothesis, RootCause, Severity
from aiops_provider.domain.kpi import KpiSample, split_dimensions

START = datetime(2026, 11, 2, 14, 0, tzinfo=UTC)  # a Monday


@pytest.fixture
def start() -> datetime:
    return START


@pytest.fixture
def sample() -> Callable[..., KpiSample]:
    """``sample(3.0, hours=2, task="train", cluster="onprem")``."""

    def make(value: float, name: str = "rows", *, hours: float = 0, **labels: str) -> KpiSample:
        dimensions, context = split_dimensions(labels)
        return KpiSample(
            name=name,
            observed_at=START + timedelta(hours=hours),
            value=value,
            dimensions=dimensions,
            context=context,
        )

    return make


@pytest.fixture
def past() -> Callable[..., Baseline]:
    """``past([1.0, 2.0])``: values an hour apart, the last one an hour before the start."""

    def make(values: list[float], *, every_h: float = 1.0) -> Baseline:
        baseline = Baseline()
        for back, value in enumerate(reversed(values), start=1):
            baseline.add(START - timedelta(hours=every_h * back), value)
        return baseline

    return make


@pytest.fixture
def alarm() -> Callable[..., Alarm]:
    """``alarm("a", minutes=3, task="train")``."""

    def make(
        id: str = "a",  # noqa: A002 - the word of the domain
        name: str = "rows",
        *,
        minutes: float = 0,
        value: float = 22.0,
        expected: float = 100.0,
        p_value: float = 1e-6,
        severity: Severity = Severity.WARNING,
        **labels: str,
    ) -> Alarm:
        dimensions, context = split_dimensions(labels)
        at = START + timedelta(minutes=minutes)
        taken = KpiSample(
            name=name, observed_at=at, value=value, dimensions=dimensions, context=context
        )
        return Alarm(
            id=id,
            series=taken.series,
            observed_at=at,
            value=value,
            expected=expected,
            score=0.6,
            p_value=p_value,
            attributes=taken.attributes,
            severity=severity,
            last_seen_at=at,
        )

    return make


@pytest.fixture
def root_cause() -> Callable[..., RootCause]:
    """``root_cause({"provider": "aws"}, CauseKind.CLUSTER)``."""

    def make(cause, kind, *, p_value=1e-5, confidence=0.95) -> RootCause:
        return RootCause(
            hypotheses=(
                Hypothesis(
                    cause=cause,
                    kind=kind,
                    support=1.0,
                    precision=1.0,
                    lift=2.0,
                    p_value=p_value,
                    confidence=confidence,
                ),
            )
        )

    return make
