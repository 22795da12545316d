"""
Requests of the profiler on traces of real workflows, as a scheduler would have made them.

Four nf-core workflows (Bader et al., Sizey, IEEE CLUSTER 2024). An outcome is known only once its
task has ended. What the user asks for is known, as evidence; a killed run is lost as a whole and
tried again. ``benchmarks.profiling.memory_sizing`` measures the same beside others' rules.
"""

from __future__ import annotations

import csv
import gzip
import heapq
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.workload import Generic
from aiops_provider.profiling.profiler import Profiler

TRACES = Path(__file__).parents[4] / "shared/data/profiling/nfcore_memory"


@dataclass(frozen=True)
class Execution:
    number: int
    task: TaskKey
    submitted: datetime
    ended: datetime
    duration_s: float
    asked_gib: float
    peak_gib: float

    def record(self, attempt: int, ended: datetime, allowed_gib: float) -> ExecutionRecord:
        killed = self.peak_gib > allowed_gib
        return ExecutionRecord(
            run=TaskRun(self.task, str(self.number), try_number=attempt),
            cluster="c",
            provider="p",
            region="r",
            started_at=ended - timedelta(seconds=self.duration_s),
            ended_at=ended,
            outcome=Outcome.OUT_OF_MEMORY if killed else Outcome.SUCCESS,
            request=ResourceRequest(cores=1, memory_gib=allowed_gib),
            usage=Usage(
                peak_memory_gib=min(self.peak_gib, allowed_gib),
                cpu_seconds=self.duration_s,
                duration_s=self.duration_s,
            ),
        )


@dataclass
class Tally:
    """GiB hours held for nothing, and runs killed."""

    users_waste: float = 0.0
    waste: float = 0.0
    kills: int = 0


def executions_of(workflow: str) -> list[Execution]:
    file = TRACES / f"trace_{workflow}.csv.gz"
    if not file.is_file():
        pytest.skip(f"shared data are absent: {file}")

    def moment(milliseconds: str) -> datetime:
        return datetime.fromtimestamp(float(milliseconds) / 1000, UTC)

    with gzip.open(file, "rt") as lines:
        rows = [
            row
            for row in csv.DictReader(lines)
            if row["status"] == "COMPLETED" and "-" not in (row["peak_rss"], row["memory"])
        ]
    found = [
        Execution(
            number=number,
            task=TaskKey(workflow, row["process"]),
            submitted=moment(row["submit"]),
            ended=moment(row["complete"]),
            duration_s=max(float(row["realtime"]) / 1000, 1.0),
            asked_gib=float(row["memory"]) / 2**30,
            peak_gib=float(row["peak_rss"]) / 2**30,
        )
        for number, row in enumerate(rows)
    ]
    return sorted(found, key=lambda e: (e.submitted, e.number))


def replay(executions: list[Execution]) -> Tally:
    profiler, tally = Profiler(), Tally()
    running: list[tuple[datetime, int, int, ExecutionRecord]] = []
    for execution in executions:
        while running and running[0][0] <= execution.submitted:
            profiler.learn(heapq.heappop(running)[3])
        hours = execution.duration_s / 3600
        tally.users_waste += (execution.asked_gib - execution.peak_gib) * hours
        user = Generic(requested_memory_gib=execution.asked_gib)
        profile = profiler.predict(execution.task, user, now=execution.submitted)
        attempt, ended = 1, execution.ended
        while execution.peak_gib > (allowed := profile.request.memory_gib):
            record = execution.record(attempt, ended, allowed)
            heapq.heappush(running, (ended, execution.number, attempt, record))
            tally.kills += 1
            tally.waste += allowed * hours
            profile = profiler.enlarge(profile, failed=profile.request)
            attempt, ended = attempt + 1, ended + timedelta(seconds=execution.duration_s)
        tally.waste += (allowed - execution.peak_gib) * hours
        record = execution.record(attempt, ended, allowed)
        heapq.heappush(running, (ended, execution.number, attempt, record))
    return tally


@pytest.mark.shared_data
@pytest.mark.parametrize("workflow", ["chipseq", "eager", "iwd", "rnaseq"])
def test_requests_waste_less_than_users(workflow):
    """Less memory is held for nothing than by the users' requests, and at most 1 run in 40 is killed."""
    executions = executions_of(workflow)
    tally = replay(executions)
    assert tally.waste < tally.users_waste
    assert tally.kills <= 0.025 * len(executions)
