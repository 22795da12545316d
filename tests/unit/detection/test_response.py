"""What is done about a super-alarm."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from aiops_provider.detection.response import ResponsePolicy, decide_response, renewed
from aiops_provider.domain.alarm import CauseKind, ResponseAction, Severity, SuperAlarm
from aiops_provider.domain.task import TaskKey
from aiops_provider.testing.incidents import clusters

HOUR = timedelta(hours=1)
AWS = ("aws-sa-east-1", "aws-us-east-1")


@pytest.fixture
def decide(alarm, root_cause, start):
    """Decide about a super-alarm with that cause."""

    def make(
        cause, kind, *, tasks=3, seen=4, at=None, dry_run=False, unavailable=None, hold_data_of=(),
        kpi="rows", **odds,
    ):  # fmt: skip
        members = [
            replace(
                alarm(str(n), kpi, task=f"t{n}", dag="d"), hold_downstream=f"t{n}" in hold_data_of
            )
            for n in range(tasks)
        ]
        super_alarm = SuperAlarm(
            id="super-1",
            summary="",
            opened_at=start,
            severity=Severity.WARNING,
            alarms=("a",),
            representative="a",
            root_cause=root_cause(cause, kind, **odds),
            updated_at=start,
            attributes={"dag": "d"},
        )
        policy = ResponsePolicy(
            clusters=clusters(),
            lasts=HOUR,
            hold_after_clusters=3,
            unavailable=unavailable or {},
            dry_run=dry_run,
        )
        names = frozenset(spec.name for spec in clusters()[:seen])
        return decide_response(
            super_alarm, policy, members=members, alarmed_on=names, now=at or start
        )

    return make


def test_every_cluster_of_the_cause_is_quarantined(decide, start):
    """The provider's two clusters, for an hour."""
    response = decide({"provider": "aws"}, CauseKind.CLUSTER)

    assert (ResponseAction.QUARANTINE, AWS) == (response.action, response.clusters)
    assert (start, start + HOUR) == (response.starts_at, response.expires_at)
    assert "provider aws is at fault" in response.reason


def test_a_conjunction_with_a_place_is_avoided_there(decide):
    """Bad data of one provider are avoided by running elsewhere."""
    response = decide({"provider": "aws", "feature": "age"}, CauseKind.CLUSTER)

    assert AWS == response.clusters


@pytest.mark.parametrize(
    ("odds", "why"),
    [
        ({"p_value": 0.02}, "chance is not excluded"),
        ({"confidence": 0.4}, "confidence 0.40 only"),
        ({"tasks": 1}, "Only one task"),
        (
            {"unavailable": {"onprem": "quarantined", "azure-westeurope": "unreachable"}},
            "no cluster",
        ),
    ],
)
def test_weak_evidence_quarantines_nothing(decide, odds, why):
    """And the reason says what is missing; the last cluster is never taken."""
    response = decide({"provider": "aws"}, CauseKind.CLUSTER, **odds)

    assert (ResponseAction.NOTHING, ()) == (response.action, response.clusters)
    assert why in response.reason


def test_a_cluster_that_nobody_configured_is_not_quarantined(decide):
    """A name in a KPI is not a cluster."""
    assert "No configured cluster" in decide({"cluster": "gone"}, CauseKind.CLUSTER).reason
    assert "No configured cluster" in decide({"host": "h1"}, CauseKind.CLUSTER).reason


def test_a_task_at_fault_everywhere_is_held(decide):
    """On three clusters alike; the task is named with its DAG."""
    response = decide({"task": "train"}, CauseKind.TASK)

    assert (ResponseAction.HOLD_TASK, TaskKey("d", "train")) == (response.action, response.task)


@pytest.mark.parametrize(
    ("cause", "kind", "more", "why"),
    [
        ({"task": "train"}, CauseKind.TASK, {"seen": 2}, "3 are needed"),
        ({"dag": "d"}, CauseKind.TASK, {}, "no single task"),
        ({"feature": "age"}, CauseKind.DATA, {}, "would not mend"),
        ({}, CauseKind.UNKNOWN, {}, "unknown"),
    ],
)
def test_elsewise_nothing_is_done_and_why(decide, cause, kind, more, why):
    """A dozen reasons to leave things alone, each told."""
    response = decide(cause, kind, **more)

    assert ResponseAction.NOTHING is response.action
    assert why in response.reason


def test_a_dry_run_is_only_recorded(decide, start):
    """It is decided, and never active."""
    response = decide({"provider": "aws"}, CauseKind.CLUSTER, dry_run=True)

    assert ResponseAction.QUARANTINE is response.action
    assert not response.active(start)


