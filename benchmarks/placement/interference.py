"""
Groups of jobs that slow one another, with measured rates of jobs that share an accelerator.

``python -m benchmarks.placement.interference [--data FOLDER] [--seed N] [--output json]``. FOLDER holds
``gavel-throughputs``. Each kind of job is a workload with hours and a duration drawn at random; its groups
are made without and with the table of slowdowns, then every run is replayed in continuous time: beside
each other runs progress at the measured rates, and so last longer and meet more of the others. The
planner's sums know none of that replay.
"""

from __future__ import annotations

import ast
import gzip
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import permutations
from pathlib import Path

from aiops_provider.domain.plan import WorkloadGroup
from aiops_provider.domain.profile import (
    ComputeType,
    Quantity,
    ResourceRequest,
    Source,
    WorkloadProfile,
)
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.units import HOURS_PER_WEEK
from aiops_provider.placement.interference import Interference, Slowdown
from aiops_provider.placement.multiplexing import make_group, multiplex
from benchmarks.command import Options, run
from benchmarks.report import Must, Report, at_most

_ACCELERATORS = ("v100", "p100", "k80")
_BEARABLE = 1.2
_RARE = 0.01
_DRAWS = 10
_WEEKS = 40
# Pairs that get nothing done together: out of memory.
_NEVER = 1e6
_NAMESPACE = "jobs"
_OURS = "aiops"


def main() -> int:
    """See the module."""
    return run("placement", measure)


def read_gavel(file: Path, accelerator: str) -> list[Slowdown]:
    """
    Time of each kind of job beside each other one on one accelerator, from Gavel's throughputs.

    Args:
        file: ``simulation_throughputs.json.gz``.
        accelerator: A key of it, such as ``v100``.
    """
    rates = json.loads(gzip.decompress(file.read_bytes()))[accelerator]
    alone = {job: found["null"] for job, found in rates.items() if ast.literal_eval(job)[1] == 1}
    return [
        Slowdown(
            task=f"{_NAMESPACE}/{job}",
            beside=f"{_NAMESPACE}/{other}",
            slowdown=alone[job] / pair[0] if pair[0] > 0 else _NEVER,
        )
        for job in alone
        for other, pair in rates[job].items()
        if other in alone
    ]


@dataclass(slots=True)
class _Seen:
    """What a way of grouping came to, over all draws."""

    groups: int = 0
    reserved: float = 0.0
    planned_h: float = 0.0
    replayed_h: float = 0.0
    worst_pair: float = 1.0
    stretches: list[float] = field(default_factory=list)


def measure(options: Options) -> Report:
    """Without and with the table, on each accelerator."""
    rows: list[dict[str, object]] = []
    musts: list[Must] = []
    for accelerator in _ACCELERATORS:
        measured = read_gavel(
            options.data / "gavel-throughputs" / "simulation_throughputs.json.gz", accelerator
        )
        truth = Interference(measured, most=_BEARABLE, most_meetings=_RARE)
        strict = Interference(measured, most=_BEARABLE)
        for peer, group_them in (
            ("none", lambda profiles: [make_group([profile]) for profile in profiles]),
            ("without the table", multiplex),
            ("apart whatever the hours", partial(multiplex, interference=strict)),
            (_OURS, partial(multiplex, interference=truth)),
        ):
            seen = _Seen()
            for draw in range(_DRAWS):
                chance = random.Random(f"{options.seed} {accelerator} {draw}")  # noqa: S311
                profiles = _workloads(measured, chance)
                for group in group_them(profiles):
                    _count(group, profiles, truth, seen, chance)
            rows.append(_row(accelerator, peer, seen))
            if peer == _OURS:
                musts += [
                    at_most(
                        f"{accelerator}: hours as replayed over hours as planned",
                        seen.replayed_h / seen.planned_h,
                        1.05,
                    ),
                    at_most(
                        f"{accelerator}: share of runs slowed beyond {_BEARABLE:g} times",
                        _beyond(seen),
                        0.01,
                    ),
                ]
    return Report(
        bench="placement.interference",
        data="gavel-throughputs",
        seed=options.seed,
        rows=rows,
        musts=musts,
        notes=[
            f"26 kinds of jobs of one accelerator, each on some days of the week at one hour, for 0.5 to 6 "
            f"hours; {_DRAWS} draws, {_WEEKS} weeks of each replayed. The limit of "
            f"{_BEARABLE:g} is the default of planning.most_slowdown, {_RARE:g} that of "
            "planning.most_meetings, which is 0 where pairs are kept apart whatever the hours.",
            "Reserved: sum over the groups of the peak of their expected need, per draw. Hours: of "
            "accelerators a week and draw, as the groups' series say and as the replay has them.",
            "The table has pairs; a run beside several others is slowed by the sum of the excesses, in the "
            "plan and in the replay: what three jobs on one accelerator really do was not measured.",
            "A run that meets one with which it cannot run at all waits in the replay until that one is "
            "done; its waiting is in the hours and it is among the slowed ones.",
        ],
    )


