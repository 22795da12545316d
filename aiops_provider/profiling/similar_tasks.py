"""
What similar tasks needed: the answer for a task that has not run yet.

The nearest neighbours of a task in one similarity index, their past outcomes in log space. A stranger's
level says nothing about a task, but the share of its request that it used says how people here ask.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.profile import Quantity, Source
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.workload import TaskDescription
from aiops_provider.profiling.estimate import Estimate
from aiops_provider.profiling.quantiles import (
    BOUNDED_LOG_SCALE,
    SMALLEST,
    Observation,
    few_run_quantiles,
)
from aiops_provider.profiling.similarity import Features, SimilarityIndex, features_of

# A neighbour's newest runs say what it needs; the least recently run tasks are forgotten.
_MOST_RUNS = 32
_MOST_TASKS = 5_000
_NEIGHBOURS = 10
# Names that share less than this share common words only ("run", "load").
_LEAST_LIKENESS = 0.25
# Before a task of its name has run, no task is taken to need less than this share of what people
# ask for, whatever strangers use of theirs: of 127 kinds in four nf-core workflows (Bader et al.,
# Sizey, CLUSTER 2024) one in ten used more.
LEAST_SHARE_OF_REQUEST = 0.75
# Strangers of one workflow rarely include its hungriest task: so much above the largest share seen.
_ABOVE_STRANGERS = 1.1
# Levels between which the share of a request is known too roughly for more.
_P50_SHARE, _P80_SHARE = 0.7, 0.95


class _Run(NamedTuple):
    ended_at: datetime
    peak_gib: float
    duration_s: float
    cores: float


@dataclass(slots=True)
class _Member:
    """One task's good runs, newest last."""

    runs: dict[TaskRun, _Run] = field(default_factory=dict)

    def until(self, now: datetime) -> list[_Run]:
        return [run for run in self.runs.values() if run.ended_at <= now]


@dataclass(frozen=True, slots=True)
class _Neighbour:
    """
    A task with outcomes, as seen from another.

    Attributes:
        task: Which.
        likeness: See ``SimilarityIndex.likeness``.
        runs: Its good runs that had ended.
        largest_gib: Largest peak of them.
        share: ``largest_gib`` as a share of what people ask for; ``None`` where that is unknown.
    """

    task: TaskKey
    likeness: float
    runs: Sequence[_Run]
    largest_gib: float
    share: float | None


class SimilarTasks:
    """
    Nearest neighbours over past outcomes, in log space.

    Tasks of like names (``likeness`` of a quarter or more, at most ten) give levels: each the larger of
    what it needed and of the share of its request that it used, applied to this task's request. All
    tasks found give shares of requests; without a like name, or with few of them, the answer leans on
    those, and never goes below three quarters of what people ask for. It leans on like names by
    ``likeness² * n / (n + 1)`` with *n* their effective number.

    It cannot know that a like name does unlike work: own runs correct it (``blend``).
    """

    name = "similar_tasks"

    def __init__(self) -> None:
        self._index = SimilarityIndex()
        # In the order of learning, so that the first is the one to forget.
        self._members: dict[TaskKey, _Member] = {}
        # A host asks in one thread and learns in another.
        self._lock = threading.Lock()

    def learn(self, record: ExecutionRecord, description: TaskDescription | None) -> None:
        """Take in one finished try; only good runs say what a task needs."""
        usage = record.usage
        if record.outcome is not Outcome.SUCCESS or usage is None or usage.peak_memory_gib <= 0:
            return
        with self._lock:
            self._take_in(record, usage, description)

    def _take_in(
        self, record: ExecutionRecord, usage: Usage, description: TaskDescription | None
    ) -> None:
        task = record.run.task
        known = self._index.get(task)
        features = features_of(task, description, operator=record.operator, machine=record.cluster)
        if description is None and known is not None:
            features = known
        member = self._members.pop(task, None) or _Member()
        self._members[task] = member
        member.runs.pop(record.run, None)
        member.runs[record.run] = _Run(
            record.ended_at,
            max(usage.peak_memory_gib, SMALLEST),
            max(usage.duration_s, SMALLEST),
            max(usage.mean_cores, SMALLEST),
        )
        if len(member.runs) > _MOST_RUNS:
            del member.runs[min(member.runs, key=lambda run: member.runs[run].ended_at)]
        self._index.put(task, features)
        if len(self._members) > _MOST_TASKS:
            forgotten = next(iter(self._members))
            del self._members[forgotten]
            self._index.drop(forgotten)

    def predict(
        self,
        task: TaskKey,
        description: TaskDescription | None,
        history: Sequence[ExecutionRecord],  # noqa: ARG002 – own runs are weighed separately
        *,
        now: datetime,
    ) -> Estimate | None:
        """Memory, duration and cores as far as similar tasks tell; ``None`` if there are none."""
        features = features_of(task, description)
        with self._lock:
            found = self._neighbours(task, features, now)
        alike = sorted(
            (n for n in found if n.likeness >= _LEAST_LIKENESS), key=lambda n: -n.likeness
        )[:_NEIGHBOURS]
        memory = _memory(features.requested_gib, alike, found)
        if memory is None and not alike:
            return None
        return Estimate(
            memory_gib=memory,
            duration_s=_level("duration", alike, [_median(n, "duration_s") for n in alike]),
            cores=_level("cores", alike, [_median(n, "cores") for n in alike]),
            neighbours=tuple(n.task for n in alike) or None,
        ).within_limits()

    def _neighbours(self, task: TaskKey, features: Features, now: datetime) -> list[_Neighbour]:
        found = []
        for other in self._index.candidates(features):
            if other == task:
                continue
            theirs = self._index.get(other)
            runs = self._members[other].until(now)
            if theirs is None or not runs:
                continue
            largest = max(run.peak_gib for run in runs)
            asked = theirs.requested_gib
            share = min(1.0, largest / asked) if asked else None
            likeness = self._index.likeness(features, theirs)
            found.append(_Neighbour(other, likeness, runs, largest, share))
        return found


