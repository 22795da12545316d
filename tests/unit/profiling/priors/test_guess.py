"""The arithmetic of the priors, against samples."""

from __future__ import annotations

import numpy as np
import pytest

from aiops_provider.profiling.priors.guess import NOTHING, Guess, between, exactly


def test_a_product_of_independent_figures_is_as_wide_as_samples_of_it():
    """Five guesses of a factor of three each do not all come true at once."""
    draw = np.random.default_rng(3).standard_normal((5, 200_000))
    product, samples = exactly(2.0), np.full(200_000, 2.0)
    for row in draw:
        product = product * between(1.0, 3.0)
        samples = samples * 3.0 ** (row / 1.6449)
    expected = np.quantile(samples, [0.5, 0.8, 0.95])
    assert [product.p50, product.p80, product.p95] == pytest.approx(expected, rel=0.03)


def test_what_is_certain_or_nothing_only_scales():
    """Neither adds a width."""
    figure = Guess(2.0, 3.0, 7.0)
    scaled = exactly(4.0) * figure
    assert [scaled.p50, scaled.p80, scaled.p95] == pytest.approx([8.0, 12.0, 28.0])
    assert NOTHING == NOTHING * figure
    assert Guess(0.0, 0.0, 14.0) == Guess(0.0, 0.0, 2.0) * figure


def test_what_comes_together_is_multiplied_quantile_by_quantile():
    """The busiest hour meets the slowest answer sooner or later."""
    assert Guess(2.0, 6.0, 20.0) == Guess(1.0, 2.0, 4.0).together(Guess(2.0, 3.0, 5.0))
