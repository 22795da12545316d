"""What the attributes of an observation stand for: where it ran, what ran, what it ran on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aiops_provider.domain.alarm import Alarm, CauseKind
from aiops_provider.domain.kpi import FAULT_WHEN, SeriesKey

# From the most telling name to the least: where several cannot be told apart, the first is named.
INFRASTRUCTURE = ("cluster", "provider", "region", "zone", "pool", "host", "instance_type")
WORK = ("task", "dag", "flow", "namespace", "deployment", "operator")
DATA = ("dataset", "table", "partition", "feature", "column", "map_index")
SOFTWARE = ("version", "model_version", "code_hash", "image")

# How far a run has come; neither a cause nor part of what a training is.
PROGRESS = frozenset({"batch", "step", "epoch"})

# That a series does not report is observed as a KPI of its own; a dimension names the silent one.
SILENCE = "silence_s"
SILENT_KPI = "silent_kpi"

# Several observations of one execution differ in these. They say what was looked at.
INSIDE_EXECUTION = frozenset({"kpi", SILENT_KPI, "feature", "column", "schema_change"}) | PROGRESS

# Only those observations of an execution tell these that come from its end.
KNOWN_AT_END = frozenset({"code_hash", "image"})

# Names of an occasion or of a symptom, not of something that can be at fault.
OCCASION = frozenset({"run_id", "try_number"}) | PROGRESS
NEVER_AT_FAULT = OCCASION | {"kpi", SILENT_KPI, "schema_change"}

TASK_FAILED = "task_failed"
QUEUE_S = "queue_s"
RETRIES = "retries"
COST_USD = "cost_usd"

# Of these an alarm does not say that work fails where it was observed: nothing is heard, much is asked
# of a place, the tries before were elsewhere, a place is dear.
NO_FAULT = frozenset({SILENCE, QUEUE_S, RETRIES, COST_USD})

_KINDS = {
    **dict.fromkeys(INFRASTRUCTURE, CauseKind.CLUSTER),
    **dict.fromkeys(WORK, CauseKind.TASK),
    **dict.fromkeys(DATA, CauseKind.DATA),
}
_PREFERENCE = {name: place for place, name in enumerate((*INFRASTRUCTURE, *WORK, *DATA, *SOFTWARE))}


def kind_of(names: Iterable[str]) -> CauseKind:
    """
    What is at fault when these attributes together tell alarmed from healthy.

    >>> kind_of(["provider", "version"]), kind_of(["task", "provider"]), kind_of(["os"])
    (<CauseKind.CLUSTER: 'cluster'>, <CauseKind.UNKNOWN: 'unknown'>, <CauseKind.UNKNOWN: 'unknown'>)
    """
    kinds = {_KINDS[name] for name in names if name in _KINDS}
    if len(kinds) == 1:
        return kinds.pop()
    if kinds == {CauseKind.CLUSTER, CauseKind.DATA}:
        return CauseKind.CLUSTER  # the data are bad there, and only there: run elsewhere
    if kinds == {CauseKind.TASK, CauseKind.DATA}:
        return CauseKind.DATA
    return CauseKind.UNKNOWN  # a task that fails on one provider only: neither alone is at fault


def preference(name: str) -> int:
    """Rank of a name among those that explain the same: the lowest is told."""
    return _PREFERENCE.get(name, len(_PREFERENCE))


def execution_of(attributes: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What ran where, and when: the unit that evidence is counted in."""
    apart = INSIDE_EXECUTION | KNOWN_AT_END
    return tuple(sorted((name, value) for name, value in attributes.items() if name not in apart))


def work_of(attributes: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What ran, wherever and whenever: task, partition and the like."""
    somewhere = {*INFRASTRUCTURE, *SOFTWARE, *OCCASION, *INSIDE_EXECUTION}
    return tuple(sorted((k, v) for k, v in attributes.items() if k not in somewhere))


def place_of(attributes: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Where it ran, and in which version."""
    somewhere = {*INFRASTRUCTURE, *SOFTWARE}
    return tuple(sorted((k, v) for k, v in attributes.items() if k in somewhere))


def witness_of(series: SeriesKey, attributes: Mapping[str, str]) -> tuple[object, object]:
    """
    Who says so: what ran, and where if the series is of that place alone.

    Of a task that moves all places are one witness; what regions report side by side are several.
    """
    return work_of(attributes), place_of(dict(series.dimensions))


def has(attributes: Mapping[str, str], cause: Mapping[str, str]) -> bool:
    """Whether an observation meets all conditions of a cause."""
    return all(attributes.get(name) == value for name, value in cause.items())


def speaks_of_fault(alarm: Alarm) -> bool:
    """Whether it is of a cluster's own metric that means the cluster is unwell."""
    return is_fault_metric(alarm.series, alarm.attributes)


def is_fault_metric(series: SeriesKey, attributes: Mapping[str, str]) -> bool:
    """Whether a series is a cluster's own that means a fault; that one is silent means none."""
    return series.cluster is not None and FAULT_WHEN in attributes and series.name != SILENCE
