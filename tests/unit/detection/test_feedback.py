"""What people found moves what is believed next time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aiops_provider.detection.evidence import Row
from aiops_provider.detection.feedback import weigh_by_feedback
from aiops_provider.detection.fold import Fold
from aiops_provider.detection.super_alarms import SuperAlarms
from aiops_provider.domain.alarm import AlarmState, CauseKind, RootCause, Severity, SuperAlarm

EKS, GKE, DATASET = {"cluster": "eks"}, {"cluster": "gke"}, {"dataset": "claims"}


@pytest.fixture
def ranked(root_cause):
    """Two hypotheses, the cluster first."""
    return RootCause(
        hypotheses=(
            root_cause(EKS, CauseKind.CLUSTER, confidence=0.9).best,
            root_cause(DATASET, CauseKind.DATA, confidence=0.6).best,
        )
    )


@pytest.fixture
def earlier(root_cause, start):
    """An incident that is over, with what was told and what it really was."""

    def make(told, real, *, kpis=("row_count",)):
        return SuperAlarm(
            id="s", summary="", opened_at=start, severity=Severity.WARNING, alarms=("a",),
            representative="a", root_cause=root_cause(told, CauseKind.CLUSTER), updated_at=start,
            state=AlarmState.RESOLVED, kpis=kpis, real_cause=real,
        )  # fmt: skip

    return make


def told(found):
    return [(dict(one.cause), round(one.confidence, 3)) for one in found.hypotheses]


def test_without_feedback_nothing_changes(ranked, earlier):
    """Nor by what was said of other KPIs."""
    past = [earlier(EKS, {}), earlier(EKS, DATASET, kpis=("latency",))]
    assert ranked is weigh_by_feedback(ranked, ["row_count"], past)


def test_what_was_wrong_is_less_sure_and_what_was_right_comes_first(ranked, earlier):
    """Once: 0.9 · 2/3 = 0.6, and 0.6 · 3/2 counts as 0.9, though it is not surer than it is."""
    found = weigh_by_feedback(ranked, ["row_count"], [earlier(EKS, DATASET)])
    assert [(DATASET, 0.6), (EKS, 0.6)] == told(found)


def test_another_of_its_kind_counts_half(ranked, earlier):
    """That gke was not to blame makes eks a little less likely."""
    found = weigh_by_feedback(ranked, ["row_count"], [earlier(GKE, {"task": "load"})])
    assert [(EKS, 0.72), (DATASET, 0.6)] == told(found)


def test_a_confirmed_cause_keeps_its_confidence(ranked, earlier):
    """Confidence is a probability: being right does not lift it above the evidence."""
    found = weigh_by_feedback(ranked, ["row_count"], [earlier(EKS, EKS)] * 3)
    assert [(EKS, 0.9), (DATASET, 0.6)] == told(found)


def test_an_unknown_cause_stays_unknown(earlier, root_cause):
    """Feedback is no evidence."""
    unknown = root_cause({}, CauseKind.UNKNOWN)
    assert unknown is weigh_by_feedback(unknown, ["row_count"], [earlier(EKS, DATASET)])


def test_the_real_cause_is_what_is_told_of_similar_ones(earlier, root_cause, alarm, start):
    """Also where another was told at the time."""
    past = replace(earlier(EKS, GKE), kpis=("row_count",))
    alarms = SuperAlarms()
    alarms.recall([past])
    one = alarm("a", cluster="gke")
    row = Row(
        series=one.series, observed_at=start, attributes=one.attributes, value=1.0, expected=2.0,
        alarm="a",
    )  # fmt: skip
    fold = Fold(rows=(row,), root_cause=root_cause(GKE, CauseKind.CLUSTER))
    alarms.update([fold], {"a": one}, start)
    (made,) = alarms.take_changes()
    assert [GKE] == [dict(each.cause) for each in made.similar]
