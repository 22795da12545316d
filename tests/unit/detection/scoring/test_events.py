"""Event-F1 and false alarms per series-week."""

import math

import numpy as np

from aiops_provider.detection.scoring.events import EventCounts, count_events

HOUR_S = 3600.0


def count(places: list[int], **more) -> EventCounts:
    detected = np.zeros(336, dtype=bool)
    detected[places] = True
    return count_events(detected, [(100, 109)], begin=0, cadence_s=HOUR_S, **more)


def test_neighbouring_detections_are_one_alarm():
    """A plateau pages once."""
    found = count([10, 11, 12, 104, 105])
    assert (2, 1, 1) == (found.alarms, found.false_alarms, found.found)


def test_false_alarms_are_counted_per_week_of_one_series():
    """Two false alarms in two weeks are one a week."""
    assert 1.0 == count([10, 200]).false_alarms_per_series_week


def test_an_anomaly_found_too_late_is_not_found_but_no_false_alarm_either():
    """The allowed delay counts from the begin of the anomaly."""
    found = count([108], delay=7)
    assert (0, 0) == (found.found, found.false_alarms)


def test_f1_of_nothing_found_is_0_and_of_nothing_to_find_is_unknown():
    """A detector without hits is bad; one without anomalies to find cannot be judged."""
    assert 0.0 == count([]).f1
    assert math.isnan(EventCounts().f1)
