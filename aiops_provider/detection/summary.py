"""A super-alarm in plain words."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from statistics import median

from aiops_provider.detection.attributes import DATA, SILENCE, TASK_FAILED, WORK, work_of
from aiops_provider.detection.rules import relative_change
from aiops_provider.detection.wording import named
from aiops_provider.domain.alarm import Alarm, Hypothesis
from aiops_provider.domain.change import PrecedingChange

_OF_TASKS = frozenset((*WORK, *DATA))
# What is told of KPIs beyond the first few helps nobody.
_KPIS = 3


def summarise_alarms(
    alarms: Sequence[Alarm], best: Hypothesis, changes: Sequence[PrecedingChange] = ()
) -> str:
    """
    One sentence: since when, how much, where, and what it looks like.

    For example "Since 2026-11-24 14:03 UTC 412 alarms on 14 tasks of provider aws: row_count
    −78 %, precision 0.95 → 0.61, 380 features drifted (feature_mean)".
    What was changed just before follows, if it concerns what is in alarm.
    """
    told = _sentence(alarms, best)
    change = next((one for one in changes if one.concerns), None)
    return f"{told}; {change}" if change else told


def _sentence(alarms: Sequence[Alarm], best: Hypothesis) -> str:
    onset = min(alarm.observed_at for alarm in alarms)
    if all(alarm.series.name == SILENCE for alarm in alarms):
        return _stopped(alarms, best, onset)
    tasks = _tasks(alarms)
    on = f" on {_counted(tasks, 'task')}" if tasks else ""
    if tasks == 1 and not best.cause:
        shared = shared_attributes(alarms)
        on = f" of {named({name: shared[name] for name in (*WORK, *DATA) if name in shared})}"
    if best.downstream:
        at_fault = f"{named(best.cause)} and {_counted(len(best.downstream), 'task')} downstream"
        symptoms = ", ".join(_symptoms(alarms))
        return f"Since {_clock(onset)} {_counted(len(alarms), 'alarm')} of {at_fault}: {symptoms}"
    where = f" of {named(best.cause)}" if best.cause else ", cause unknown"
    symptoms = ", ".join(_symptoms(alarms))
    return f"Since {_clock(onset)} {_counted(len(alarms), 'alarm')}{on}{where}: {symptoms}"


def _stopped(alarms: Sequence[Alarm], best: Hypothesis, onset: datetime) -> str:
    tasks = _tasks(alarms)
    series = f"{len(alarms)} series" + (f" of {_counted(tasks, 'task')}" if tasks else "")
    if not best.cause:
        return f"Since {_clock(onset)} {series} are not reported any more, cause unknown"
    return f"Since {_clock(onset)} {named(best.cause)} stopped reporting: {series}"


def impact_of(alarms: Iterable[Alarm], clusters: Iterable[str]) -> str:
    """What is affected, in numbers that people know."""
    found = list(alarms)
    attributes, tasks = [alarm.attributes for alarm in found], _tasks(found)
    parts = [
        *([_counted(tasks, "task")] if tasks else []),
        *_some((_values(attributes, "dag"), "DAG"), (frozenset(clusters), "cluster")),
    ]
    return ", ".join(parts)


def _tasks(alarms: Iterable[Alarm]) -> int:
    """How many tasks they are of; a cluster's own metrics and what names no task are of none."""
    return len({work_of(one.attributes) for one in alarms if _OF_TASKS & one.attributes.keys()})


def shared_attributes(alarms: Iterable[Alarm]) -> dict[str, str]:
    """Attributes that all alarms have with one value."""
    items: set[tuple[str, str]] | None = None
    for alarm in alarms:
        mine = set(alarm.attributes.items())
        items = mine if items is None else items & mine
    return dict(sorted(items or ()))


def _symptoms(alarms: Sequence[Alarm]) -> list[str]:
    by_kpi: dict[str, list[Alarm]] = defaultdict(list)
    for alarm in alarms:
        by_kpi[alarm.series.name].append(alarm)
    # What clusters say of themselves first, features last: fewer alarms each, but they say more.
    ordered = sorted(
        by_kpi.items(),
        key=lambda item: (
            _is_feature(item[1]),
            item[1][0].series.cluster is None,
            -len(item[1]),
        ),
    )
    told = [_symptom(kpi, group) for kpi, group in ordered]
    features = [text for text, (_, group) in zip(told, ordered, strict=True) if _is_feature(group)]
    others = [text for text in told if text not in features]
    rest = len(others) - _KPIS
    return [*others[:_KPIS], *([f"{rest} further KPIs"] if rest > 0 else []), *features]


def _symptom(kpi: str, alarms: Sequence[Alarm]) -> str:
    if kpi == TASK_FAILED:
        return f"{_counted(len(alarms), 'task')} failed"
    if kpi == SILENCE:
        return f"{len(alarms)} series not reported any more"
    if _is_feature(alarms):
        return f"{_counted(len(alarms), 'feature')} drifted ({kpi})"
    before = median(alarm.expected for alarm in alarms)
    after = median(alarm.value for alarm in alarms)
    if min(before, after) >= 0.0 and max(before, after) <= 1.0:
        return f"{kpi} {before:.2g} → {after:.2g}"
    change = median(relative_change(alarm.value, alarm.expected) for alarm in alarms)
    if not math.isfinite(change) or abs(change) > 10.0:
        return f"{kpi} {before:.4g} → {after:.4g}"
    return f"{kpi} {'−' if change < 0 else '+'}{abs(change):.0%}".replace("%", " %")


def _is_feature(alarms: Sequence[Alarm]) -> bool:
    return any(name in alarms[0].attributes for name in ("feature", "column"))


def _values(attributes: Sequence[Mapping[str, str]], name: str) -> frozenset[str]:
    return frozenset(one[name] for one in attributes if name in one)


def _some(*found: tuple[frozenset[str], str]) -> list[str]:
    return [_counted(len(values), noun) for values, noun in found if values]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
