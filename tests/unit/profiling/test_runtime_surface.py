"""Runtimes on configurations that were not seen."""

from __future__ import annotations

import math

import pytest

from aiops_provider.errors import DataError
from aiops_provider.profiling.runtime_surface import Runtime, RuntimeSurface

SEEN = [
    {"workers": float(workers), "gib": float(gib)}
    for workers in (2, 3, 4, 6, 8)
    for gib in (10, 20, 40, 80)
]


def time_s(row: dict[str, float]) -> float:
    """A job that divides well: time falls with the workers and grows with the data."""
    return 60.0 * row["gib"] / row["workers"] ** 0.8


def test_a_scaling_law_is_continued_beyond_what_was_seen():
    """Twice the data and half as many workers again as ever seen are predicted within 5 %."""
    surface = RuntimeSurface(SEEN, [time_s(row) for row in SEEN])
    wanted = {"workers": 12.0, "gib": 160.0}
    assert surface.predict(wanted).p50_s == pytest.approx(time_s(wanted), rel=0.05)


def test_what_a_run_needs_whatever_its_size_is_no_slope():
    """A start of 30 s and 10 s per GiB, known up to 4 GiB, are continued to 16 GiB within 5 %."""
    sizes = [0.05 * 1.25**step for step in range(20)]
    surface = RuntimeSurface([{"gib": gib} for gib in sizes], [30 + 10 * gib for gib in sizes])
    assert surface.predict({"gib": 16.0}).p50_s == pytest.approx(190.0, rel=0.05)


def test_beyond_two_levels_the_nearer_one_is_taken():
    """Two memories per core tell nothing of a third, which is like the nearer but less sure."""
    seen = [{**row, "gib_per_core": level} for row in SEEN for level in (2.0, 4.0)]
    surface = RuntimeSurface(seen, [time_s(row) * row["gib_per_core"] ** -0.5 for row in seen])
    wanted = {"workers": 4.0, "gib": 40.0}
    known, beyond = (surface.predict({**wanted, "gib_per_core": level}) for level in (4.0, 16.0))
    assert beyond.p50_s == pytest.approx(known.p50_s)
    assert beyond.log_scale > known.log_scale


def test_an_interval_widens_away_from_what_was_seen():
    """Far from all runs the prediction is less sure than between them."""
    times = [time_s(row) * (1.3 if row["gib"] > 30 else 1.0) for row in SEEN]
    surface = RuntimeSurface(SEEN, times)
    near, far = (surface.predict({"workers": 4.0, "gib": gib}) for gib in (20.0, 5000.0))
    assert far.log_scale > near.log_scale


def test_equal_runtimes_are_predicted_again():
    """A job that always takes 10 s takes 10 s on a new configuration."""
    surface = RuntimeSurface(SEEN, [10.0] * len(SEEN))
    assert surface.predict({"workers": 5.0, "gib": 30.0}).p50_s == pytest.approx(10.0)


def test_quantiles_lie_on_the_log_normal():
    """The median is the median, and one standard deviation above it is the factor e^scale."""
    runtime = Runtime(p50_s=100.0, log_scale=0.5)
    assert runtime.quantile_s(0.5) == pytest.approx(100.0)
    assert runtime.quantile_s(0.8413447) == pytest.approx(100.0 * math.exp(0.5), rel=1e-4)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_impossible_figures_are_refused(bad: float):
    """Figures without a logarithm are refused by name, when learning and when asked."""
    with pytest.raises(DataError, match="gib"):
        RuntimeSurface([*SEEN, {"workers": 2.0, "gib": bad}], [1.0] * (len(SEEN) + 1))
    with pytest.raises(DataError, match="runtime_s"):
        RuntimeSurface(SEEN, [bad] + [1.0] * (len(SEEN) - 1))
    with pytest.raises(DataError, match="gib"):
        RuntimeSurface(SEEN, [10.0] * len(SEEN)).predict({"workers": 2.0, "gib": bad})


def test_a_missing_figure_is_named():
    """A configuration that lacks a figure of the runs is refused with its name."""
    with pytest.raises(DataError, match="workers"):
        RuntimeSurface(SEEN, [10.0] * len(SEEN)).predict({"gib": 2.0})


def test_too_few_or_unequal_runs_are_refused():
    """Fewer than three runs, or another number of runtimes than of configurations, are an error."""
    with pytest.raises(DataError, match="at least 3"):
        RuntimeSurface(SEEN[:2], [1.0, 2.0])
    with pytest.raises(DataError, match="one configuration per runtime"):
        RuntimeSurface(SEEN, [1.0])
