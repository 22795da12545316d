"""The life of super-alarms."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from aiops_provider.detection.evidence import Row
from aiops_provider.detection.fold import Fold
from aiops_provider.detection.super_alarms import SuperAlarms
from aiops_provider.domain.alarm import (
    AlarmState,
    CauseKind,
    Response,
    ResponseAction,
    Severity,
)


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


def test_it_is_growing_while_alarms_are_added(group, alarm, start):
    """Not when it opens, and not a period after the last one."""
    told = SuperAlarms(timedelta(minutes=1))
    a, b = alarm("a"), alarm("b", minutes=1)
    (opened,) = update(told, [group(a)], [a], start)
    (grown,) = update(told, [group(a, b)], [a, b], start + timedelta(minutes=1))
    assert ("open", "growing") == (opened.phase, grown.phase)
    assert "acknowledged" == replace(grown, state=AlarmState.ACKNOWLEDGED).phase

    told.settle(start + timedelta(seconds=90))
    assert [] == told.take_changes()
    told.settle(start + timedelta(minutes=2))
    assert ["open"] == [one.phase for one in told.take_changes()]


def over(told, group, one, at, cause):
    """Open a super-alarm of one alarm, and see it resolved."""
    update(told, [group(one, cause=cause)], [one], at)
    ended = replace(one, state=AlarmState.RESOLVED)
    (closed,) = update(told, [], [ended], at + timedelta(minutes=5))
    assert AlarmState.RESOLVED is closed.state
    return closed


@pytest.mark.parametrize(
    ("minutes", "series", "cause", "same"),
    [
        (60, "a", "x", True),
        (66, "a", "x", False),
        (60, "other", "x", False),
        (60, "a", "y", False),
    ],
)
@pytest.mark.parametrize("restarted", [False, True])
def test_what_comes_back_within_an_hour_is_the_same(
    group, alarm, start, minutes, series, cause, same, restarted
):
    """Of the same cause and on a series that it had; a new process knows it as well."""
    told = SuperAlarms()
    a = alarm("a")
    closed = over(told, group, a, start, {"cluster": "x"})
    if restarted:
        told = SuperAlarms()
        told.restore(closed, [replace(a, state=AlarmState.RESOLVED)])
        told.recall([closed])
    back = replace(alarm("b", minutes=minutes), series=alarm(series).series)
    back = back if series == "a" else alarm("c", minutes=minutes, task="other")

    found = update(told, [group(back, cause={"cluster": cause})], [back], back.observed_at)
    (now_open,) = [one for one in found if one.state is AlarmState.OPEN]
    assert same is (now_open.id == closed.id)
    assert ("reopened" if same else "open", int(same)) == (now_open.phase, now_open.reopened)
    if same:
        assert (None, ("a", "b")) == (now_open.closed_at, now_open.alarms)
        assert () == now_open.similar


def test_what_a_person_called_false_is_not_reopened(group, alarm, start):
    """It would be told again under a name that is settled."""
    told = SuperAlarms()
    a, b = alarm("a"), alarm("b", minutes=10)
    (false,) = update(told, [group(a, cause={"cluster": "x"})], [a], start)
    told.forget(false.id)
    (new,) = update(told, [group(b, cause={"cluster": "x"})], [b], start + timedelta(minutes=10))
    assert (0, True) == (new.reopened, new.id != false.id)


@pytest.mark.parametrize(
    ("action", "released", "kept"),
    [
        (ResponseAction.QUARANTINE, None, True),
        (ResponseAction.HOLD_TASK, None, False),
        (ResponseAction.HOLD_TASK, 5, False),
        (ResponseAction.HOLD_TASK, 2, True),
    ],
)
def test_what_ended_with_it_is_decided_anew(group, alarm, start, action, released, kept):
    """A hold that was lifted at the end, unless a person had lifted it before."""
    told = SuperAlarms()
    closed = over(told, group, alarm("a"), start, {"cluster": "x"})
    response = Response(
        id="response-1",
        super_alarm=closed.id,
        action=action,
        reason="",
        starts_at=start,
        expires_at=start + timedelta(hours=1),
        released_at=None if released is None else start + timedelta(minutes=released),
    )
    told.recall([replace(closed, response=response)])
    b = replace(alarm("b", minutes=9), series=alarm("a").series)
    (back,) = update(told, [group(b, cause={"cluster": "x"})], [b], b.observed_at)
    assert (response if kept else None) == back.response
