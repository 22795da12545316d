"""Replays task runs as a scheduler would have met them, and counts what a sizer wastes."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.profiling.memory_traces import Job

LARGEST_GIB = 128.0


@dataclass(frozen=True, slots=True, order=True)
class Outcome:
    """
    One finished try.

    Attributes:
        ended_s: When it became known.
        number: Of its job.
        attempt: 1 for the first try.
        job: What ran.
        allowed_gib: What it was given.
    """

    ended_s: float
    number: int
    attempt: int
    job: Job = field(compare=False)
    allowed_gib: float = field(compare=False)

    @property
    def killed(self) -> bool:
        """Whether the memory was not enough."""
        return self.job.peak_gib > self.allowed_gib


class Sizer(Protocol):
    """Chooses the memory of a try; one object per replay."""

    def first(self, job: Job) -> float:
        """GiB for the first try, from the outcomes told so far and the user's request."""
        ...

    def next(self, job: Job, failed_gib: float) -> float:
        """GiB for the try after one was killed at *failed_gib*."""
        ...

    def learn(self, outcome: Outcome) -> None:
        """Take in a finished try."""
        ...


@dataclass(slots=True)
class Tally:
    """
    What was held for nothing.

    Attributes:
        jobs: Number of task runs.
        kills: Tries that were killed for memory; each is a whole run lost.
        waste_gib_h: Memory held beyond the peak, and all that killed tries held.
    """

    jobs: int = 0
    kills: int = 0
    waste_gib_h: float = 0.0

    @property
    def failures(self) -> float:
        """Killed tries per task run."""
        return self.kills / self.jobs if self.jobs else 0.0


@dataclass(slots=True)
class Replay:
    """Cold and warm task runs apart."""

    cold: Tally = field(default_factory=Tally)
    warm: Tally = field(default_factory=Tally)


def cold_jobs(jobs: Sequence[Job]) -> set[int]:
    """Numbers of the jobs submitted before any run of their kind had ended in the trace."""
    first_end: dict[str, float] = {}
    for job in jobs:
        first_end[job.kind] = min(first_end.get(job.kind, job.completed_s), job.completed_s)
    return {job.number for job in jobs if first_end[job.kind] > job.submitted_s}


def replay(jobs: Sequence[Job], sizer: Sizer) -> Replay:
    """
    Size each job with what had ended before it was submitted.

    A try that is given less than the job needs holds its memory for the whole run and is lost; the
    next one starts when it has ended. No try gets more than 128 GiB or what the job needs at most.

    Args:
        jobs: Of one workflow, in the order of submission.
        sizer: Fresh.
    """
    cold, found = cold_jobs(jobs), Replay()
    running: list[Outcome] = []
    for job in jobs:
        while running and running[0].ended_s <= job.submitted_s:
            sizer.learn(heapq.heappop(running))
        tally = found.cold if job.number in cold else found.warm
        tally.jobs += 1
        most = max(LARGEST_GIB, job.peak_gib)
        attempt, ended_s = 1, job.completed_s
        allowed = min(sizer.first(job), most)
        while job.peak_gib > allowed:
            heapq.heappush(running, Outcome(ended_s, job.number, attempt, job, allowed))
            tally.kills += 1
            tally.waste_gib_h += allowed * job.hours
            attempt, ended_s = attempt + 1, ended_s + job.runtime_s
            larger = min(sizer.next(job, allowed), most)
            if larger <= allowed:
                raise ValueError(
                    f"after a kill at {allowed:g} GiB, {type(sizer).__name__} must ask for more, "
                    f"not {larger:g} GiB"
                )
            allowed = larger
        tally.waste_gib_h += (allowed - job.peak_gib) * job.hours
        heapq.heappush(running, Outcome(ended_s, job.number, attempt, job, allowed))
    return found
