"""Super-alarms in plain words."""

from __future__ import annotations

from aiops_provider.detection.summary import summarise_alarms
from aiops_provider.domain.alarm import CauseKind


def test_the_summary_says_since_when_how_much_where_and_what(alarm, root_cause):
    """One sentence that a person understands."""
    alarms = [
        *(alarm(f"r{n}", "row_count", task=f"t{n}", minutes=3) for n in range(4)),
        alarm("p", "precision", task="t0", value=0.61, expected=0.95, minutes=4),
        *(alarm(f"f{n}", "feature_mean", task="t1", feature=str(n), minutes=5) for n in range(9)),
    ]
    best = root_cause({"provider": "aws"}, CauseKind.CLUSTER).best

    assert (
        "Since 2026-11-02 14:03 UTC 14 alarms on 4 tasks of provider aws: row_count −78 %, "
        "precision 0.95 → 0.61, 9 features drifted (feature_mean)" == summarise_alarms(alarms, best)
    )


def test_failures_and_unknown_causes_have_words_too(alarm, root_cause):
    """Failed tasks are counted, what is unknown is called so, one is not plural."""
    best = root_cause({}, CauseKind.UNKNOWN).best
    told = summarise_alarms([alarm("a", "task_failed", task="t")], best)

    assert told.endswith("1 alarm of task t, cause unknown: 1 task failed")


def test_growth_from_nothing_is_told_in_figures(alarm, root_cause):
    """No percentage of zero; further KPIs are counted."""
    alarms = [alarm(f"a{n}", f"k{n}", value=50.0, expected=0.0, task="t") for n in range(5)]
    told = summarise_alarms(alarms, root_cause({}, CauseKind.UNKNOWN).best)

    assert "k0 0 → 50" in told
    assert "2 further KPIs" in told
