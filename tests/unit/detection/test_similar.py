"""What looked alike before, and what helped."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from aiops_provider.detection.similar import similar_incidents, similarity, with_remedy
from aiops_provider.domain.alarm import (
    AlarmState,
    CauseKind,
    Response,
    ResponseAction,
    Severity,
    SuperAlarm,
)


@pytest.fixture
def earlier(root_cause, start):
    """``earlier("super-1", {"provider": "aws"}, days=3)``: over, after a quarantine."""

    def make(name, cause, *, days=1.0, kpis=("rows",), size=10, note="", quarantine=True):
        at = start - timedelta(days=days)
        response = Response(
            id=f"response-{name}", super_alarm=name, action=ResponseAction.QUARANTINE, reason="",
            starts_at=at, expires_at=at + timedelta(hours=1), clusters=("eks",),
        )  # fmt: skip
        return SuperAlarm(
            id=name, summary="", opened_at=at, severity=Severity.WARNING,
            alarms=tuple(map(str, range(size))), representative="0",
            root_cause=root_cause(cause, CauseKind.CLUSTER), updated_at=at,
            response=response if quarantine else None, state=AlarmState.RESOLVED,
            closed_at=at + timedelta(minutes=20), kpis=kpis, note=note,
        )  # fmt: skip

    return make


AWS = {"provider": "aws"}


def test_the_same_again_is_wholly_alike(earlier):
    """Cause, KPIs and size alike: one; a different cause of other KPIs: next to nothing."""
    one = earlier("a", AWS)

    assert 1.0 == pytest.approx(similarity(AWS, ["rows"], 10, one))
    assert similarity({"os": "ios"}, ["latency"], 10, one) < 0.2
    assert 0.0 == similarity({}, [], 0, replace(one, alarms=()))


def test_another_value_of_the_same_dimension_is_half_alike(earlier):
    """Another provider, or the same one in part, counts between the two."""
    one = earlier("a", AWS)
    same, other = (
        similarity(AWS, ["rows"], 10, one),
        similarity({"provider": "gcp"}, ["rows"], 10, one),
    )
    part = similarity({**AWS, "version": "2"}, ["rows"], 10, one)

    assert other == part == pytest.approx(same - 0.25)


def test_the_likest_three_are_told_with_how_they_ended(earlier):
    """The newest of those that are as alike first; none that is not alike."""
    past = [
        earlier(f"s{n}", AWS, days=n + 1, note="disk was full" if n == 1 else "") for n in range(5)
    ]
    past.append(earlier("other", {"os": "ios"}, kpis=("latency",)))
    found = similar_incidents(AWS, ["rows"], 10, past)

    assert ["s0", "s1", "s2"] == [one.id for one in found]
    assert ["quarantine of eks", "disk was full; quarantine of eks", "quarantine of eks"] == [
        one.closed_by for one in found
    ]
    assert () == similar_incidents({"os": "web"}, ["cost"], 10, past)


def test_a_rule_knows_best_what_helps(earlier, root_cause, alarm):
    """What the rules say of most of the alarms that a hypothesis explains."""
    best = root_cause(AWS, CauseKind.CLUSTER).best
    members = [
        replace(alarm(f"a{n}", provider="aws"), remedy="Check the source." if n else "Other.")
        for n in range(3)
    ]
    members.append(replace(alarm("b", provider="gcp"), remedy="Nothing of it."))

    assert "Check the source." == with_remedy(best, members, [earlier("s", AWS)]).remedy


def test_without_a_rule_what_helped_before_helps(earlier, root_cause, alarm):
    """The note and response of the likest incident of that cause; nothing where none is known."""
    best = root_cause(AWS, CauseKind.CLUSTER).best
    members = [alarm("a", provider="aws")]
    past = [
        earlier("s1", AWS, days=9, note="quota raised"),
        earlier("s2", AWS, days=2, quarantine=False),
        earlier("s3", {"provider": "gcp"}, note="not this"),
    ]
    told = with_remedy(best, members, past).remedy

    assert "As in s1 (2026-10-24): quota raised; quarantine of eks" == told
    assert "" == with_remedy(best, members, past[1:]).remedy
    unknown = root_cause({}, CauseKind.UNKNOWN).best
    assert "" == with_remedy(unknown, members, past).remedy


def test_a_dry_run_helped_nobody_and_a_false_alarm_says_so(earlier):
    """What was only recorded is not told as what was done."""
    one = earlier("s", AWS)
    dry = replace(one, response=replace(one.response, dry_run=True))
    false = replace(one, state=AlarmState.FALSE_POSITIVE)

    assert ["", "marked a false positive"] == [
        similar_incidents(AWS, ["rows"], 10, [each])[0].closed_by for each in (dry, false)
    ]
