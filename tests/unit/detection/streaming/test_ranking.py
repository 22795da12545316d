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
            bank.score(row, np.array([moment]), np.array([value]))[0]
            for moment, value in zip(times_of(values), values, strict=True)
        ]
    )


def times_of(values):
    return 300.0 * np.arange(len(values))


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
        gains.append(
            vus_pr(abnormality(times_of(values), values, p_values), trouble)
            - vus_pr(plain, trouble)
        )
    assert np.mean(gains) > 0.1


def test_a_young_series_is_judged_too_but_never_as_certainly(noise):
    """From the ninth sample on, with two at most, and what it carries on."""
    noise[60] = 900.0
    scores = abnormality(times_of(noise), noise, p_values_of(noise))
    assert [0.0] * 8 == scores[:8].tolist()
    assert 60 == int(np.argmax(scores[:150]))
    assert 2.0 < scores[60] < 4.0


def test_no_score_knows_what_comes_after(noise):
    """The future of a series changes nothing of what was said."""
    p_values = p_values_of(noise)
    whole = abnormality(times_of(noise), noise, p_values)
    assert (
        whole[:400].tolist()
        == abnormality(times_of(noise)[:400], noise[:400], p_values[:400]).tolist()
    )


def test_certainty_and_silence_stay_numbers():
    """A p-value of nothing, one of everything, and a series at rest."""
    p_values = np.array([np.nan] * 150 + [0.0, 1.0] * 25)
    found = abnormality(np.zeros(200), np.full(200, 7.0), p_values)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert [0.0] * 150 == found[:150].tolist()


def test_a_trouble_is_carried_on_for_hours_not_for_samples():
    """Hourly samples forget within a few, those of five minutes do not; one alone is possible."""
    p_values = np.array([1.0, 1e-9] + [1.0] * 30)
    hourly, dense = (
        abnormality(step_s * np.arange(32), np.zeros(32), p_values) for step_s in (3600.0, 300.0)
    )
    assert hourly[21] < 0.02 * hourly[2]
    assert dense[21] > 0.5 * dense[2]
    assert abnormality(np.zeros(1), np.zeros(1), np.array([0.5])) > 0
