"""Peers of the VUS benchmark find what they are known to find, and the causal ones see no future."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from benchmarks.detection.labelled_series import LabelledSeries
from benchmarks.detection.library_peers import LIBRARIES
from benchmarks.detection.offline_peers import OFFLINE, period_of

_LIBRARY = {"river": "river", "rrcf": "rrcf", "stumpy": "stumpy"}
TROUBLE = slice(600, 620)


@pytest.fixture
def series() -> LabelledSeries:
    """A noisy wave of period 50 that stands still for twenty samples."""
    rng = np.random.default_rng(5)
    values = 10.0 * np.sin(np.arange(1_000) / 50 * 2 * np.pi) + rng.normal(0.0, 0.3, 1_000)
    values[TROUBLE] = 40.0
    times = 300.0 * np.arange(1_000)
    return LabelledSeries(name="wave", times=times, values=values, windows=((600, 619),))


def needed(peer: str) -> None:
    """Skip, unless the library that a peer's name says is there."""
    for word, module in _LIBRARY.items():
        if word in peer and importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is in the dependency group bench")


def test_the_period_is_found(series):
    """By the autocorrelation; a line has none."""
    assert abs(period_of(series.values) - 50) <= 1
    assert 125 == period_of(np.ones(500))


@pytest.mark.parametrize("peer", OFFLINE)
def test_offline_peers_rank_a_planted_trouble_first(peer, series):
    """Somewhere within a period of it, for they score windows."""
    needed(peer)
    scores = OFFLINE[peer](series.values, 0)
    assert len(scores) == len(series.values)
    assert np.isfinite(scores).all()
    assert 550 <= int(np.argmax(scores)) <= 670


@pytest.mark.filterwarnings("ignore")  # of the libraries
@pytest.mark.parametrize("peer", LIBRARIES)
def test_causal_peers_see_no_future(peer, series):
    """The scores of the past stand, whatever comes."""
    needed(peer)
    score = LIBRARIES[peer]
    cut = LabelledSeries(
        name="wave", times=series.times[:700], values=series.values[:700], windows=series.windows
    )
    whole, past = score(series, 0), score(cut, 0)
    # The left matrix profile takes the length of its windows from the series' own.
    begin = 250
    assert np.isfinite(whole).all()
    if "left" not in peer:
        assert whole[begin:700] == pytest.approx(past[begin:])
    assert whole[600:700].max() > np.quantile(whole[begin:600], 0.9)
