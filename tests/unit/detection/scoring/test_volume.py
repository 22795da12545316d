"""VUS-PR."""

import math

import numpy as np
import pytest

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
