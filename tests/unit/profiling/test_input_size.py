"""How the size of the input enters."""

from __future__ import annotations

import pytest

from aiops_provider.profiling.input_size import size_effect


def line(*sizes: float, constant: float = 1.0, slope: float = 0.5) -> list[tuple[float, float]]:
    return [(size, constant + slope * size) for size in sizes]


def test_a_line_is_found():
    """Four runs of different sizes on a line prove its slope and constant."""
    effect = size_effect(line(1, 2, 4, 8), constant_if_unknown=0.1)
    assert effect is not None
    assert effect.proven
    assert (effect.constant, effect.slope) == pytest.approx((1.0, 0.5))
    assert effect.factor(seen=2, wanted=8) == pytest.approx(5.0 / 2.0)


def test_wild_points_do_not_move_the_line():
    """Two of ten runs went mad; the line is that of the other eight."""
    points = line(1, 2, 3, 4, 5, 6, 7, 8)
    points[4:4] = [(3.5, 400.0), (6.5, 0.01)]
    effect = size_effect(points, constant_if_unknown=0.1)
    assert effect is not None
    assert (effect.constant, effect.slope) == pytest.approx((1.0, 0.5), rel=0.1)


def test_a_size_without_effect_is_ignored():
    """Inputs have varied by eight and the figure has not followed."""
    points = [(1.0, 3.0), (2.0, 3.1), (4.0, 2.9), (8.0, 3.0), (3.0, 3.05)]
    assert size_effect(points, constant_if_unknown=0.1) is None


def test_falling_need_is_no_effect():
    """No task needs less for more input: a falling line is chance."""
    assert size_effect(line(1, 2, 4, 8, constant=9, slope=-1), constant_if_unknown=0.1) is None


@pytest.mark.parametrize("points", [line(2), line(2, 2, 2, 2, 2), line(2, 2.1, 2.2, 2.3)])
def test_growth_is_assumed_until_proven(points):
    """Few runs, or inputs of nearly one size: only more input than ever is taken to need more."""
    effect = size_effect(points, constant_if_unknown=0.1)
    assert effect is not None
    assert not effect.proven
    assert effect.factor(seen=2, wanted=4) == pytest.approx(4 / effect.largest, rel=0.1)
    assert effect.factor(seen=2, wanted=2) == effect.factor(seen=None, wanted=1) == 1.0


def test_factors_keep_their_ratio():
    """The order of two runs does not depend on the size to come, sizes unknown included."""
    effect = size_effect(line(1, 2, 4, 8), constant_if_unknown=0.1)
    assert effect is not None
    near, far = (
        [effect.factor(seen=seen, wanted=wanted) for seen in (1, 4, None)] for wanted in (0.1, 100)
    )
    assert [f / near[0] for f in near] == pytest.approx([f / far[0] for f in far])


def test_small_inputs_need_no_less_than_half_the_smallest_seen():
    """A line is not followed to where nothing was seen."""
    effect = size_effect(line(4, 8, 16, 32), constant_if_unknown=0.1)
    assert effect is not None
    assert effect.factor(seen=4, wanted=0.001) == effect.factor(seen=4, wanted=2)


def test_extrapolation_widens():
    """Within what was seen nothing is added, beyond it the more the farther."""
    effect = size_effect(line(1, 2, 4, 8), constant_if_unknown=0.1)
    assert effect is not None
    assert effect.bend(8) == effect.bend(1) == 1.0
    assert 1.0 < effect.bend(16) < effect.bend(64)


def test_a_negative_constant_becomes_proportion():
    """A line that would start below zero is replaced by a proportion."""
    effect = size_effect(line(2, 4, 8, 16, constant=-1.5, slope=1.0), constant_if_unknown=0.1)
    assert effect is not None
    assert effect.constant == 0.0
    assert effect.slope > 0


def test_no_sizes_no_effect():
    """Nothing is known about sizes."""
    assert size_effect([], constant_if_unknown=0.1) is None
