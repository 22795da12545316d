"""Alarms that may belong together."""

from __future__ import annotations

from datetime import timedelta

from aiops_provider.detection.alarm_clusters import cluster_alarms, onset_of

GAP = timedelta(minutes=15)


def ids(clusters):
    return [[one.id for one in cluster] for cluster in clusters]


def test_onsets_far_apart_are_not_of_one_incident(alarm):
    """A chain of onsets ends where the gap is longer than allowed."""
    alarms = [alarm(str(m), minutes=m, dag="d") for m in (0, 14, 28, 44)]

    assert [["0", "14", "28"], ["44"]] == ids(cluster_alarms(alarms, gap=GAP))


def test_alarms_without_anything_in_common_are_apart(alarm):
    """Nothing shared, nothing to explain together; shared through a third is shared."""
    apart = [alarm("a", "x", cluster="a"), alarm("b", "y", cluster="b", minutes=1)]
    bridge = alarm("c", "z", cluster="a", region="r", minutes=2)
    far = alarm("d", "w", region="r", minutes=3)

    assert [["a"], ["b"]] == ids(cluster_alarms(apart, gap=GAP))
    assert [["a", "c", "d"], ["b"]] == ids(cluster_alarms([*apart, bridge, far], gap=GAP))


def test_the_run_alone_is_nothing_in_common(alarm):
    """That two alarms are of one run does not make them of one cause."""
    alarms = [alarm("a", "x", task="t", run_id="r"), alarm("b", "y", task="u", run_id="r")]

    assert [["a"], ["b"]] == ids(cluster_alarms(alarms, gap=GAP))


def test_an_early_false_alarm_is_not_the_onset(alarm, start):
    """One alarm of twenty may be wrong about the time."""
    alarms = [alarm("0"), *(alarm(str(n), minutes=10 + n / 60) for n in range(1, 20))]

    assert onset_of(alarms) > start + timedelta(minutes=10)
    assert start == onset_of(alarms[:1])
