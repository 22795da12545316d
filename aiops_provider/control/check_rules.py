"""Checks a file of expert rules and runs the tests written in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aiops_provider.detection.rule_cases import CaseResult, load_rule_cases, run_rule_case
from aiops_provider.detection.rules_file import default_rules, load_rules
from aiops_provider.errors import RuleError


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRules:
    """
    A rules file that can be used.

    Attributes:
        file: Its name.
        rules: Names of its rules, in order.
        replaced: Which of the shipped rules it replaces.
        results: Of its tests, in order; empty if they were not run.
    """

    file: str
    rules: tuple[str, ...]
    replaced: tuple[str, ...]
    results: tuple[CaseResult, ...] = ()

    @property
    def failed(self) -> int:
        """How many tests failed."""
        return sum(not one.passed for one in self.results)


def check_rules(file: Path, *, run_tests: bool = False) -> CheckedRules:
    """
    Read rules as the engine would.

    Args:
        file: YAML.
        run_tests: Run its tests too, against the shipped rules and these.

    Raises:
        RuleError: The file cannot be used; with line, field, value and mend.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(
            f"cannot be read: {error}", file=str(file), mend="Name a UTF-8 file."
        ) from error
    own, shipped = load_rules(text, str(file)), default_rules()
    cases = load_rule_cases(text, str(file))
    together = shipped.overridden_by(own)
    names = tuple(rule.name for rule in own.rules)
    return CheckedRules(
        file=str(file),
        rules=names,
        replaced=tuple(rule.name for rule in shipped.rules if rule.name in names),
        results=tuple(run_rule_case(case, together) for case in cases) if run_tests else (),
    )
