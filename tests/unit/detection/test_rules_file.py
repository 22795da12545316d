"""Rules in YAML."""

from __future__ import annotations

import pytest

from aiops_provider.detection.rules_file import default_rules, load_rules
from aiops_provider.errors import RuleError


def test_the_shipped_rules_are_good():
    """They load, and each has a name of its own."""
    assert len(default_rules().rules) >= 5


def test_an_empty_file_has_no_rules():
    """No rules is a choice."""
    assert () == load_rules("", "r.yaml").rules


@pytest.mark.parametrize(
    ("text", "line", "field", "hint"),
    [
        ("rules: [", 1, None, "indentation"),
        ("- a", 1, None, "list of `rules`"),
        ("version: 2", 1, "version", "version: 1"),
        ("rules: 3", 1, "rules", "list of `rules`"),
        ("rules:\n  - just text", 2, "rules[0]", "- name"),
        ("rules:\n  - when: 'true'", 2, "rules[0].name", "Add `name"),
        ("rules:\n  - name: a\n    wen: 'true'", 3, "rules[0].wen", "Use one of name, when"),
        ("rules:\n  - name: a\n    minimum_volume: -3", 3, "rules[0].minimum_volume", "Less"),
        ("rules:\n  - name: a\n    above: .nan", 3, "rules[0].above", "alarm above"),
        ("rules:\n  - name: a\n    severity: bad", 3, "rules[0].severity", "critical"),
        ("rules:\n  - name: a\n\n    when: kpi =", 4, "rules[0].when", "CEL condition"),
        ("rules:\n  - name: a\n    ends_at: 2026-01-01T00:00:00", 3, "rules[0].ends_at", "until"),
        ("rules:\n  - name: a\n  - name: a", 3, "rules[1].name", "its own name"),
        ("rules:\n  - name: !!python/object/apply:os.getcwd []", 2, "rules[0]", "plain"),
        (
            "rules:\n  - name: a\n    when: score > 0.5\n    above: 1",
            3,
            "rules[0].when",
            "CEL condition",
        ),
    ],
)
def test_a_rule_that_cannot_be_used_names_its_line(text, line, field, hint):
    """The error says file, line, field, and how to mend it."""
    with pytest.raises(RuleError) as caught:
        load_rules(text, "mine.yaml")

    assert ("mine.yaml", line, field) == (caught.value.file, caught.value.line, caught.value.field)
    assert hint in str(caught.value)
    assert 2 == caught.value.exit_status


def test_too_much_is_refused():
    """A file cannot fill the memory."""
    with pytest.raises(RuleError, match="larger than"):
        load_rules("#" * 1_000_001, "r.yaml")
    many = "rules:\n" + "".join(f"  - name: r{n}\n" for n in range(1_001))
    with pytest.raises(RuleError, match="at most 1000"):
        load_rules(many, "r.yaml")
