"""What was seen lately, alarmed and healthy."""

from __future__ import annotations

from datetime import timedelta

from aiops_provider.detection.evidence import Evidence

HOUR = timedelta(hours=1)


def add(evidence, sample, alarm=None):
    return evidence.add(sample, expected=1.0, alarm=alarm)


def test_the_same_series_at_two_places_is_two_rows(sample, start):
    """Healthy here and in alarm there: both are evidence."""
    evidence = Evidence(HOUR)
    add(evidence, sample(1.0, task="t", cluster="a"), "x")
    add(evidence, sample(1.0, task="t", cluster="b"))
    rows = evidence.alarmed({"x"})

    assert ["a"] == [row.attributes["cluster"] for row in rows]
    assert ["b"] == [row.attributes["cluster"] for row in evidence.healthy(rows, onset=start)]


def test_recovery_does_not_wipe_out_the_incident(sample, start):
    """While an incident clears, its cause must not seem to wander."""
    evidence = Evidence(HOUR)
    add(evidence, sample(1.0, task="t", cluster="a"), "x")
    add(evidence, sample(1.0, task="t", cluster="a", hours=0.5))
    rows = evidence.alarmed({"x"})

    assert 1 == len(rows)
    assert [] == evidence.healthy(rows, onset=start)


def test_what_was_healthy_long_before_says_nothing(sample, start):
    """Unless it was in the very run of which others alarmed."""
    evidence = Evidence(HOUR)
    add(evidence, sample(1.0, task="old", hours=-0.5, run_id="yesterday"))
    add(evidence, sample(1.0, task="first", hours=-0.4, run_id="today"))
    add(evidence, sample(1.0, task="t", run_id="today"), "x")
    healthy = evidence.healthy(evidence.alarmed({"x"}), onset=start)

    assert ["first"] == [row.attributes["task"] for row in healthy]


def test_a_run_that_ended_just_before_is_no_part_of_the_trouble(sample, start):
    """The lead is for rows that name no run: of those nobody can tell what they belong to."""
    evidence = Evidence(HOUR)
    add(evidence, sample(1.0, task="before", hours=-0.1, run_id="healthy"))
    add(evidence, sample(1.0, task="at once", hours=-0.1))
    add(evidence, sample(1.0, task="t", run_id="bad"), "x")
    healthy = evidence.healthy(evidence.alarmed({"x"}), onset=start, lead=HOUR / 5)

    assert ["at once"] == [row.attributes["task"] for row in healthy]


def test_an_execution_that_other_alarms_hold_is_not_healthy(sample, start):
    """One KPI of it may be normal, and it is in trouble all the same."""
    evidence = Evidence(HOUR)
    sick = {"task": "u", "cluster": "a", "run_id": "r"}
    add(evidence, sample(1.0, name="task_failed", **sick))
    add(evidence, sample(1.0, name="row_count", **sick), "older")
    add(evidence, sample(1.0, name="task_failed", task="v", cluster="b", run_id="r"))
    add(evidence, sample(1.0, name="task_failed", task="t", cluster="a", run_id="r"))
    add(evidence, sample(1.0, name="row_count", task="t", cluster="a", run_id="r"), "x")
    healthy = evidence.healthy(evidence.alarmed({"x"}), onset=start)

    assert ["v", "t"] == [row.attributes["task"] for row in healthy]


def test_only_what_alarms_anew_is_news(sample):
    """The first sample of an alarm at a place is, further ones and healthy ones are not."""
    evidence = Evidence(HOUR)
    told = [
        add(evidence, sample(1.0, cluster="a"), "x"),
        add(evidence, sample(1.0, cluster="a", hours=1), "x"),
        add(evidence, sample(1.0, cluster="b", hours=1), "x"),
        add(evidence, sample(1.0, cluster="c", hours=1)),
    ]

    assert [True, False, True, False] == told


def test_tries_at_one_place_are_counted(sample, start):
    """During one alarm, and of healthy ones in one run: a new run begins anew."""
    evidence = Evidence(HOUR)
    for hours in (0, 0.1, 0.2):
        add(evidence, sample(1.0, task="t", cluster="a", hours=hours, run_id="r"), "x")
    for hours, run in ((0, "q"), (0.1, "r"), (0.2, "r")):
        add(evidence, sample(1.0, task="u", cluster="a", hours=hours, run_id=run))
    rows = evidence.alarmed({"x"})

    assert [(start, 3)] == [(row.observed_at, row.times) for row in rows]
    assert [2] == [row.times for row in evidence.healthy(rows, onset=start)]


def test_memory_is_bounded(sample, start):
    """Healthy rows are forgotten with time, alarmed ones with their alarm."""
    evidence = Evidence(HOUR)
    add(evidence, sample(1.0, task="t"), "x")
    add(evidence, sample(1.0, task="u"))
    evidence.forget(start + HOUR, alarms={"x"})
    assert 1 == len(evidence.healthy([], onset=start))

    evidence.forget(start + 2 * HOUR, alarms=set())
    assert ([], []) == (evidence.healthy([], onset=start), evidence.alarmed({"x"}))


def test_fresh_alarms_are_found_by_their_cause(sample, start):
    """A held alarm counts when it was last seen, not when it began."""
    evidence = Evidence(HOUR)
    add(evidence, sample(1.0, provider="aws"), "x")
    add(evidence, sample(1.0, provider="aws", hours=2), "x")

    assert evidence.alarmed_since({"provider": "aws"}, start + HOUR)
    assert not evidence.alarmed_since({"provider": "azure"}, start)
    assert not evidence.alarmed_since({"provider": "aws"}, start + 2 * HOUR)
