"""
Response: is the right thing done about a fault, and is nothing healthy taken out of use?

``python -m benchmarks.detection.response [--storms N]``: storms of the simulator through the whole engine,
N for each number of concurrent causes (1 to 3), and as many quiet half hours; then quiet weeks, in which
any quarantine is wrong. Needs no data.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from aiops_provider.detection.limits import WatchConfig
from aiops_provider.detection.rules_file import default_rules
from aiops_provider.detection.watch import Watch
from aiops_provider.domain.alarm import ResponseAction
from benchmarks.command import Options, run
from benchmarks.detection.storm_simulator import (
    PERIOD,
    START,
    STORM,
    Incident,
    clusters,
    make_storm,
    quiet_hours,
)
from benchmarks.detection.storms import LEAST_ALARMS, Outcome, play
from benchmarks.report import Report, at_least, at_most

_FIRST_SEED = 500  # other storms than those of the grouping benchmark
_LEARNED, _WEEK = 48, 168  # hours of a quiet scenario
_INFRASTRUCTURE = frozenset({"provider", "region", "cluster"})


def measure(options: Options) -> Report:
    """Play storms and quiet times, judge what was done about each incident."""
    outcomes = [
        play(make_storm(options.seed + _FIRST_SEED + number, causes=causes))
        for causes in range(4)
        for number in range(options.extra.storms)
    ]
    kinds: dict[str, Counter[bool]] = {}
    for one in outcomes:
        for kind, right in _judged(one):
            kinds.setdefault(kind, Counter())[right] += 1
    wrong = sum(len(one.quarantined - _guilty(one)) for one in outcomes)
    weeks = options.extra.weeks
    quiet = [_quiet_week(options.seed + _FIRST_SEED + number) for number in range(weeks)]
    wrong += sum(len(one.clusters) for one in quiet)
    hours = float(weeks * _WEEK * len(clusters())) + sum(
        (len(clusters()) - len(_guilty(one))) * STORM * PERIOD.total_seconds() / 3600.0
        for one in outcomes
    )
    total: Counter[bool] = sum(kinds.values(), Counter())
    rows: list[dict[str, Any]] = [
        {
            "peer": f"aiops, {kind}",
            "incidents": counts.total(),
            "right response": counts[True] / counts.total(),
        }
        for kind, counts in sorted(kinds.items())
    ]
    rows.append(
        {
            "peer": "aiops, all",
            "incidents": total.total(),
            "right response": total[True] / max(total.total(), 1),
            "healthy clusters quarantined": wrong,
            "healthy cluster-hours": hours,
        }
    )
    rows.append(
        {
            "peer": "aiops, quiet weeks",
            "weeks": weeks,
            "alarms": sum(one.alarms for one in quiet),
            "super-alarms": sum(one.super_alarms for one in quiet),
            "healthy clusters quarantined": sum(len(one.clusters) for one in quiet),
        }
    )
    rows.append(_always_nothing(kinds))
    return Report(
        bench="detection.response",
        data="simulated",
        seed=options.seed,
        rows=rows,
        musts=[
            at_least("right response", total[True] / max(total.total(), 1), 0.95),
            at_most("healthy clusters quarantined", wrong, 0),
            at_least("healthy cluster-hours watched", hours, 3e4),
        ],
        notes=[
            "Right is: every cluster of a faulty provider, region or cluster quarantined; a faulty task "
            "held; nothing about a fault of data or software (DAG, operating system, version). A pair "
            "of levels is right if its clusters are quarantined, or nothing is done.",
            f"Incidents with fewer than {LEAST_ALARMS} alarms do not count.",
        ],
    )


@dataclass(frozen=True, slots=True)
class _Quiet:
    """What became of a week without any cause."""

    alarms: int
    super_alarms: int
    clusters: frozenset[str]


def _quiet_week(seed: int) -> _Quiet:
    """Two days are learned, a week is watched."""
    watch = Watch(WatchConfig(), default_rules(), clusters=clusters())
    alarms: set[str] = set()
    told: set[str] = set()
    quarantined: set[str] = set()
    for hour, samples in enumerate(quiet_hours(seed, _LEARNED + _WEEK)):
        if hour < _LEARNED:
            watch.learn(samples)
            continue
        watch.observe(samples)
        found = watch.evaluate(START + timedelta(hours=hour, minutes=30))
        alarms |= {one.id for one in found.alarms}
        told |= {one.id for one in found.super_alarms}
        quarantined |= {name for one in found.responses for name in one.clusters}
    return _Quiet(len(alarms), len(told), frozenset(quarantined))


def _judged(one: Outcome) -> list[tuple[str, bool]]:
    return [
        (_kind(one.storm.incidents[number]), _right(one, number, one.storm.incidents[number]))
        for number in sorted(one.counted())
    ]


def _kind(incident: Incident) -> str:
    names = set(incident.cause)
    if len(names) > 1:
        return "pair of levels"
    if names <= _INFRASTRUCTURE:
        return "clusters at fault"
    return "task at fault" if names == {"task"} else "data or software at fault"


def _right(one: Outcome, number: int, incident: Incident) -> bool:
    main = one.main_group(number)
    action = one.actions.get(main) if main else None
    quarantined = _hit(incident) <= one.quarantined
    match _kind(incident):
        case "clusters at fault":
            return quarantined
        case "task at fault":
            return action is ResponseAction.HOLD_TASK
        case "pair of levels":
            return quarantined or action in {None, ResponseAction.NOTHING}
        case _:
            return action in {None, ResponseAction.NOTHING}


def _hit(incident: Incident) -> set[str]:
    """Clusters that have the infrastructure part of a cause; none if it has none."""
    asked = {name: value for name, value in incident.cause.items() if name in _INFRASTRUCTURE}
    if not asked:
        return set()
    return {
        spec.name
        for spec in clusters()
        if asked.items()
        <= {"cluster": spec.name, "provider": spec.provider, "region": spec.region}.items()
    }


def _guilty(one: Outcome) -> set[str]:
    return set[str]().union(*(_hit(incident) for incident in one.storm.incidents))


def _always_nothing(kinds: dict[str, Counter[bool]]) -> dict[str, Any]:
    total = sum(counts.total() for counts in kinds.values())
    passive = sum(
        counts.total()
        for kind, counts in kinds.items()
        if kind in {"data or software at fault", "pair of levels"}
    )
    return {
        "peer": "never doing anything",
        "incidents": total,
        "right response": passive / max(total, 1),
        "healthy clusters quarantined": 0,
    }


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--storms", type=int, default=6, metavar="N", help="per number of causes")
    parser.add_argument("--weeks", type=int, default=12, metavar="N", help="quiet weeks")


if __name__ == "__main__":
    raise SystemExit(run("detection", measure, add_options=_options))
