"""What rules say about samples."""

from __future__ import annotations

import math

import pytest

from aiops_provider.detection.rules import relative_change
from aiops_provider.detection.rules_file import default_rules, load_rules
from aiops_provider.detection.verdict import Verdict
from aiops_provider.domain.alarm import Severity

VERDICT = Verdict(p_value=1e-9, expected=100.0, reason="", detector="seasonal")


def rules(text):
    return load_rules(f"rules:\n{text}", "r.yaml")


def test_a_later_rule_overrides_what_it_says_and_no_more(sample):
    """Effects are merged from top to bottom."""
    merged = rules(
        "  - {name: a, severity: warning, owner: etl}\n"
        "  - {name: b, when: 'change < -0.5', severity: critical}\n"
    ).ruling(sample(20.0), VERDICT)

    assert (Severity.CRITICAL, "etl") == (merged.effect.severity, merged.effect.owner)


def test_a_maintenance_window_is_normal(sample):
    """Inside its time and place deviations are ignored, outside they are not."""
    window = rules(
        "  - name: upgrade\n"
        "    when: cluster == 'onprem'\n"
        "    ignore: true\n"
        "    starts_at: 2026-11-02T14:00:00Z\n"
        "    ends_at: 2026-11-02T16:00:00+00:00\n"
    )

    def ignored(hours, cluster="onprem"):
        return window.ruling(sample(1.0, hours=hours, cluster=cluster), VERDICT).ignored_by

    assert "upgrade" == ignored(0.5).name
    assert [None, None, None] == [ignored(-0.1), ignored(2), ignored(0.5, cluster="aws")]


def test_a_later_rule_does_not_undo_ignore(sample):
    """What one rule calls normal stays normal."""
    both = rules("  - {name: a, ignore: true}\n  - {name: b, severity: critical}\n")

    assert both.ruling(sample(1.0), VERDICT).ignored_by is not None


def test_a_rule_of_the_same_name_replaces_the_shipped_one(sample):
    """Users change what ships without copying all of it."""
    mine = rules("  - {name: row-counts, when: 'kpi == \"row_count\"', minimum_volume: 5}\n")
    effect = default_rules().overridden_by(mine).ruling(sample(1.0, "row_count"), VERDICT).effect

    assert (5.0, None) == (effect.minimum_volume, effect.minimum_relative_change)


def test_choices_by_time_or_place_are_made_for_each_sample(sample):
    """A threshold may hold at night only."""
    night = rules("  - {name: a, when: 'hour < 6', above: 5}\n")

    assert [None, 5.0] == [night.choice(sample(1.0, hours=h)).above for h in (0, 12)]


@pytest.mark.parametrize(
    ("kpi", "detector", "direction"),
    [
        ("task_failed", "failures", None),
        ("precision", "sequential", "down"),
        ("batch_precision", "sequential", "down"),
        ("loss", "sequential", "up"),
        ("row_count", None, None),
        ("feature_mean", None, None),
    ],
)
def test_shipped_rules_choose_the_detector(sample, kpi, detector, direction):
    """By the name of the KPI, again and again the same."""
    shipped = default_rules()
    for _ in range(2):
        choice = shipped.choice(sample(0.5, kpi))
        assert (detector, direction) == (choice.detector, choice.direction)


@pytest.mark.parametrize(
    ("value", "expected", "change"),
    [(22.0, 100.0, -0.78), (0.0, 0.0, 0.0), (3.0, 0.0, math.inf), (-3.0, 0.0, -math.inf)],
)
def test_relative_change(value, expected, change):
    """Of nothing, any change is infinite."""
    assert change == pytest.approx(relative_change(value, expected))
