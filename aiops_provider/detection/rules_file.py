"""Reads rules from YAML; whatever is wrong names file, line, field, value and mend."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Literal

import yaml
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from aiops_provider.detection.expressions import Expression, ExpressionError
from aiops_provider.detection.local_clock import LocalClock
from aiops_provider.detection.rules import (
    EXAMPLE,
    JUDGED_NAMES,
    DetectorName,
    Effect,
    Rule,
    RuleSet,
)
from aiops_provider.detection.sequential import Direction
from aiops_provider.domain.alarm import Severity
from aiops_provider.errors import RuleError

MAXIMUM_RULES = 1_000
_MAXIMUM_CHARACTERS = 1_000_000

_EFFECTS = tuple(Effect.__slots__)


class RuleText(BaseModel):
    """One rule as written: a condition, and what follows where it holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    name: str = Field(min_length=1, max_length=100, description="Unique; replaces a shipped one.")
    when: str = Field("true", description="Condition in CEL; see the names in the guide.")
    ignore: bool = Field(False, description="This is normal: no alarm.")
    detector: DetectorName | None = Field(None, description="Which detector judges.")
    direction: Direction | None = Field(None, description="Which way a deviation counts.")
    above: float | None = Field(None, allow_inf_nan=False, description="An alarm above this value.")
    below: float | None = Field(None, allow_inf_nan=False, description="An alarm below this value.")
    minimum_volume: float | None = Field(None, ge=0, description="Less expected: no alarm.")
    minimum_absolute_change: float | None = Field(None, ge=0, description="In the KPI's unit.")
    minimum_relative_change: float | None = Field(None, ge=0, description="0.2 is 20 %.")
    severity: Severity | None = Field(None, description="info, warning or critical.")
    owner: str | None = Field(None, description="Who cares for it.")
    remedy: str | None = Field(None, description="What helps.")
    tell_alone: bool | None = Field(None, description="True: one such alarm is a super-alarm.")
    hold_downstream: bool | None = Field(
        None, description="True: nobody should use the data of the task until it is over."
    )
    time_zone: str | None = Field(None, description="Such as Europe/Oslo; compare by its clock.")
    holidays: str | None = Field(None, description='Such as "NO" or "DE-BY"; quote "NO".')
    starts_at: AwareDatetime | None = Field(None, description="Holds from then on.")
    ends_at: AwareDatetime | None = Field(None, description="Holds until then.")
    reason: str = Field("", description="Why, for people.")

    @field_validator("time_zone")
    @classmethod
    def _zone_is_known(cls, name: str | None) -> str | None:
        LocalClock(name or "")
        return name

    @field_validator("holidays")
    @classmethod
    def _holidays_are_known(cls, code: str | None) -> str | None:
        LocalClock("", code or "")
        return code

    def to_rule(self) -> Rule:
        """
        The same, compiled.

        Raises:
            ExpressionError: The condition cannot be used.
        """
        when = Expression(self.when, EXAMPLE)
        effect = Effect(**{name: getattr(self, name) for name in _EFFECTS})
        if effect.chooses and when.uses & JUDGED_NAMES:
            late = min(when.uses & JUDGED_NAMES)
            raise ExpressionError(
                f"uses {late}, which is not known yet when a detector or a threshold is chosen"
            )
        return Rule(
            name=self.name,
            when=when,
            effect=effect,
            ignore=self.ignore,
            starts_at=_utc(self.starts_at),
            ends_at=_utc(self.ends_at),
            reason=self.reason,
        )


def default_rules() -> RuleSet:
    """The rules that ship with the package."""
    source = files("aiops_provider.detection").joinpath("default_rules.yaml")
    return load_rules(source.read_text(encoding="utf-8"), "default_rules.yaml")