def test_a_decision_that_still_holds_is_kept(decide, start):
    """The same again, or weaker evidence, changes nothing; more clusters extend it."""
    narrow = decide({"cluster": AWS[0]}, CauseKind.CLUSTER)
    again = decide({"cluster": AWS[0]}, CauseKind.CLUSTER, at=start + HOUR / 2)
    weaker = decide({}, CauseKind.UNKNOWN, at=start + HOUR / 2)
    wider = renewed(narrow, decide({"provider": "aws"}, CauseKind.CLUSTER), fresh=False)

    assert narrow == renewed(narrow, again, fresh=True) == renewed(narrow, weaker, fresh=True)
    assert (narrow.id, narrow.starts_at, AWS) == (wider.id, wider.starts_at, wider.clusters)


def test_what_failed_its_probe_is_kept_and_not_widened_by_the_same_evidence(decide, start):
    """Of the provider's clusters one works again; only new evidence takes it out anew."""
    both = decide({"provider": "aws"}, CauseKind.CLUSTER)
    kept = replace(both, clusters=AWS[:1], renewals=1, expires_at=start + 2 * HOUR)

    meanwhile = decide({"provider": "aws"}, CauseKind.CLUSTER, at=start + HOUR)
    later = decide({"provider": "aws"}, CauseKind.CLUSTER, at=start + 2 * HOUR)
    anew = renewed(kept, later, fresh=True)
    assert kept == renewed(kept, meanwhile, fresh=False)
    assert (AWS, 0) == (anew.clusters, anew.renewals)


def test_what_was_released_is_not_decided_again(decide, start):
    """Whoever disagrees has the last word."""
    released = replace(decide({"provider": "aws"}, CauseKind.CLUSTER), released_at=start)

    again = decide({"provider": "aws"}, CauseKind.CLUSTER, at=start + 2 * HOUR)
    assert released == renewed(released, again, fresh=True)


def test_after_its_end_only_new_evidence_starts_it_anew(decide, start):
    """A lapsed quarantine is renewed under a new id when the trouble is seen again."""
    lapsed = decide({"provider": "aws"}, CauseKind.CLUSTER)
    again = decide({"provider": "aws"}, CauseKind.CLUSTER, at=start + HOUR)

    assert lapsed == renewed(lapsed, again, fresh=False)
    second = renewed(lapsed, again, fresh=True)
    third = renewed(second, replace(again, starts_at=start + 2 * HOUR), fresh=True)
    assert ["response-1", "response-1-2", "response-1-3"] == [lapsed.id, second.id, third.id]


def test_another_action_gets_another_id(decide):
    """A hold does not hide behind the id of a quarantine."""
    before = decide({"provider": "aws"}, CauseKind.CLUSTER)
    after = renewed(before, decide({"task": "train"}, CauseKind.TASK), fresh=True)

    assert ResponseAction.HOLD_TASK is after.action
    assert before.id != after.id


@pytest.mark.parametrize(
    ("cause", "kind", "what"),
    [
        ({"feature": "age"}, CauseKind.DATA, ResponseAction.HOLD_DOWNSTREAM),
        ({}, CauseKind.UNKNOWN, ResponseAction.HOLD_DOWNSTREAM),
        ({"provider": "aws"}, CauseKind.CLUSTER, ResponseAction.QUARANTINE),
    ],
)
def test_data_are_held_where_a_rule_asks_for_it(decide, cause, kind, what, start):
    """Unless there is a cluster to leave; longer than a quarantine, for data do not mend themselves."""
    response = decide(cause, kind, hold_data_of=("t0", "t2"))

    assert what is response.action
    if what is ResponseAction.HOLD_DOWNSTREAM:
        assert (TaskKey("d", "t0"), TaskKey("d", "t2")) == response.data_of
        assert start + timedelta(days=7) == response.expires_at
        assert "d/t0, d/t2" == response.target
        assert response.reason.startswith("A rule holds the data of d/t0, d/t2 for rows. ")


def test_more_data_are_held_under_the_same_name(decide, start):
    """As the incident grows; the hold is one."""
    first = decide({"feature": "age"}, CauseKind.DATA, hold_data_of=("t0",))
    more = decide(
        {"feature": "age"}, CauseKind.DATA, hold_data_of=("t0", "t1"), at=start + timedelta(hours=2)
    )
    grown = renewed(first, more, fresh=True)
    assert (first.id, first.starts_at, more.data_of) == (grown.id, grown.starts_at, grown.data_of)


@pytest.mark.parametrize("kpi", ["queue_s", "cost_usd", "retries"])
def test_a_full_or_dear_cluster_is_not_quarantined(decide, kpi):
    """That its queue is long or its price high says nothing about the work that ends there."""
    response = decide({"cluster": "aws-us-east-1"}, CauseKind.CLUSTER, kpi=kpi)

    assert ResponseAction.NOTHING is response.action
    assert kpi in response.reason
    assert "does not say that its work fails" in response.reason


def test_a_task_is_not_held_for_what_it_costs(decide):
    """A dearer price everywhere is no fault of the task."""
    cause = {"task": "train"}
    assert ResponseAction.HOLD_TASK is decide(cause, CauseKind.TASK).action
    assert ResponseAction.NOTHING is decide(cause, CauseKind.TASK, kpi="cost_usd").action
