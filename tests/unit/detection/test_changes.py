"""What was changed before a trouble stands with it, and decides only where evidence does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.detection.changes import (
    BEFORE_ONSET,
    KnownChanges,
    preceding_changes,
    preferring_changed,
)
from aiops_provider.detection.evidence import Row
from aiops_provider.detection.root_cause import rank_root_causes
from aiops_provider.domain.alarm import CauseKind
from aiops_provider.domain.change import Change
from aiops_provider.domain.kpi import SeriesKey

ONSET = datetime(2026, 11, 2, 14, tzinfo=UTC)


def row(bad, **attributes):
    return Row(
        series=SeriesKey("rows", tuple(sorted(attributes.items()))),
        observed_at=ONSET,
        attributes={**attributes, "kpi": "rows"},
        value=1.0,
        expected=100.0,
        alarm=str(attributes) if bad else None,
    )


def change(words, *, minutes=2.0, kind="deploy", **attributes):
    at = ONSET - timedelta(minutes=minutes)
    return Change(at=at, kind=kind, words=words, attributes=attributes)


def parted(rows):
    return [one for one in rows if one.alarm], [one for one in rows if not one.alarm]


def provider_down():
    """Six tasks each on two providers, all of one of them in alarm."""
    return parted(
        [
            row(cloud == "aws", dag="d", task=f"t{n}", provider=cloud, run_id=f"{cloud}{n}")
            for cloud in ("aws", "azure")
            for n in range(6)
        ]
    )


def alone_on_its_cluster(healthy_tasks=9):
    """One task in alarm that alone runs on its cluster: which of them it is nobody sees."""
    return parted(
        [
            *(row(True, dag="d", task="load", cluster="a", run_id=str(n)) for n in range(9)),
            *(
                row(False, dag="e", task=f"t{n}", cluster="b", run_id=str(n))
                for n in range(healthy_tasks)
            ),
        ]
    )


def preceding(changes, alarmed, healthy):
    return preceding_changes(changes, alarmed, healthy, onset=ONSET)


def preferring(changes, alarmed, healthy):
    ranked = rank_root_causes([r.attributes for r in alarmed], [r.attributes for r in healthy])
    return ranked, preferring_changed(
        ranked, preceding(changes, alarmed, healthy), alarmed, healthy
    )


def test_what_concerns_the_trouble_comes_before_what_is_closer():
    """A plan in force a second before concerns everything; aws was reconfigured half an hour before."""
    told = preceding(
        [
            change("plan 7 in force", minutes=0.1, kind="plan"),
            change("aws was reconfigured", minutes=30, provider="aws"),
        ],
        *provider_down(),
    )
    assert [("aws was reconfigured", True), ("plan 7 in force", False)] == [
        (one.change.words, one.concerns) for one in told
    ]
    assert "30 min before: aws was reconfigured" == str(told[0])


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"provider": "azure"}, []),  # only where all is well
        ({"dag": "another"}, []),  # nobody has heard of
        ({"dag": "d", "task": "t0"}, [False]),  # one of the six
        ({"dag": "d"}, [False]),  # as much what is healthy
        ({"provider": "aws", "region": "eu"}, []),  # nothing says that it is that region
    ],
)
def test_a_coincident_change_of_something_else_is_not_accused(attributes, told):
    """It came just before, but not to what is in alarm."""
    found = preceding([change("somebody did something", **attributes)], *provider_down())
    assert told == [one.concerns for one in found]


def test_at_most_three_are_told():
    """Of a busy hour the closest."""
    many = [change(f"t{n}", minutes=n, dag="d", task=f"t{n % 6}") for n in range(1, 30)]
    found = preceding(many, *provider_down())
    assert ["t1", "t2", "t3"] == [one.change.words for one in found]


def test_only_the_time_before_the_onset_counts():
    """What came after it cannot have caused it, and what was long ago would have shown before."""
    known = KnownChanges()
    hour = BEFORE_ONSET / timedelta(minutes=1)
    assert known.add([change("late", minutes=-1), change("old", minutes=hour + 1), change("now")])
    assert ["now"] == [one.words for one in known.before(ONSET)]
    assert not known.add([change("now")])
    known.forget(ONSET)
    assert [] == known.before(ONSET)


def test_new_code_tells_a_task_from_the_cluster_that_nobody_else_uses():
    """The same observations, two names: what was changed is told, no more sure, and the other stays."""
    alarmed, healthy = alone_on_its_cluster()
    new_code = change("new code", dag="d", task="load", code_hash="c0ffee")
    before, after = preferring([new_code], alarmed, healthy)
    assert {"cluster": "a"} == dict(before.best.cause)
    assert {"dag": "d", "task": "load"} == dict(after.best.cause)
    assert (CauseKind.TASK, before.best.confidence) == (after.best.kind, after.best.confidence)
    assert before.best in after.hypotheses


@pytest.mark.parametrize(
    "attributes",
    [{"dag": "e", "task": "t0"}, {"dag": "d", "task": "other"}, {"provider": "aws"}, {}],
)
def test_a_change_that_does_not_concern_it_leaves_the_ranking(attributes):
    """Evidence alone decides."""
    before, after = preferring([change("x", **attributes)], *alone_on_its_cluster())
    assert before == after


def test_a_change_is_never_preferred_to_better_evidence():
    """All of aws is in alarm; that most of it is of a DAG just deployed makes it no cause."""
    alarmed, healthy = parted(
        [
            row(
                cloud == "aws",
                dag="d" if n < 4 else "e",
                task=f"t{n}",
                provider=cloud,
                run_id=str(n),
            )
            for cloud in ("aws", "azure")
            for n in range(6)
        ]
    )
    healthy = [one for one in healthy if one.attributes["task"] != "t3"]
    deploy = change("d deployed", dag="d")
    before, after = preferring([deploy], alarmed, healthy)
    assert {"provider": "aws"} == dict(before.best.cause) == dict(after.best.cause)


def test_of_equal_evidence_what_was_changed_is_told_first():
    """Two further names explain as much as one another; the ranking by letters gives way."""
    alarmed, healthy = parted(
        [
            *(row(True, os="o", app="x", run_id=str(n)) for n in range(8)),
            row(True, os="p", app="x", run_id="8"),
            row(True, os="o", app="y", run_id="9"),
            *(row(False, os="q", app="z", run_id=f"h{n}") for n in range(10)),
        ]
    )
    before, after = preferring([change("os updated", os="o")], alarmed, healthy)
    assert [{"app": "x"}, {"os": "o"}] == [dict(one.cause) for one in before.hypotheses[:2]]
    assert [{"os": "o"}, {"app": "x"}] == [dict(one.cause) for one in after.hypotheses[:2]]
