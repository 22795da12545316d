"""
Storms: how few super-alarms, how purely grouped, with which cause, how soon?

``python -m benchmarks.detection.storms [--storms N]``: N seeded storms for each number of concurrent
causes (1 to 5) through the whole engine, and N of one cause in an installation eight times as large;
peers group the very same alarms. Needs no data.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from aiops_provider.detection.limits import WatchConfig
from aiops_provider.detection.rules_file import default_rules
from aiops_provider.detection.watch import Watch
from aiops_provider.domain.alarm import Alarm, ResponseAction
from aiops_provider.domain.kpi import SeriesKey
from benchmarks.command import Options, run
from benchmarks.detection.storm_simulator import (
    PERIOD,
    START,
    Storm,
    clusters,
    make_storm,
)
from benchmarks.report import Must, Report, at_least, at_most

Grouping = Callable[[Sequence[Alarm]], list[object]]

# Number of an incident, None for background, or the mark of an alarm that several incidents hit.
Truth = int | None | object
_SEVERAL = "several"

# An incident with fewer alarms than this, its own or shared with others, could not be told from
# chance by anyone.
LEAST_ALARMS = 4

# One cause that floods: so many tasks, and so many alarms at least.
_MANY_TASKS, _FLOOD = 320, 1_000


@dataclass(slots=True)
class Outcome:
    """What became of one storm: alarms with truth and group, super-alarms with cause and time."""

    storm: Storm
    alarms: list[Alarm] = field(default_factory=list)
    incidents: list[frozenset[int]] = field(default_factory=list)
    groups: list[object] = field(default_factory=list)
    causes: dict[str, dict[str, str]] = field(default_factory=dict)
    opened: dict[str, int] = field(default_factory=dict)
    actions: dict[str, ResponseAction] = field(default_factory=dict)
    quarantined: set[str] = field(default_factory=set)

    @property
    def truth(self) -> list[Truth]:
        """The one incident that each alarm is part of, none, or that it is of several."""
        return [
            _SEVERAL if len(numbers) > 1 else next(iter(numbers), None)
            for numbers in self.incidents
        ]

    def counted(self) -> set[int]:
        """Incidents that could be told."""
        return {
            number
            for number in range(len(self.storm.incidents))
            if sum(number in numbers for numbers in self.incidents) >= LEAST_ALARMS
        }

    def main_group(self, number: int) -> str | None:
        """The super-alarm that holds most of an incident's own alarms, then of all of them."""
        own: Counter[str] = Counter()
        shared: Counter[str] = Counter()
        for numbers, group in zip(self.incidents, self.groups, strict=True):
            if number in numbers and group is not None:
                (own if len(numbers) == 1 else shared)[str(group)] += 1
        return max(
            own.keys() | shared.keys(),
            key=lambda group: (own[group], shared[group], group),
            default=None,
        )


def play(storm: Storm) -> Outcome:
    """Feed a storm to the engine, period by period."""
    watch = Watch(WatchConfig(lead=PERIOD), default_rules(), clusters=clusters())
    watch.learn(storm.history)
    out = Outcome(storm)
    truth: dict[SeriesKey, list[tuple[datetime, frozenset[int]]]] = defaultdict(list)
    alarms: dict[str, Alarm] = {}
    for number, arrivals in enumerate(storm.periods):
        for arrival in arrivals:
            sample = arrival.sample
            truth[sample.series].append((sample.observed_at, arrival.incidents))
        watch.observe(arrival.sample for arrival in arrivals)
        told = watch.evaluate(START + (number + 1) * PERIOD + timedelta(seconds=5))
        alarms |= {alarm.id: alarm for alarm in told.alarms}
        for one in told.super_alarms:
            out.causes[one.id] = dict(one.root_cause.best.cause)
            out.opened.setdefault(one.id, number)
            if one.response is not None:
                out.actions[one.id] = one.response.action
                out.quarantined |= set(one.response.clusters)
    out.alarms = list(alarms.values())
    out.incidents = [_incidents_of(alarm, truth[alarm.series]) for alarm in out.alarms]
    out.groups = [alarm.super_alarm for alarm in out.alarms]
    return out


def _incidents_of(
    alarm: Alarm, samples: Sequence[tuple[datetime, frozenset[int]]]
) -> frozenset[int]:
    """The incidents that an alarm is part of while it lasts."""
    end = alarm.last_seen_at or alarm.observed_at
    return frozenset[int]().union(
        *(numbers for at, numbers in samples if alarm.observed_at <= at <= end)
    )


