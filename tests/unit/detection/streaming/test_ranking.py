"""Scores that put the moments of a series in order."""

from __future__ import annotations

import numpy as np
import pytest

from aiops_provider.detection.scoring.volume import vus_pr
from aiops_provider.detection.streaming.bank import StreamBank
from aiops_provider.detection.streaming.ranking import abnormality


def p_values_of(values):
    bank, row = StreamBank(1), np.array([0])
    return np.array(
        [
            bank.score(row, np.array([300.0 * place]), np.array([value]))[0]
            for place, value in enumerate(values)
        ]
    )


@pytest.fixture
def noise():
    return np.random.default_rng(3).normal(100.0, 5.0, 1_000)


def test_all_of_a_lasting_trouble_comes_first():
    """P-values alone tell its onset, and then that much is as lately."""
    trouble = [(600, 699)]
    gains = []
    for seed in range(4):
        values = np.random.default_rng(seed).normal(100.0, 5.0, 1_000)
        values[600:700] += 6.0
        p_values = p_values_of(values)
        plain = -np.log10(np.nan_to_num(p_values, nan=1.0))
        gains.append(vus_pr(abnormality(values, p_values), trouble) - vus_pr(plain, trouble))
    assert np.mean(gains) > 0.1


def test_a_young_series_is_judged_too_but_never_as_certainly(noise):
    """From the ninth sample on, with two at most, and what it carries on."""
    noise[60] = 900.0
    scores = abnormality(noise, p_values_of(noise))
    assert [0.0] * 8 == scores[:8].tolist()
    assert 60 == int(np.argmax(scores[:150]))
    assert 2.0 < scores[60] < 2.5


def test_no_score_knows_what_comes_after(noise):
    """The future of a series changes nothing of what was said."""
    p_values = p_values_of(noise)
    whole = abnormality(noise, p_values)
    assert whole[:400].tolist() == abnormality(noise[:400], p_values[:400]).tolist()


def test_certainty_and_silence_stay_numbers():
    """A p-value of nothing, one of everything, and a series at rest."""
    found = abnormality(np.full(200, 7.0), np.array([np.nan] * 150 + [0.0, 1.0] * 25))
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert [0.0] * 150 == found[:150].tolist()
