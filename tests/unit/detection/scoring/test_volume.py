"""VUS-PR."""

import math

import numpy as np
import pytest

from aiops_provider.detection.scoring import volume
from aiops_provider.detection.scoring.volume import vus_pr

LABELS = np.zeros(2000)
LABELS[500:540] = LABELS[1500:1540] = 1.0
WINDOWS = [(500, 539), (1500, 1539)]


def test_the_labels_themselves_score_far_above_noise():
    """A score equal to the labels is near the top, noise near the share of anomalies."""
    noise = np.random.default_rng(0).random(2000)
    assert vus_pr(LABELS, WINDOWS) > 0.8
    assert vus_pr(noise, WINDOWS) < 0.12


def test_a_shifted_score_is_worth_less_than_an_aligned_one_and_more_than_none():
    """The slopes forgive a small shift."""
    shifted = np.roll(LABELS, 15)
    assert (
        vus_pr(LABELS, WINDOWS) > vus_pr(shifted, WINDOWS) > vus_pr(np.roll(LABELS, 200), WINDOWS)
    )


def test_only_the_order_of_scores_matters():
    """No threshold: a monotone map changes nothing."""
    scores = np.random.default_rng(1).random(2000) + LABELS
    assert pytest.approx(vus_pr(scores, WINDOWS)) == vus_pr(np.exp(3 * scores), WINDOWS)


def test_a_constant_score_is_worth_the_share_of_anomalies():
    """Equal scores pass together, whatever their order in the array."""
    assert vus_pr(np.ones(2000), WINDOWS) < 0.06


def test_without_anomalies_there_is_no_score():
    """Nothing to find."""
    assert math.isnan(vus_pr(LABELS, []))


@pytest.mark.parametrize(
    ("seed", "buffer", "published"),
    [
        (0, 8, 0.725944910716878),
        (0, 16, 0.7342893921407723),
        (1, 8, 0.7600545735099811),
        (1, 16, 0.7730662227363154),
        (2, 8, 0.7628186243085006),
        (2, 16, 0.769231467415905),
    ],
)
def test_it_is_what_the_authors_of_the_measure_compute(seed, buffer, published, monkeypatch):
    """
    Figures of the package vus 0.0.6, ``RangeAUC_volume_opt`` with 250 thresholds.

    It takes every width, so ours does here. Two anomalies lie so close that their slopes add up; one
    series has many equal scores.
    """
    windows = [(50, 69), (75, 79), (300, 359)]
    rng = np.random.default_rng(seed)
    labels = np.zeros(400)
    for first, last in windows:
        labels[first : last + 1] = 1.0
    scores = rng.random(400) + 0.5 * labels
    scores = np.round(scores, 1) if seed == 2 else scores
    monkeypatch.setattr(volume, "_WIDTHS", buffer)
    assert pytest.approx(published, abs=1e-12) == vus_pr(scores, windows, buffer=buffer)
    monkeypatch.undo()
    assert pytest.approx(published, abs=0.01) == vus_pr(scores, windows, buffer=buffer)
