"""The score of the Numenta Anomaly Benchmark."""

import numpy as np
import pytest

from aiops_provider.detection.scoring.nab import PROFILES, nab_points, nab_score, probation

STANDARD = PROFILES["standard"]
WINDOW = (500, 599)


def flags(*places: int) -> np.ndarray:
    found = np.zeros(1000, dtype=bool)
    found[list(places)] = True
    return found


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_nothing_detected_is_0_and_the_first_sample_of_every_window_is_100(profile):
    """The scale has the silent detector at 0 and the perfect one at 100."""
    silent = nab_points(flags(), [WINDOW], profile)
    perfect = nab_points(flags(500), [WINDOW], profile)
    assert (0.0, 100.0) == (nab_score(silent, 1, profile), nab_score(perfect, 1, profile))


def test_only_the_first_detection_in_a_window_counts():
    """More detections of the same anomaly are worth nothing more, a late one is worth less."""
    early, late = (nab_points(flags(place), [WINDOW], STANDARD) for place in (510, 590))
    assert early == nab_points(flags(510, 550, 590), [WINDOW], STANDARD)
    assert early > late > 0.0


def test_a_false_detection_costs_011_and_less_just_behind_a_window():
    """Before the first window and far behind one the full price is due."""
    far = [nab_points(flags(place), [WINDOW], STANDARD) + 1.0 for place in (300, 950)]
    near = nab_points(flags(605), [WINDOW], STANDARD) + 1.0
    assert pytest.approx([-0.11, -0.11]) == far
    assert -0.11 < near < 0.0


def test_detections_of_the_probation_are_ignored():
    """The first 15 % are the detector's to learn."""
    assert -1.0 == nab_points(flags(*range(probation(1000))), [WINDOW], STANDARD)


def test_a_missed_window_costs_double_where_misses_matter():
    """The third profile doubles the price of a miss, the second that of a false alarm."""
    assert -2.0 == nab_points(flags(), [WINDOW], PROFILES["low_fn"])
    assert pytest.approx(-1.22) == nab_points(flags(300), [WINDOW], PROFILES["low_fp"])


def test_published_points_of_a_file_are_reproduced():
    """
    A window of 206 rows detected at its 11th and a detection 50 rows behind its end.

    By the sigmoid of the NAB paper: (2/(1+e^(-5·196/206))-1)/(2/(1+e^-5)-1) for the one, and
    0.11·(2/(1+e^(5·50/205))-1) for the other.
    """
    found = nab_points(flags(410, 655), [(400, 605)], STANDARD)
    assert pytest.approx(0.99632 - 0.05982, abs=2e-4) == found
