"""The package's own profiler as a sizer of the replay."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from aiops_provider.domain.execution import ExecutionRecord, Usage
from aiops_provider.domain.execution import Outcome as Ending
from aiops_provider.domain.input_facts import InputFacts
from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.workload import Generic
from aiops_provider.profiling.input_lookup import at_input
from aiops_provider.profiling.profiler import Profiler
from benchmarks.profiling.memory_replay import Outcome
from benchmarks.profiling.memory_traces import Job

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


class OurProfiler:
    """
    Asks ``Profiler.predict`` and ``Profiler.enlarge`` as a scheduler does.

    Args:
        profiler: Default: a fresh one at its defaults.
        versions: Hash of the code by number of the job; default: nobody tells.
        inputs: What a host knows of its input, by number of the job; default: nothing.
    """

    def __init__(
        self,
        profiler: Profiler | None = None,
        *,
        versions: Mapping[int, str] | None = None,
        inputs: Mapping[int, InputFacts] | None = None,
    ) -> None:
        self._profiler = profiler or Profiler()
        self._versions = versions or {}
        self._inputs = inputs or {}
        self._profiles: dict[int, WorkloadProfile] = {}

    def first(self, job: Job) -> float:
        """The request of the profile."""
        described = Generic(input_gib=job.input_gib, requested_memory_gib=job.asked_gib)
        profile = self._profiler.predict(_task(job), described, now=_moment(job.submitted_s))
        profile = at_input(profile, self._inputs.get(job.number, ()))
        self._profiles[job.number] = profile
        return profile.request.memory_gib

    def next(self, job: Job, failed_gib: float) -> float:
        """The request after a kill."""
        profile = self._profiles[job.number]
        failed = ResourceRequest(cores=job.cpus, memory_gib=failed_gib)
        self._profiles[job.number] = self._profiler.enlarge(profile, failed=failed)
        return self._profiles[job.number].request.memory_gib

    def learn(self, outcome: Outcome) -> None:
        """Hand the try to the profiler as a host does."""
        job = outcome.job
        ended = _moment(outcome.ended_s)
        self._profiler.learn(
            ExecutionRecord(
                run=TaskRun(_task(job), str(job.number), try_number=outcome.attempt),
                cluster="trace",
                provider="trace",
                region="trace",
                started_at=ended - timedelta(seconds=job.runtime_s),
                ended_at=ended,
                outcome=Ending.OUT_OF_MEMORY if outcome.killed else Ending.SUCCESS,
                request=ResourceRequest(cores=job.cpus, memory_gib=outcome.allowed_gib),
                usage=Usage(
                    peak_memory_gib=min(job.peak_gib, outcome.allowed_gib),
                    cpu_seconds=job.cpu_seconds,
                    duration_s=job.runtime_s,
                ),
                input_gib=job.input_gib,
                inputs=self._inputs.get(job.number, ()),
                code_hash=self._versions.get(job.number),
            )
        )


def _task(job: Job) -> TaskKey:
    return TaskKey(job.workflow, job.kind)


def _moment(seconds: float) -> datetime:
    return _EPOCH + timedelta(seconds=seconds)
