"""
Tests of expert rules, written beside them: a sample, and what the rules must say about it.

::

    tests:
      - name: nights on-premises are maintenance
        sample: {kpi: row_count, value: 10, at: 2026-11-02T03:00:00Z, cluster: onprem}
        expected: 1000          # what the past lets expect; p_value: 1e-9 unless it is given
        ignored_by: nightly-maintenance
        alarm: false

What a test does not name it does not ask. ``alarm`` is whether such a sample may raise an alarm where the
false-discovery rate lets it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from aiops_provider.detection.judge import Judge
from aiops_provider.detection.rules import RuleSet
from aiops_provider.detection.verdict import Verdict
from aiops_provider.domain.alarm import Severity
from aiops_provider.domain.kpi import KpiSample
from aiops_provider.errors import RuleError

MAXIMUM_CASES = 1_000
_CERTAIN_P = 1e-9
# Detectors need no history here: the verdict is given.
_NO_HISTORY = 8


class _SampleText(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")

    kpi: str = Field(min_length=1, description="Name of the KPI.")
    value: float = Field(allow_inf_nan=False, description="What was reported.")
    at: AwareDatetime = Field(description="When, with time zone.")


class RuleCase(BaseModel):
    """A sample with its verdict, and what the rules must say; ``None`` where nothing is asked."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    name: str = Field(min_length=1, max_length=200, description="What it shows.")
    sample: _SampleText = Field(description="kpi, value, at, and any attributes.")
    expected: float | None = Field(
        None, allow_inf_nan=False, description="What the past lets expect."
    )
    p_value: float = Field(_CERTAIN_P, gt=0, le=1, description="Of the detector, in (0, 1].")
    alarm: bool | None = Field(None, description="Whether it may raise an alarm.")
    ignored_by: str | None = Field(
        None, description="The rule that says it is normal; '' for none."
    )
    detector: str | None = Field(None, description="Which detector judges.")
    severity: Severity | None = Field(None, description="info, warning or critical.")
    owner: str | None = Field(None, description="Who cares for it.")
    remedy: str | None = Field(None, description="What helps.")
    tell_alone: bool | None = Field(None, description="Whether one such alarm is told by itself.")
    hold_downstream: bool | None = Field(None, description="Whether its data are held.")

    def to_sample(self) -> KpiSample:
        """The sample as the engine sees it."""
        attributes = {key: str(value) for key, value in (self.sample.model_extra or {}).items()}
        return KpiSample(
            name=self.sample.kpi,
            observed_at=self.sample.at,
            value=self.sample.value,
            dimensions=attributes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """
    What became of a case.

    Attributes:
        name: Of the case.
        wrong: What the rules said otherwise: field, what was wanted, what was said.
    """

    name: str
    wrong: tuple[tuple[str, str, str], ...]

    @property
    def passed(self) -> bool:
        """Whether the rules said all that was wanted."""
        return not self.wrong


def run_rule_case(case: RuleCase, rules: RuleSet) -> CaseResult:
    """
    Ask the rules about a sample.

    Args:
        case: Sample, verdict and what is wanted.
        rules: As in force: the shipped ones, then the user's.
    """
    sample = case.to_sample()
    verdict = Verdict(
        p_value=case.p_value,
        expected=case.sample.value if case.expected is None else case.expected,
        reason="given by the test",
        detector="test",
    )
    judge = Judge(rules, minimum_history=_NO_HISTORY)
    verdict = judge.with_threshold(sample, verdict) or verdict
    ruling = rules.ruling(sample, verdict)
    observation = judge.observation(sample, verdict, threshold_p=1.0)
    effect = ruling.effect
    said = {
        "alarm": observation.alarmed,
        "ignored_by": ruling.ignored_by.name if ruling.ignored_by else "",
        "detector": rules.choice(sample).detector or "seasonal",
        "severity": effect.severity,
        "owner": effect.owner,
        "remedy": effect.remedy,
        "tell_alone": effect.tell_alone or False,
        "hold_downstream": effect.hold_downstream or False,
    }
    return CaseResult(name=case.name, wrong=tuple(_differences(case, said)))


def _differences(case: RuleCase, said: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for field, value in said.items():
        wanted = getattr(case, field)
        if wanted is not None and wanted != value:
            yield field, _text(wanted), _text(value)


def _text(value: object) -> str:
    if value is None or value == "":
        return "nothing"
    return str(value).lower() if isinstance(value, bool) else str(value)


def load_rule_cases(text: str, file: str) -> list[RuleCase]:
    """
    Read the tests of a rules file.

    Args:
        text: YAML with a list of ``tests``; the rules in it are not looked at.
        file: Its name, for messages.

    Raises:
        RuleError: The first problem, with file, line, field, value and mend.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        return []
    nodes = next((value for key, value in root.value if key.value == "tests"), None)
    if nodes is None:
        return []
    line = int(nodes.start_mark.line) + 1
    if not isinstance(nodes, yaml.SequenceNode) or len(nodes.value) > MAXIMUM_CASES:
        raise RuleError(
            "is no list of tests, or too long a one",
            field="tests",
            mend=f"Write a list of at most {MAXIMUM_CASES}, each with name and sample.",
            file=file,
            line=line,
        )
    return [_case(node, number, file) for number, node in enumerate(nodes.value)]


def _case(node: yaml.Node, number: int, file: str) -> RuleCase:
    line = int(node.start_mark.line) + 1
    try:
        return RuleCase.model_validate(yaml.SafeLoader("").construct_document(node))
    except yaml.YAMLError as error:
        raise RuleError(
            "cannot be used as it is",
            field=f"tests[{number}]",
            mend="Write it as plain `key: value` lines.",
            file=file,
            line=line,
        ) from error
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        named = ".".join(str(part) for part in detail["loc"])
        raise RuleError(
            detail["msg"],
            field=f"tests[{number}].{named}" if named else f"tests[{number}]",
            mend=f"Use name, sample (kpi, value, at, attributes) and any of "
            f"{', '.join(n for n in RuleCase.model_fields if n not in {'name', 'sample'})}.",
            file=file,
            line=line,
        ) from error
