"""What every store keeps to, on both databases: alarms, super-alarms, responses."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.domain.alarm import (
    Alarm,
    AlarmState,
    CauseKind,
    Hypothesis,
    Response,
    ResponseAction,
    RootCause,
    Severity,
    SimilarIncident,
    SuperAlarm,
)
from aiops_provider.domain.kpi import SeriesKey
from aiops_provider.domain.task import TaskKey
from aiops_provider.errors import DataError
from aiops_provider.store import Store

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def alarm(identifier: str = "a1", **more: object) -> Alarm:
    raised = Alarm(
        id=identifier,
        series=SeriesKey("row_count", (("dag", "medical"), ("task", "train"))),
        observed_at=NOW,
        value=0.0,
        expected=1e6,
        score=0.99,
        p_value=1e-9,
        attributes={"provider": "aws"},
    )
    return replace(raised, **more)  # type: ignore[arg-type]


def super_alarm(identifier: str = "s1", **more: object) -> SuperAlarm:
    hypothesis = Hypothesis(
        cause={"provider": "aws"},
        kind=CauseKind.CLUSTER,
        support=0.9,
        precision=0.8,
        lift=float("inf"),
        p_value=1e-4,
        confidence=0.9,
    )
    told = SuperAlarm(
        id=identifier,
        summary="all of it fails on aws",
        opened_at=NOW,
        severity=Severity.CRITICAL,
        alarms=("a1", "a2"),
        representative="a1",
        root_cause=RootCause(hypotheses=(hypothesis,)),
        updated_at=NOW,
    )
    return replace(told, **more)  # type: ignore[arg-type]


def response(identifier: str = "r1", **more: object) -> Response:
    quarantine = Response(
        id=identifier,
        super_alarm="s1",
        action=ResponseAction.QUARANTINE,
        reason="all of its tasks fail",
        starts_at=NOW,
        expires_at=NOW + HOUR,
        clusters=("eks",),
    )
    return replace(quarantine, **more)  # type: ignore[arg-type]


def test_likeness_remedy_and_note_round_trip(store: Store) -> None:
    """What is told beside the cause comes back as it was."""
    like = SimilarIncident(
        id="s0", similarity=0.75, opened_at=NOW - HOUR, closed_at=None, cause={"os": "ios"},
        closed_by="rolled back",
    )  # fmt: skip
    told = super_alarm("s1")
    best = replace(told.root_cause.best, remedy="roll back")
    told = replace(
        told, root_cause=RootCause(hypotheses=(best,)), similar=(like,), kpis=("rows",), note="seen"
    )
    store.save_super_alarms([told])
    assert told == store.super_alarm("s1")


class TestAlarms:
    def test_last_seen_first(self, store: Store) -> None:
        """Alarms are listed by when they were last seen deviating, else by when first."""
        early = alarm("early", observed_at=NOW - HOUR)
        still = alarm("still", observed_at=NOW - 2 * HOUR, last_seen_at=NOW + HOUR)
        store.save_alarms([early, alarm(), still])
        assert store.alarms() == [still, alarm(), early]
        assert store.alarms(limit=1) == [still]
        assert store.alarms(since=NOW) == [still, alarm()]

    def test_saved_again(self, store: Store) -> None:
        """An alarm that is saved again is replaced; there are never two of one id."""
        store.save_alarms([alarm()])
        seen_again = alarm(last_seen_at=NOW + HOUR, super_alarm="s1", state=AlarmState.RESOLVED)
        store.save_alarms([seen_again])
        assert store.alarms() == [seen_again]
        assert store.alarms(super_alarm="s1") == [seen_again]
        assert store.alarms(super_alarm="s2") == []

    def test_open_ones(self, store: Store) -> None:
        """An acknowledged alarm is still open; a resolved or false one is not."""
        store.save_alarms([alarm(state.value, state=state) for state in AlarmState])
        assert [item.id for item in store.alarms(open_only=True)] == ["acknowledged", "open"]

    @pytest.mark.parametrize(
        ("stored", "saved", "then"),
        [
            (AlarmState.OPEN, AlarmState.RESOLVED, AlarmState.RESOLVED),
            (AlarmState.RESOLVED, AlarmState.OPEN, AlarmState.OPEN),
            (AlarmState.ACKNOWLEDGED, AlarmState.OPEN, AlarmState.ACKNOWLEDGED),
            (AlarmState.ACKNOWLEDGED, AlarmState.RESOLVED, AlarmState.RESOLVED),
            (AlarmState.FALSE_POSITIVE, AlarmState.OPEN, AlarmState.FALSE_POSITIVE),
            (AlarmState.FALSE_POSITIVE, AlarmState.RESOLVED, AlarmState.FALSE_POSITIVE),
        ],
    )
    def test_a_stale_copy_does_not_undo_what_a_person_marked(
        self, store: Store, stored: AlarmState, saved: AlarmState, then: AlarmState
    ) -> None:
        """The detection saves its copy after somebody marked the alarm: the mark stays."""
        store.save_alarms([alarm(state=stored)])
        store.save_super_alarms([super_alarm(state=stored)])
        store.save_alarms([alarm(state=saved, reason="seen again")])
        store.save_super_alarms([super_alarm(state=saved, summary="grown")])
        assert store.alarms() == [alarm(state=then, reason="seen again")]
        assert store.super_alarms() == [super_alarm(state=then, summary="grown")]


class TestSuperAlarms:
    def test_newest_first_and_by_id(self, store: Store) -> None:
        """Super-alarms are listed by their onset and found by their id."""
        old = super_alarm("old", opened_at=NOW - HOUR, state=AlarmState.RESOLVED)
        store.save_super_alarms([old, super_alarm()])
        assert store.super_alarms() == [super_alarm(), old]
        assert store.super_alarms(open_only=True) == [super_alarm()]
        assert store.super_alarms(limit=1) == [super_alarm()]
        assert store.super_alarm("old") == old
        assert store.super_alarm("none") is None

    def test_show_their_response_as_it_is_now(self, store: Store) -> None:
        """A response that was released since is shown released, wherever it is shown."""
        store.save_super_alarms([super_alarm(response=response())])
        store.save_response(response())
        store.release_response("r1", NOW + HOUR / 2)
        shown = store.super_alarm("s1")
        assert shown is not None
        assert shown.response == response(released_at=NOW + HOUR / 2)


class TestResponses:
    def test_those_that_are_active(self, store: Store) -> None:
        """Routers get what is neither lapsed, released, dry nor yet to come; as the domain says."""
        all_of_them = [
            response("active"),
            response("dry", dry_run=True),
            response("later", starts_at=NOW + HOUR, expires_at=NOW + 2 * HOUR),
            response("lapsed", starts_at=NOW - HOUR, expires_at=NOW),
            response("released", released_at=NOW),
            response("hold", action=ResponseAction.HOLD_TASK, task=TaskKey("a", "b"), clusters=()),
        ]
        for item in all_of_them:
            store.save_response(item)
        expected = {item.id for item in all_of_them if item.active(NOW)}
        assert expected == {"active", "hold"}
        assert {item.id for item in store.responses(active_at=NOW)} == expected
        assert {item.id for item in store.responses()} == {item.id for item in all_of_them}
        assert [item.id for item in store.responses(limit=1)] == ["later"]

    def test_what_was_released_stays_released(self, store: Store) -> None:
        """The detection saves its copy after somebody released the response: it stays released."""
        store.save_response(response())
        store.release_response("r1", NOW + HOUR / 2)
        store.save_response(response(reason="still failing"))
        assert store.responses() == [response(reason="still failing", released_at=NOW + HOUR / 2)]
        assert store.responses(active_at=NOW + HOUR / 2) == []

    def test_an_unknown_one_cannot_be_released(self, store: Store) -> None:
        """The error names the id that is not there."""
        with pytest.raises(DataError, match=r"id: there is no such response .got 'r9'"):
            store.release_response("r9", NOW)


def test_purge_keeps_what_is_open(store: Store) -> None:
    """Closed alarms and super-alarms of long ago go; open ones stay whatever their age."""
    old = NOW - 1000 * HOUR
    store.save_alarms(
        [
            alarm("open", observed_at=old),
            alarm("closed", observed_at=old, state=AlarmState.RESOLVED),
            alarm("recent", state=AlarmState.RESOLVED),
        ]
    )
    store.save_super_alarms(
        [
            super_alarm("open", updated_at=old),
            super_alarm("closed", updated_at=old, state=AlarmState.FALSE_POSITIVE),
        ]
    )
    counts = store.purge(before=NOW - HOUR)
    assert (counts["alarms"], counts["super_alarms"]) == (1, 1)
    assert {item.id for item in store.alarms()} == {"open", "recent"}
    assert [item.id for item in store.super_alarms()] == ["open"]
