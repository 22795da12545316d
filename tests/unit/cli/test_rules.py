"""``aiops rules``."""

import pytest

RULES = """
version: 1
rules:
  - name: nightly-maintenance
    when: hour >= 2 && hour < 4 && cluster == "onprem"
    ignore: true
  - name: revenue
    when: kpi == "revenue"
    direction: down
    above: 1000000
    severity: critical
    owner: finance
tests:
"""

GOOD = """
  - name: nights on-premises are maintenance
    sample: {kpi: revenue, value: 10, at: 2026-11-02T03:00:00Z, cluster: onprem}
    expected: 1000
    ignored_by: nightly-maintenance
    alarm: false
  - name: days are not
    sample: {kpi: revenue, value: 10, at: 2026-11-02T12:00:00Z, cluster: onprem}
    expected: 1000
    ignored_by: ""
    alarm: true
    severity: critical
    owner: finance
  - name: more is fine
    sample: {kpi: revenue, value: 3000, at: 2026-11-02T12:00:00Z}
    expected: 1000
    alarm: false
  - name: too much is not, whatever the past
    sample: {kpi: revenue, value: 2000000, at: 2026-11-02T12:00:00Z}
    p_value: 1
    alarm: true
  - name: a shipped rule still holds
    sample: {kpi: validation_precision, value: 0.5, at: 2026-11-02T12:00:00Z}
    detector: sequential
"""


def write(tmp_path, text):
    (tmp_path / "rules.yaml").write_text(text)


def test_rules_that_do_what_is_wanted_pass(aiops, tmp_path):
    """All of them, with status 0."""
    write(tmp_path, RULES + GOOD)
    answer = aiops("rules", "test", "rules.yaml")

    assert 0 == answer.status, answer.out + answer.err
    assert "5 of 5 tests passed" in answer.out


def test_a_rule_that_does_something_else_fails(aiops, tmp_path):
    """The field, what was wanted and what was said."""
    text = GOOD.replace("owner: finance", "owner: sales")
    write(tmp_path, RULES + text)
    answer = aiops("rules", "test", "rules.yaml", "--output", "json")

    assert 1 == answer.status
    failed = [one for one in answer.data["results"] if one["wrong"]]
    assert [("days are not", [["owner", "sales", "finance"]])] == [
        (one["name"], one["wrong"]) for one in failed
    ]


def test_a_file_without_tests_is_not_tested(aiops, tmp_path):
    """Silence is no proof."""
    write(tmp_path, RULES.removesuffix("tests:\n"))

    assert 1 == aiops("rules", "test", "rules.yaml").status
    assert 0 == aiops("rules", "check", "rules.yaml").status


def test_the_check_names_what_is_replaced(aiops, tmp_path):
    """A rule of a shipped one's name takes its place."""
    write(tmp_path, "version: 1\nrules:\n  - name: memory\n    when: 'false'\n")

    assert "replaces the shipped memory" in aiops("rules", "check", "rules.yaml").out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules:\n  - name: a\n    when: kpi =", "rules[0].when"),
        ("rules: []\ntests: 3", "tests: is no list"),
        ("rules: []\ntests:\n  - name: a", "tests[0].sample"),
        ("rules: []\ntests:\n  - {name: a, sample: {kpi: k, value: 1, at: 2026-01-01}}", "at"),
        (
            "rules: []\ntests:\n  - {name: a, sample: {kpi: k, value: x, at: 3}, alrm: 1}",
            "tests[0]",
        ),
        ("rules: []\ntests:\n  - !!python/object/apply:os.getcwd []", "tests[0]"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(aiops, tmp_path, text, said):
    """Exit status 2; the message names the place."""
    write(tmp_path, text)
    answer = aiops("rules", "test", "rules.yaml")

    assert 2 == answer.status
    assert said in answer.err


def test_a_missing_file_is_refused(aiops, tmp_path):
    """By name."""
    answer = aiops("rules", "check", "nowhere.yaml")

    assert 2 == answer.status
    assert "nowhere.yaml" in answer.err
