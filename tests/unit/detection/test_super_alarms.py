"""The life of super-alarms."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from aiops_provider.detection.evidence import Row
from aiops_provider.detection.fold import Fold
from aiops_provider.detection.super_alarms import SuperAlarms
from aiops_provider.domain.alarm import AlarmState, CauseKind, Severity


@pytest.fixture
def group(root_cause):
    """A group of these alarms with that cause."""

    def make(*alarms, cause=None):
        rows = tuple(
            Row(
                series=one.series,
                observed_at=one.observed_at,
                attributes=one.attributes,
                value=one.value,
                expected=one.expected,
                alarm=one.id,
            )
            for one in alarms
        )
        kind = CauseKind.CLUSTER if cause else CauseKind.UNKNOWN
        return Fold(rows=rows, root_cause=root_cause(cause or {}, kind))

    return make


def update(told, groups, alarms, now):
    told.update(groups, {one.id: one for one in alarms}, now)
    return told.take_changes()


def test_it_grows_under_one_id(group, alarm, start):
    """More alarms of the same trouble are the same super-alarm."""
    told = SuperAlarms()
    a, b = alarm("a", task="t", cluster="x"), alarm("b", minutes=1, task="u", cluster="y")
    (first,) = update(told, [group(a)], [a], start)
    (grown,) = update(told, [group(a, b, cause={"provider": "aws"})], [a, b], start)

    assert first.id == grown.id
    assert (("a",), ("a", "b")) == (first.alarms, grown.alarms)
    assert {"provider": "aws"} == grown.root_cause.best.cause
    assert "1 DAG" not in grown.impact
    assert "2 tasks, 2 clusters" == grown.impact


def test_the_same_cause_is_the_same_super_alarm(group, alarm, start):
    """Other alarms of a cause that is known already belong to it."""
    told = SuperAlarms()
    a, b = alarm("a"), alarm("b", minutes=60)
    (first,) = update(told, [group(a, cause={"cluster": "x"})], [a], start)
    (grown,) = update(told, [group(b, cause={"cluster": "x"})], [a, b], start)

    assert (first.id, ("a", "b")) == (grown.id, grown.alarms)


def test_two_that_turn_out_to_be_one_become_one(group, alarm, start):
    """The older keeps its id, the younger is resolved and says where it went."""
    told = SuperAlarms()
    a, b, c = alarm("a"), alarm("b", minutes=1), alarm("c", minutes=2)
    update(told, [group(a, c), group(b)], [a, b, c], start)
    changed = {one.state: one for one in update(told, [group(a, b, c)], [a, b, c], start)}

    assert ("a", "b", "c") == changed[AlarmState.OPEN].alarms
    assert changed[AlarmState.OPEN].id in changed[AlarmState.RESOLVED].summary
    assert 1 == len(told.open_ones)


def test_one_that_turns_out_to_be_two_is_parted(group, alarm, start):
    """The larger part keeps the id, the other gets one of its own."""
    told = SuperAlarms()
    alarms = [alarm(id_, minutes=n) for n, id_ in enumerate("abc")]
    (first,) = update(told, [group(*alarms)], alarms, start)
    parts = [group(alarms[0], cause={"task": "t"}), group(*alarms[1:], cause={"cluster": "x"})]
    update(told, parts, alarms, start)

    by_id = {key: one.alarms for key, one in told.open_ones.items()}
    assert ("b", "c") == by_id.pop(first.id)
    assert [("a",)] == list(by_id.values())
    assert told.holder_of("a") != told.holder_of("b")


def test_it_is_resolved_when_all_members_are(group, alarm, start):
    """Members stay members after they have cleared."""
    told = SuperAlarms()
    a, b = alarm("a"), alarm("b", severity=Severity.CRITICAL)
    update(told, [group(a, b)], [a, b], start)
    a = replace(a, state=AlarmState.RESOLVED)
    update(told, [], [a, b], start)
    assert 1 == len(told.open_ones)

    later = start + timedelta(hours=6)
    (closed,) = update(told, [], [replace(b, state=AlarmState.RESOLVED)], later)
    assert (AlarmState.RESOLVED, later, ("a", "b")) == (
        closed.state,
        closed.closed_at,
        closed.alarms,
    )
    assert Severity.CRITICAL is closed.severity
    assert {} == told.open_ones


def test_nothing_new_is_no_change(group, alarm, start):
    """What stays as it is is not written again."""
    told = SuperAlarms()
    a = alarm("a")
    fold = group(a)
    update(told, [fold], [a], start)

    assert [] == update(told, [fold], [a], start + timedelta(minutes=1))


def test_the_name_is_the_same_in_every_process(group, alarm, start):
    """It comes from the first alarm."""
    names = set()
    for _ in range(2):
        (one,) = update(SuperAlarms(), [group(alarm("a"))], [alarm("a")], start)
        names.add(one.id)

    assert 1 == len(names)


def test_a_restored_one_goes_on(group, alarm, start):
    """After a restart it grows under its id."""
    a, b = alarm("a", cluster="x"), alarm("b", minutes=1)
    (one,) = update(SuperAlarms(), [group(a)], [a], start)
    told = SuperAlarms()
    told.restore(one, [a])
    (grown,) = update(told, [group(a, b)], [a, b], start)

    assert (one.id, ("a", "b")) == (grown.id, grown.alarms)
    assert {"x"} == told.clusters(one.id)


def test_the_most_surprising_alarm_represents_it(group, alarm, start):
    """And what all share is told."""
    a, b = alarm("a", dag="d", task="t"), alarm("b", dag="d", task="u", p_value=1e-30)
    (one,) = update(SuperAlarms(), [group(a, b)], [a, b], start)

    assert "b" == one.representative
    assert {"dag": "d", "kpi": "rows"} == one.attributes


def test_two_that_come_to_name_the_same_cause_are_one(group, alarm, start):
    """The older keeps its id; the younger ends as part of it."""
    told = SuperAlarms()
    aws, north = {"provider": "aws"}, {"region": "north"}
    a, b = alarm("a", task="x"), alarm("b", task="y", minutes=1)
    first = update(told, [group(a, cause=aws), group(b, cause=north)], [a, b], start)
    older = next(one for one in first if one.root_cause.best.cause == aws)
    update(told, [group(a, cause=aws), group(b, cause=aws)], [a, b], start)
    (left,) = told.open_ones.values()
    assert (older.id, {"a", "b"}) == (left.id, set(left.alarms))


def test_a_faster_one_does_not_take_the_name_of_another(group, alarm, start):
    """A version that spoils many alarms, among them some of a task's, is told beside the task."""
    told = SuperAlarms()
    a, b, c, d = (alarm(name, minutes=n) for n, name in enumerate("abcd"))
    (task,) = update(told, [group(a, b, cause={"task": "t"})], [a, b], start)
    folds = [group(b, c, d, cause={"version": "2"}), group(a, cause={"task": "t"})]
    update(told, folds, [a, b, c, d], start)
    causes = {key: dict(one.root_cause.best.cause) for key, one in told.open_ones.items()}

    assert {"task": "t"} == causes.pop(task.id)
    assert [{"version": "2"}] == list(causes.values())