def _workloads(measured: Sequence[Slowdown], chance: random.Random) -> list[WorkloadProfile]:
    found = []
    for name in sorted({row.task for row in measured}):
        hour, days = chance.randrange(24), chance.sample(range(7), chance.randint(1, 7))
        starts = [0.0] * HOURS_PER_WEEK
        for day in days:
            starts[day * 24 + hour] = 1.0
        found.append(
            WorkloadProfile(
                task=TaskKey.parse(name),
                compute_type=ComputeType.GPU,
                cores=_exactly(1),
                memory_gib=_exactly(1),
                duration_s=_exactly(3600 * chance.uniform(0.5, 6.0)),
                request=ResourceRequest(cores=1, memory_gib=1, accelerators=1),
                predicted_at=datetime(2026, 1, 1, tzinfo=UTC),
                starts_by_hour_of_week=tuple(starts),
            )
        )
    return found


def _exactly(value: float) -> Quantity:
    return Quantity(p50=value, p80=value, p95=value, source=Source.PRIOR)


def _count(
    group: WorkloadGroup,
    profiles: Sequence[WorkloadProfile],
    truth: Interference,
    seen: _Seen,
    chance: random.Random,
) -> None:
    members = [profile for profile in profiles if profile.task in group.tasks]
    series = group.accelerators_by_slot
    seen.groups += 1
    seen.reserved += max(series)
    seen.planned_h += sum(series) * (HOURS_PER_WEEK / len(series))
    pairs = permutations(group.tasks, 2)
    seen.worst_pair = max([seen.worst_pair, *(truth.slowdown(*pair, None) for pair in pairs)])
    stretches = _replay(members, truth, chance)
    seen.stretches += [long / alone for long, alone in stretches]
    seen.replayed_h += sum(long for long, _ in stretches) / _WEEKS


def _replay(
    members: Sequence[WorkloadProfile], truth: Interference, chance: random.Random
) -> list[tuple[float, float]]:
    """Hours that every run took, and would have taken alone."""
    arrivals = sorted(
        (week * HOURS_PER_WEEK + hour + chance.random(), number)
        for number, member in enumerate(members)
        for hour, starts in enumerate(member.starts_by_hour_of_week)
        if starts
        for week in range(_WEEKS)
    )
    # Of each run in progress: its member, when it began, the hours of work that are left.
    active: list[list[float]] = []
    done: list[tuple[float, float]] = []
    now, at = 0.0, 0
    while active or at < len(arrivals):
        rates = _rates(active, members, truth)
        ends = [
            one[2] / rate if rate > 0 else float("inf")
            for one, rate in zip(active, rates, strict=True)
        ]
        until_arrival = arrivals[at][0] - now if at < len(arrivals) else float("inf")
        step = min([until_arrival, *ends])
        for one, rate in zip(active, rates, strict=True):
            one[2] -= rate * step
        now += step
        ended = [one for one, end in zip(active, ends, strict=True) if end <= step]
        active = [one for one, end in zip(active, ends, strict=True) if end > step]
        done += [(now - one[1], members[int(one[0])].duration_s.p50 / 3600) for one in ended]
        if until_arrival <= step:
            number = arrivals[at][1]
            active.append([float(number), now, members[number].duration_s.p50 / 3600])
            at += 1
    return done


def _rates(
    active: Sequence[Sequence[float]], members: Sequence[WorkloadProfile], truth: Interference
) -> list[float]:
    """Progress of each run in progress, the earliest first; 0 for one that has to wait for an earlier."""
    tasks = [members[int(one[0])].task for one in active]
    moving: list[int] = []
    for late, task in enumerate(tasks):
        if all(
            max(truth.slowdown(task, tasks[early], None), truth.slowdown(tasks[early], task, None))
            < _NEVER
            for early in moving
            if tasks[early] != task
        ):
            moving.append(late)
    rates = [0.0] * len(tasks)
    for one in moving:
        excess = sum(
            truth.slowdown(tasks[one], tasks[other], None) - 1.0
            for other in moving
            if tasks[other] != tasks[one]
        )
        rates[one] = 1.0 / (1.0 + excess)
    return rates


def _beyond(seen: _Seen) -> float:
    return sum(stretch > _BEARABLE for stretch in seen.stretches) / len(seen.stretches)


def _row(accelerator: str, peer: str, seen: _Seen) -> dict[str, object]:
    return {
        "accelerator": accelerator,
        "peer": peer,
        "runs": len(seen.stretches),
        "groups": seen.groups / _DRAWS,
        "reserved": seen.reserved / _DRAWS,
        "planned h": seen.planned_h / _DRAWS,
        "replayed h": seen.replayed_h / _DRAWS,
        "replayed/planned": seen.replayed_h / seen.planned_h,
        "worst pair": seen.worst_pair,
        "mean slowdown": sum(seen.stretches) / len(seen.stretches),
        f"runs beyond {_BEARABLE:g}": _beyond(seen),
    }


if __name__ == "__main__":
    raise SystemExit(main())