def load_rules(text: str, file: str) -> RuleSet:
    """
    Read rules.

    Args:
        text: YAML: ``version: 1`` and a list of ``rules``.
        file: Its name, for messages.

    Raises:
        RuleError: The first problem, with file, line, field, value and mend.
    """
    if len(text) > _MAXIMUM_CHARACTERS:
        raise RuleError(
            f"is larger than {_MAXIMUM_CHARACTERS} characters", file=file, mend="Split it."
        )
    rules: dict[str, Rule] = {}
    for number, node in enumerate(_rule_nodes(text, file)):
        rule = _rule(node, number, file)
        if rule.name in rules:
            raise RuleError(
                "there is another rule of this name",
                field=f"rules[{number}].name",
                value=rule.name,
                mend="Give each rule its own name.",
                file=file,
                line=_line(node),
            )
        rules[rule.name] = rule
    return RuleSet(rules.values())


def _rule_nodes(text: str, file: str) -> list[yaml.Node]:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise RuleError(
            f"is not YAML: {getattr(error, 'problem', None) or 'it cannot be read'}",
            file=file,
            line=mark.line + 1 if mark else None,
            mend="Check indentation and quotes there.",
        ) from error
    if root is None:
        return []
    if not isinstance(root, yaml.MappingNode):
        raise _wrong(root, file, None, "Write `version: 1` and a list of `rules`.")
    found: list[yaml.Node] = []
    for key, value in root.value:
        if key.value == "version" and value.value == "1":
            continue
        if key.value == "version":
            raise _wrong(value, file, "version", "Write `version: 1`, the only one there is.")
        if key.value == "rules" and isinstance(value, yaml.SequenceNode):
            found = value.value
            continue
        if key.value == "tests":  # read by rule_cases
            continue
        raise _wrong(key, file, str(key.value), "Write `version: 1` and a list of `rules`.")
    if len(found) > MAXIMUM_RULES:
        raise _wrong(root, file, "rules", f"Keep at most {MAXIMUM_RULES} of them.")
    return found


def _rule(node: yaml.Node, number: int, file: str) -> Rule:
    place = f"rules[{number}]"
    if not isinstance(node, yaml.MappingNode):
        raise _wrong(node, file, place, "Start with `- name: …`.")
    try:
        data = yaml.SafeLoader("").construct_document(node)
    except yaml.YAMLError as error:
        raise _wrong(node, file, place, "Write it as plain `key: value` lines.") from error
    lines = {str(key.value): _line(value) for key, value in node.value}
    try:
        return RuleText.model_validate(data).to_rule()
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        named = str(detail["loc"][0]) if detail["loc"] else ""
        raise RuleError(
            detail["msg"],
            field=f"{place}.{named}" if named else place,
            value=detail["input"] if named in lines else None,
            mend=_mend(detail["type"], named),
            file=file,
            line=lines.get(named, _line(node)),
        ) from error
    except ExpressionError as error:
        raise RuleError(
            str(error),
            field=f"{place}.when",
            value=data.get("when"),
            mend='Write a CEL condition such as kpi == "row_count" && cluster == "onprem".',
            file=file,
            line=lines.get("when", _line(node)),
        ) from error


def _mend(problem: str, field: str) -> str:
    if problem == "extra_forbidden":
        return f"Use one of {', '.join(RuleText.model_fields)}."
    if problem == "missing":
        return f"Add `{field}: …`."
    told = RuleText.model_fields.get(field)
    return (told.description or "") if told else ""


def _wrong(node: yaml.Node, file: str, field: str | None, mend: str) -> RuleError:
    kind: Literal["a list", "a mapping", "a text"] = (
        "a list"
        if isinstance(node, yaml.SequenceNode)
        else "a mapping"
        if isinstance(node, yaml.MappingNode)
        else "a text"
    )
    value: Any = node.value if isinstance(node, yaml.ScalarNode) else None
    return RuleError(
        f"cannot be used as it is: {kind}",
        field=field,
        value=value,
        mend=mend,
        file=file,
        line=_line(node),
    )


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None
