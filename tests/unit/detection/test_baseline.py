"""The past of one series."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops_provider.detection.baseline import Baseline


def test_late_samples_are_put_where_they_belong(start):
    """Values come back in order of time, whatever the order of arrival."""
    baseline = Baseline()
    for hour in (3, 1, 2, 0):
        baseline.add(start + timedelta(hours=hour), float(hour))

    assert [0.0, 1.0, 2.0, 3.0] == baseline.before(start + timedelta(days=1))[1].tolist()


def test_the_present_is_not_part_of_the_past(start):
    """A sample is never compared with itself or with what came later."""
    baseline = Baseline()
    baseline.extend((start + timedelta(hours=hour), float(hour)) for hour in range(4))

    assert [0.0, 1.0] == baseline.before(start + timedelta(hours=2))[1].tolist()


def test_a_sample_that_is_there_is_not_counted_twice(start):
    """The same moment and value again changes nothing; another value of that moment does."""
    baseline = Baseline()

    assert [True, False, True] == [baseline.add(start, value) for value in (1.0, 1.0, 2.0)]
    assert 2 == len(baseline)


@pytest.mark.parametrize("count", [10, 64, 65, 500])
def test_the_newest_values_are_kept(start, count):
    """Memory is bounded: of many values at least the newest *limit* remain, at most twice those."""
    baseline = Baseline(limit=20)
    baseline.extend((start + timedelta(minutes=n), float(n)) for n in range(count))

    kept = baseline.before(start + timedelta(days=9))[1]
    assert min(count, 20) <= len(kept) <= max(64, 40)
    assert list(range(count - len(kept), count)) == kept.tolist()


@given(st.lists(st.integers(0, 50), max_size=200))
def test_any_order_gives_the_same_past(minutes):
    """The order of arrival leaves no trace."""
    from datetime import UTC, datetime

    origin = datetime(2026, 1, 1, tzinfo=UTC)
    one, other = Baseline(), Baseline()
    one.extend((origin + timedelta(minutes=m), float(m)) for m in minutes)
    other.extend((origin + timedelta(minutes=m), float(m)) for m in sorted(minutes))

    end = origin + timedelta(days=1)
    assert np.array_equal(one.before(end)[0], other.before(end)[0])
    assert sorted(set(minutes)) == one.before(end)[1].tolist()
