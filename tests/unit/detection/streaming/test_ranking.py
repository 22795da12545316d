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
    """From the ninth sample on, with two at most, and what it carries on: five times its mean, four times itself."""
    noise[60] = 900.0
    scores = abnormality(times_of(noise), noise, p_values_of(noise))
    assert [0.0] * 8 == scores[:8].tolist()
    assert 60 == int(np.argmax(scores[:150]))
    assert 10.0 < scores[60] < 13.0


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


def test_an_unusual_shape_of_usual_values_is_told():
    """A day turned by half: no value of it is rare, and at no time of day is one alone impossible."""
    rng = np.random.default_rng(11)
    hours = np.arange(40 * 24)
    values = np.sin(hours * 2 * np.pi / 24) + 0.05 * rng.normal(size=len(hours))
    day = slice(30 * 24, 31 * 24)
    values[day] = values[day][::-1]
    ones = np.ones(len(hours))
    scores = abnormality(3600.0 * hours, values, ones)
    assert day.start <= int(np.argmax(scores)) < day.stop + 12
    assert scores[day].max() > 1.5 * np.quantile(scores[: day.start], 0.99)


def test_a_trouble_is_carried_on_for_hours_not_for_samples():
    """An hour weighs alike in hourly samples and in those of five minutes; one alone is possible."""
    p_values = np.array([1.0, 1e-9] + [1.0] * 30)
    hourly, dense = (
        abnormality(step_s * np.arange(32), np.zeros(32), p_values) for step_s in (3600.0, 300.0)
    )
    assert hourly[25] == pytest.approx(0.5 * 4.0 * 9.0, rel=0.01)
    assert dense[25] > 1.5 * hourly[25]
    assert abnormality(np.zeros(1), np.zeros(1), np.array([0.5])) > 0