def by_fingerprint(alarms: Sequence[Alarm]) -> list[object]:
    """Deduplication by KPI and task."""
    return [(alarm.series.name, alarm.attributes.get("task")) for alarm in alarms]


def by_labels(alarms: Sequence[Alarm]) -> list[object]:
    """Alertmanager with ``group_by: [provider, region, cluster]`` and a group interval of 5 minutes."""
    return [
        tuple(alarm.attributes.get(name) for name in ("provider", "region", "cluster"))
        for alarm in alarms
    ]


def by_window(alarms: Sequence[Alarm]) -> list[object]:
    """Everything within 15 minutes of the alarm before is one incident."""
    order = sorted(range(len(alarms)), key=lambda i: alarms[i].observed_at)
    found: list[object] = [None] * len(alarms)
    group = 0
    for before, now in zip([None, *order], order, strict=False):
        if before is not None and alarms[now].observed_at - alarms[before].observed_at > timedelta(
            minutes=15
        ):
            group += 1
        found[now] = group
    return found


def by_density(alarms: Sequence[Alarm]) -> list[object]:
    """DBSCAN over one-hot attributes: alarms that differ in at most four of eight are neighbours."""
    if not alarms:
        return []
    from sklearn.cluster import DBSCAN

    codes = _codes(alarms)
    labels = DBSCAN(eps=4.01 / codes.shape[1], min_samples=3, metric="hamming").fit_predict(codes)
    return [None if label < 0 else int(label) for label in labels]


def by_hierarchy(alarms: Sequence[Alarm]) -> list[object]:
    """HDBSCAN over the same attributes; three alarms are a group, all of them may be one."""
    if len(alarms) < 3:
        return [None] * len(alarms)
    from sklearn.cluster import HDBSCAN

    found = HDBSCAN(min_cluster_size=3, metric="hamming", allow_single_cluster=True, copy=True)
    return [None if label < 0 else int(label) for label in found.fit_predict(_codes(alarms))]


def _codes(alarms: Sequence[Alarm]) -> np.ndarray:
    """Attributes as numbers, of which only equality means something; shape (alarms, attributes)."""
    names = ("provider", "region", "cluster", "task", "dag", "os", "version")
    return np.array(
        [[hash(alarm.attributes.get(name)) % 2**31 for name in names] for alarm in alarms]
    )


PEERS: dict[str, Grouping] = {
    "Alertmanager (group_by cluster)": by_labels,
    "fingerprint (KPI and task)": by_fingerprint,
    "time window (15 min)": by_window,
    "DBSCAN over attributes": by_density,
    "HDBSCAN over attributes": by_hierarchy,
}


def measure(options: Options) -> Report:
    """Play all storms, score the engine and the peers."""
    outcomes = [
        play(make_storm(options.seed + number, causes=causes))
        for causes in range(1, 6)
        for number in range(options.extra.storms)
    ]
    ours = _row("aiops", outcomes, [one.groups for one in outcomes])
    ours |= _causes(outcomes)
    rows = [ours]
    rows += [
        _row(name, outcomes, [group(one.alarms) for one in outcomes])
        for name, group in PEERS.items()
    ]
    rng = np.random.default_rng(options.seed)
    chance: list[list[object]] = [
        list(rng.integers(len(one.storm.incidents), size=len(one.alarms))) for one in outcomes
    ]
    rows.append(_row("random groups, as many as incidents", outcomes, chance))
    floods = [
        one
        for number in range(options.extra.storms)
        if len((one := play(make_storm(options.seed + number, causes=1, tasks=_MANY_TASKS))).alarms)
        >= _FLOOD
    ]
    flood = _row("aiops, floods of one cause", floods, [one.groups for one in floods])
    flood |= _causes(floods)
    rows.append(flood)
    rows += [
        _row(f"{name}, floods of one cause", floods, [group(one.alarms) for one in floods])
        for name, group in PEERS.items()
    ]
    return Report(
        bench="detection.storms",
        data="simulated",
        seed=options.seed,
        rows=rows,
        musts=[
            *_musts(ours),
            at_most("super-alarms per flood of one cause (aim)", flood["groups / incident"], 1.0),
        ],
        notes=[
            "Pairs are pairs of alarms that have a cause in truth; background alarms that were put "
            "into a group count against its purity, as pairs with every other member.",
            "An alarm that several incidents hit while it lasts belongs to each of them; it is in no "
            "pair, for the engine and for the peers alike.",
            f"Incidents with fewer than {LEAST_ALARMS} alarms do not count; an alarm that several hit counts "
            "for each of them. Lost is an incident none of whose alarms is in any group.",
            "Reduction: share of the alarms that nobody need look at, 1 - groups / alarms; the oracle "
            "tells each incident once. Alarms in no group page nobody.",
            "Delay: sampling periods from the onset to the end of the period in which the first "
            "super-alarm with a member of the incident was opened; 1 is the fastest possible.",
            f"Floods: of {options.extra.storms} storms of one cause over {_MANY_TASKS} tasks of twelve "
            f"partitions those with {_FLOOD:,} alarms and more.",
        ],
    )


