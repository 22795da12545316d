"""Scores."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from aiops_provider.detection.verdict import ALARM_P, score_of


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_scores_are_in_order_and_in_range(one, other):
    """A score is in [0, 1] and never smaller for the smaller p-value."""
    assert 0.0 <= score_of(one) <= 1.0
    assert (score_of(one) >= score_of(other)) or one > other


def test_half_is_where_an_alarm_may_be_raised():
    """0.5 is the ceiling of what may alarm."""
    assert 0.5 == score_of(ALARM_P)