def _memory(
    requested: float | None, alike: Sequence[_Neighbour], found: Sequence[_Neighbour]
) -> Quantity | None:
    levels = _level("peak memory", alike, [_scaled(n, requested) for n in alike])
    shares = [n.share for n in found if n.share is not None]
    if requested is None or not shares:
        return levels
    strangers = _of_request(requested, max(shares), sum(len(n.runs) for n in found), len(shares))
    if levels is None:
        return strangers
    trust = _trust(alike)

    def between(like: float, unlike: float) -> float:
        return math.exp(trust * math.log(like) + (1 - trust) * math.log(unlike))

    return Quantity(
        p50=between(levels.p50, strangers.p50),
        p80=between(levels.p80, strangers.p80),
        p95=between(levels.p95, strangers.p95),
        source=Source.SIMILAR_TASKS,
        sample_count=levels.sample_count,
        reason=f"{levels.reason}, trusted {100 * trust:.0f} %; else {strangers.reason}",
    )


def _of_request(requested: float, largest_share: float, runs: int, tasks: int) -> Quantity:
    share = min(1.0, max(LEAST_SHARE_OF_REQUEST, _ABOVE_STRANGERS * largest_share))
    top = share * requested
    return Quantity(
        p50=_P50_SHARE * top,
        p80=_P80_SHARE * top,
        p95=top,
        source=Source.SIMILAR_TASKS,
        sample_count=runs,
        reason=(
            f"{tasks} task{'s' if tasks != 1 else ''} nearby used at most "
            f"{100 * largest_share:.0f} % of the requested memory, of which this one has "
            f"{requested:.4g} GiB"
        ),
    )


def _trust(alike: Sequence[_Neighbour]) -> float:
    """How far tasks of like names are believed, in [0, 1)."""
    count = math.fsum(n.likeness for n in alike)
    nearest = max(n.likeness for n in alike)
    return nearest**2 * count / (count + 1)


def _scaled(neighbour: _Neighbour, requested: float | None) -> float:
    if requested is None or neighbour.share is None:
        return neighbour.largest_gib
    return max(neighbour.largest_gib, neighbour.share * requested)


def _median(neighbour: _Neighbour, figure: str) -> float:
    values = sorted(getattr(run, figure) for run in neighbour.runs)
    return float(values[len(values) // 2])


def _level(what: str, alike: Sequence[_Neighbour], values: Sequence[float]) -> Quantity | None:
    if not alike:
        return None
    observations = [Observation(v, n.likeness) for v, n in zip(values, alike, strict=True)]
    p50, p80, p95 = few_run_quantiles(observations, default_scale=BOUNDED_LOG_SCALE)
    runs = sum(len(n.runs) for n in alike)
    named = ", ".join(str(n.task) for n in alike[:3])
    return Quantity(
        p50=p50,
        p80=p80,
        p95=p95,
        source=Source.SIMILAR_TASKS,
        sample_count=runs,
        reason=(
            f"{what} of {runs} run{'s' if runs != 1 else ''} of {len(alike)} similar "
            f"task{'s' if len(alike) != 1 else ''} ({named}{' …' if len(alike) > 3 else ''})"
        ),
    )