def _row(
    peer: str, outcomes: Sequence[Outcome], groups: Sequence[Sequence[object]]
) -> dict[str, Any]:
    told = incidents = alarms = lost = 0
    same_both = same_told = same_true = 0
    for one, grouping in zip(outcomes, groups, strict=True):
        counted = one.counted()
        incidents += len(counted)
        alarms += len(one.alarms)
        told += len({group for group in grouping if group is not None})
        covered = {
            number
            for numbers, group in zip(one.incidents, grouping, strict=True)
            if group is not None
            for number in numbers
        }
        lost += len(counted - covered)
        both, mine, true = _pairs(one.truth, grouping)
        same_both, same_told, same_true = same_both + both, same_told + mine, same_true + true
    precision, recall = same_both / max(same_told, 1), same_both / max(same_true, 1)
    return {
        "peer": peer,
        "storms": len(outcomes),
        "incidents": incidents,
        "alarms": alarms,
        "groups": told,
        "groups / incident": told / max(incidents, 1),
        "pair precision": precision,
        "pair recall": recall,
        "pair-F1": 2.0 * precision * recall / max(precision + recall, 1e-12),
        "lost": lost,
        "reduction": 1.0 - told / max(alarms, 1),
        "of the oracle's": (1.0 - told / max(alarms, 1)) / (1.0 - incidents / max(alarms, 1)),
    }


def _pairs(truth: Sequence[Truth], groups: Sequence[object]) -> tuple[int, int, int]:
    """Pairs that are together in truth and in the groups, in the groups, in truth."""
    cells: Counter[tuple[object, object]] = Counter()
    # Every background alarm is an incident of its own.
    named = [true if true is not None else f"background-{i}" for i, true in enumerate(truth)]
    clear = [(true, group) for true, group in zip(named, groups, strict=True) if true != _SEVERAL]
    for true, group in clear:
        if group is not None:
            cells[true, group] += 1
    by_group: Counter[object] = Counter()
    for (_, group), count in cells.items():
        by_group[group] += count
    by_truth = Counter(true for true, _ in clear)
    choose = [count * (count - 1) // 2 for count in cells.values()]
    return (
        sum(choose),
        sum(count * (count - 1) // 2 for count in by_group.values()),
        sum(count * (count - 1) // 2 for count in by_truth.values()),
    )


def _causes(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    exact, total, delays = 0, 0, []
    for one in outcomes:
        for number in one.counted():
            total += 1
            incident = one.storm.incidents[number]
            main = one.main_group(number)
            exact += main is not None and one.causes.get(main) == incident.cause
            told = [
                one.opened[str(group)]
                for numbers, group in zip(one.incidents, one.groups, strict=True)
                if number in numbers and group is not None
            ]
            if told:
                delays.append(max(min(told) - incident.onset, 0) + 1)
    return {
        "exact cause": exact / max(total, 1),
        "delay median": float(np.median(delays)) if delays else float("nan"),
        "delay p95": float(np.quantile(delays, 0.95)) if delays else float("nan"),
    }


def _musts(ours: dict[str, Any]) -> list[Must]:
    return [
        at_least("super-alarms per incident", ours["groups / incident"], 1.0),
        at_most("super-alarms per incident", ours["groups / incident"], 1.1),
        at_least("pair-F1", ours["pair-F1"], 0.95),
        at_least("exact cause", ours["exact cause"], 0.9),
        at_most("incidents lost", ours["lost"], 0),
        at_least("reduction, of the oracle's", ours["of the oracle's"], 0.98),
        at_most("delay p95, periods", ours["delay p95"], 2.0),
    ]


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--storms", type=int, default=8, metavar="N", help="per number of causes")


if __name__ == "__main__":
    raise SystemExit(run("detection", measure, add_options=_options))
