"""What is found in a file whose columns say where and in which version something ran."""

from __future__ import annotations

import csv
import itertools
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops_provider.control.detect_file import detect_file

_DIMENSIONS = {
    "region": ("eu", "us", "ap", "sa", "me"),
    "device": ("ios", "android", "web", "tv"),
    "version": ("3.1", "3.2", "3.3"),
}
_DAYS, _PER_DAY = 12, 12


@pytest.mark.parametrize(
    "cause", [{"device": "ios", "version": "3.2"}, {"region": "eu", "device": "ios"}]
)
def test_a_conjunction_is_found_among_series_side_by_side(tmp_path, cause):
    """Devices and versions report from every region at every moment, so that each is compared with itself."""
    file, noise = tmp_path / "kpis.csv", np.random.default_rng(5)
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["observed_at", "name", "value", *_DIMENSIONS])
        for step in range(_DAYS * _PER_DAY):
            at = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=step / _PER_DAY)
            usual = 1000 + 400 * math.sin(2 * math.pi * step / _PER_DAY)
            for combination in itertools.product(*_DIMENSIONS.values()):
                said = dict(zip(_DIMENSIONS, combination, strict=True))
                bad = step >= (_DAYS - 1) * _PER_DAY and cause.items() <= said.items()
                value = usual * (0.5 if bad else 1.0) + noise.normal(0, 20)
                writer.writerow([at.isoformat(), "requests", round(value, 2), *combination])
    found = detect_file(file)
    (super_alarm,) = found.super_alarms
    affected = math.prod(len(v) for name, v in _DIMENSIONS.items() if name not in cause)
    assert cause == super_alarm.root_cause.best.cause
    assert affected == len(super_alarm.alarms)
    assert "task" not in super_alarm.summary
