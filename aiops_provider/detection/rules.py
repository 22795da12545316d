"""
Expert rules: what people know that no detector can learn.

A rule has a condition and what follows where it holds. All rules that hold are read from top to
bottom, and a later one overrides an earlier one in whatever it says; ``ignore`` cannot be undone.
The shipped rules (``default_rules.yaml``) come first, the user's after them; a user's rule of the
same name replaces the shipped one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from aiops_provider.detection.attributes import SILENT_KPI
from aiops_provider.detection.expressions import Expression
from aiops_provider.detection.sequential import Direction
from aiops_provider.detection.verdict import Verdict
from aiops_provider.domain.alarm import Severity
from aiops_provider.domain.kpi import KpiSample

DetectorName = Literal["seasonal", "failures", "sequential", "streaming", "none"]

# Attributes that a condition may name directly; "" where a sample has none of that name. Any
# other is reached as attributes.name or attributes["name"].
LABELS = (
    "cluster", "provider", "region", "pool", "dag", "task", "dataset", "table", "partition",
    "feature", "version", "model_version", SILENT_KPI,
)  # fmt: skip

# Names known before a sample is judged; the second group only afterwards.
_BEFORE: Mapping[str, Any] = {
    "kpi": "", "value": 0.0, "at": datetime(2000, 1, 1, tzinfo=UTC), "hour": 0, "weekday": 1,
    "attributes": {}, **dict.fromkeys(LABELS, ""),
}  # fmt: skip
_AFTER: Mapping[str, Any] = {"expected": 0.0, "change": 0.0, "score": 0.0, "p_value": 1.0}
EXAMPLE: Mapping[str, Any] = {**_BEFORE, **_AFTER}
JUDGED_NAMES = frozenset(_AFTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """
    What follows where a rule holds; ``None`` leaves what earlier rules said.

    Attributes:
        detector: Which detector judges; ``none``: only thresholds do.
        direction: Which way a deviation counts.
        above: A value above this is an alarm, whatever the past.
        below: A value below this is an alarm, whatever the past.
        minimum_volume: Less than this expected: no alarm (ratios of small numbers jump).
        minimum_absolute_change: Smaller deviations, in the KPI's unit, are no alarm.
        minimum_relative_change: Smaller deviations, as a share of what was expected, are no alarm.
        severity: How urgent an alarm is.
        owner: Who cares for it.
        remedy: What helps.
        tell_alone: An alarm is a super-alarm even where nothing else is in alarm.
        hold_downstream: Nobody should use the data of the task while such an alarm is told.
        time_zone: Whose clock says what the same time of another day is.
        holidays: Country whose public holidays are like Sundays.
    """

    detector: DetectorName | None = None
    direction: Direction | None = None
    above: float | None = None
    below: float | None = None
    minimum_volume: float | None = None
    minimum_absolute_change: float | None = None
    minimum_relative_change: float | None = None
    severity: Severity | None = None
    owner: str | None = None
    remedy: str | None = None
    tell_alone: bool | None = None
    hold_downstream: bool | None = None
    time_zone: str | None = None
    holidays: str | None = None

    def over(self, earlier: Effect) -> Effect:
        """This effect, where it says nothing the earlier one."""
        mine = {name: getattr(self, name) for name in self.__slots__}
        return replace(
            earlier, **{name: value for name, value in mine.items() if value is not None}
        )

    @property
    def chooses(self) -> bool:
        """Whether it matters before, or without, a deviation."""
        chosen = (self.detector, self.above, self.below, self.time_zone, self.holidays)
        return any(one is not None for one in chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """
    One expert rule.

    Attributes:
        name: Unique.
        when: The condition.
        effect: What follows.
        ignore: What is seen then is normal: no alarm.
        starts_at: Holds from then on.
        ends_at: Holds until then.
        reason: Why, for people.
    """

    name: str
    when: Expression
    effect: Effect = Effect()
    ignore: bool = False
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    reason: str = ""

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it applies to a sample of these values."""
        at: datetime = values["at"]
        if self.starts_at is not None and at < self.starts_at:
            return False
        if self.ends_at is not None and at >= self.ends_at:
            return False
        return self.when.holds(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """
    What all rules together say about a sample.

    Attributes:
        effect: The effects, merged.
        ignored_by: The rule that says it is normal, if any.
    """

    effect: Effect
    ignored_by: Rule | None = None


class RuleSet:
    """
    Rules in force, in order.

    Args:
        rules: From the first to the last.
    """

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.rules = tuple(rules)
        self._choosing = tuple(rule for rule in self.rules if rule.effect.chooses)
        # Most such rules look at nothing but the KPI's name: ask them once per name.
        self._by_name = not any(
            rule.when.uses - {"kpi"} or rule.starts_at or rule.ends_at for rule in self._choosing
        )
        self._known: dict[str, Effect] = {}

    def overridden_by(self, other: RuleSet) -> RuleSet:
        """These rules, then the others; a rule of the same name is replaced."""
        names = {rule.name for rule in other.rules}
        return RuleSet([*(rule for rule in self.rules if rule.name not in names), *other.rules])

    def choice(self, sample: KpiSample) -> Effect:
        """What is said before a sample is judged: detector, clock, direction and thresholds."""
        if self._by_name and sample.name in self._known:
            return self._known[sample.name]
        values = _values(sample, None)
        effect = Effect()
        for rule in self._choosing:
            if rule.holds(values):
                effect = rule.effect.over(effect)
        if self._by_name:
            self._known[sample.name] = effect
        return effect

    def ruling(self, sample: KpiSample, verdict: Verdict) -> Ruling:
        """What is said about a sample that deviates."""
        values = _values(sample, verdict)
        effect, ignored_by = Effect(), None
        for rule in self.rules:
            if not rule.holds(values):
                continue
            effect = rule.effect.over(effect)
            if rule.ignore:
                ignored_by = rule
        return Ruling(effect=effect, ignored_by=ignored_by)


def relative_change(value: float, expected: float) -> float:
    """
    Deviation as a share of what was expected; infinite when nothing was expected.

    >>> relative_change(22.0, 100.0)
    -0.78
    """
    if value == expected:
        return 0.0
    return (value - expected) / abs(expected) if expected else float("inf") * (value - expected)


def _values(sample: KpiSample, verdict: Verdict | None) -> dict[str, Any]:
    attributes = sample.attributes
    at = sample.observed_at.astimezone(UTC)
    values: dict[str, Any] = {
        "kpi": sample.name,
        "value": float(sample.value),
        "at": at,
        "hour": at.hour,
        "weekday": at.isoweekday(),
        "attributes": attributes,
        **{label: attributes.get(label, "") for label in LABELS},
    }
    if verdict is not None:
        values |= {
            "expected": float(verdict.expected),
            "change": relative_change(sample.value, verdict.expected),
            "score": verdict.score,
            "p_value": verdict.p_value,
        }
    return values
