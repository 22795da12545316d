"""
An inner executor over the batch service of a cloud for which Airflow has none.

It does what :class:`~aiops_provider.airflow.inner.driver.InnerDriver` asks of a stock one, with three
differences that such services allow: a submission of which nobody knows whether it arrived is made
again under the same id; a scheduler that adopts asks nobody, for ids follow from placements; and a job
that failed before its task began is told apart from one whose task failed.

A job that is given up – nobody answers, or it does not start – may start at that very moment. So it is
reported first and ended only when its task has been taken back, which then cannot begin in it any more.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiops_provider.airflow.inner.last_words import LastWords
from aiops_provider.airflow.requeue import is_waiting, settled
from aiops_provider.airflow.versions import States, task_states
from aiops_provider.control.remote_jobs import RemoteJobStage, RemoteJobStatus
from aiops_provider.domain.execution import Outcome
from aiops_provider.errors import ClusterRefusedError, ClusterUnreachableError

if TYPE_CHECKING:
    from aiops_provider.control.remote_jobs import RemoteJob, RemoteJobClient

log = logging.getLogger(__name__)

# A turn that takes much longer makes its cluster late, though it answers.
_SENDING_S, _LOOKING_S = 2.0, 2.0
# With the probe fresh, a submission that gets no answer this often is not going to get one.
_ATTEMPTS = 3
# Missing once may mean that a service has not yet listed what it has just taken.
_MISSING_TIMES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class JobWorkload:
    """
    A workload as a job.

    Attributes:
        key: Airflow's key.
        job: What the cloud is to run.
        states: What to report.
        ti_id: Under which id its worker may start; ``None`` for callbacks.
    """

    key: Any
    job: RemoteJob
    states: States
    ti_id: Any


@dataclass(slots=True)
class _Unsent:
    workload: JobWorkload
    attempts: int = 0


@dataclass(slots=True)
class _Sent:
    job_id: str
    states: States
    ti_id: Any
    since: float
    missing: int = 0


@dataclass(slots=True)
class JobExecutor:
    """
    Sends workloads as jobs and tells what became of them; used by the thread of its cluster.

    Args:
        cluster: Name of the cluster.
        client: Of its service.
        pending_timeout_s: A job that has not started within this is given up.
        poll_period_s: Pause between two looks at the jobs.
        waiting: Whether a task has not begun, by its id; asks Airflow's database.
        settled: Those ids under which no task waits or runs; asks it too.
        clock: Seconds that never go back.
    """

    cluster: str
    client: RemoteJobClient
    pending_timeout_s: float
    poll_period_s: float
    waiting: Callable[[Any], bool] = is_waiting
    settled: Callable[[Collection[Any]], Collection[Any]] = settled
    clock: Callable[[], float] = time.monotonic
    # What every executor of Airflow is given before it is started.
    parallelism: int = 0
    job_id: Any = None
    callback_sink: Any = None
    _task_event_logs: Any = None
    _unsent: dict[Any, _Unsent] = field(default_factory=dict)
    _sent: dict[Any, _Sent] = field(default_factory=dict)
    # With the id of the task that may still begin in it; ``None`` where none can.
    _to_end: dict[str, Any] = field(default_factory=dict)
    _events: dict[Any, tuple[Any, Any]] = field(default_factory=dict)
    _looked_at: float = float("-inf")

    def start(self) -> None:
        """Nothing is started: the client connects when it is first asked for something."""

    def queue_workload(self, workload: JobWorkload, session: Any) -> None:  # noqa: ARG002
        """Keep a workload for the next heartbeat."""
        self._sent.pop(workload.key, None)  # an earlier part of the same try: one that was deferred
        self._unsent[workload.key] = _Unsent(workload)

    def heartbeat(self) -> None:
        """Send what waits, end what is not wanted any more, and look at the others."""
        self._send()
        self._end_unwanted()
        if self._sent and self.clock() - self._looked_at >= self.poll_period_s:
            self._look()

    def get_event_buffer(self) -> dict[Any, tuple[Any, Any]]:
        """What has happened since the last call: state and words by Airflow's key."""
        events, self._events = self._events, {}
        return events

    def revoke_task(self, *, ti: Any) -> None:
        """Take a task back; its job, if there may be one, is ended as soon as its cloud answers."""
        unsent = self._unsent.pop(ti.key, None)
        sent = self._sent.pop(ti.key, None)
        if sent is not None:
            self._to_end[sent.job_id] = None
        if unsent is not None and unsent.attempts:
            self._to_end[unsent.workload.job.job_id] = None
        self._end_unwanted()

    def try_adopt_task_instances(self, tis: Sequence[Any]) -> list[Any]:
        """
        Take over the jobs of an earlier scheduler, whether or not their cloud answers now.

        Returns:
            Those of which nobody knows by which id they were sent.
        """
        unknown = []
        for ti in tis:
            if not ti.external_executor_id:
                unknown.append(ti)
                continue
            self._sent[ti.key] = _Sent(
                str(ti.external_executor_id), task_states(), ti.id, self.clock()
            )
        self._looked_at = float("-inf")
        return unknown

    def end(self) -> None:
        """Let go of the cloud; jobs go on."""
        self.client.close()

    def _send(self) -> None:
        until = self.clock() + _SENDING_S
        for key, unsent in list(self._unsent.items()):
            if self.clock() > until:
                return
            workload = unsent.workload
            try:
                self.client.submit(workload.job)
            except ClusterRefusedError as error:
                del self._unsent[key]
                self._events[key] = (workload.states.failure, str(error))
            except ClusterUnreachableError as error:
                unsent.attempts += 1
                log.warning("Cluster %s: %s may not be sent: %s", self.cluster, key, error)
                if unsent.attempts >= _ATTEMPTS:
                    self._give_up(key, workload, error)
                return  # the next would get no answer either
            else:
                self._taken(key, workload)

    def _taken(self, key: Any, workload: JobWorkload) -> None:
        job_id, states = workload.job.job_id, workload.states
        del self._unsent[key]
        self._sent[key] = _Sent(job_id, states, workload.ti_id, self.clock())
        self._events[key] = (_accepted(states), job_id)

    def _give_up(self, key: Any, workload: JobWorkload, error: Exception) -> None:
        if workload.ti_id is not None and not self.waiting(workload.ti_id):
            self._taken(key, workload)  # it runs there, whoever did not answer
            return
        del self._unsent[key]
        self._to_end[workload.job.job_id] = workload.ti_id
        self._events[key] = (workload.states.failure, str(error))

    def _end_unwanted(self) -> None:
        for job_id, ti_id in list(self._to_end.items()):
            if ti_id is not None:
                if self.waiting(ti_id):
                    continue
                if not self.settled([ti_id]):
                    del self._to_end[job_id]  # it has begun after all, and tells its end by itself
                    continue
            try:
                self.client.cancel(job_id)
            except ClusterUnreachableError as error:
                log.warning("Cluster %s: job %s is not ended yet: %s", self.cluster, job_id, error)
                return
            except ClusterRefusedError as error:
                log.warning("Cluster %s: job %s cannot be ended: %s", self.cluster, job_id, error)
            del self._to_end[job_id]

    def _look(self) -> None:
        ids = {sent.job_id: key for key, sent in self._sent.items()}
        try:
            statuses = self.client.poll(list(ids), within_s=_LOOKING_S)
        except (ClusterUnreachableError, ClusterRefusedError) as error:
            # The probe tells how the cluster is; here it is only that nothing is known.
            log.warning("Cluster %s: its jobs cannot be looked at: %s", self.cluster, error)
            return
        finally:
            self._looked_at = self.clock()
        for job_id, status in statuses.items():
            key = ids[job_id]
            # It stays known until its end is told: to look how far it got may fail.
            if self._over(key, self._sent[key], status):
                del self._sent[key]
            else:
                self._sent[key] = self._sent.pop(key)  # behind those there was no time to look at

    def _over(self, key: Any, sent: _Sent, status: RemoteJobStatus | None) -> bool:
        if status is None:
            sent.missing += 1
            if sent.missing < _MISSING_TIMES:
                return False
            self._report(key, sent, Outcome.CLUSTER_LOST, "it has vanished")
            return True
        sent.missing = 0
        if status.stage is RemoteJobStage.ENDED:
            self._report(key, sent, status.outcome or Outcome.KILLED, status.words)
            return True
        if status.stage is RemoteJobStage.WAITING and self._overdue(sent):
            self._to_end[sent.job_id] = sent.ti_id
            words = f"it has not started within {self.pending_timeout_s:g} s: {status.words}"
            self._report(key, sent, Outcome.CLUSTER_LOST, words.rstrip(": "))
            return True
        return False

    def _overdue(self, sent: _Sent) -> bool:
        if sent.ti_id is None or self.clock() - sent.since <= self.pending_timeout_s:
            return False
        return self.waiting(sent.ti_id)

    def _report(self, key: Any, sent: _Sent, outcome: Outcome, words: str) -> None:
        if outcome is Outcome.SUCCESS:
            self._events[key] = (sent.states.success, None)
            return
        begun = sent.ti_id is None or not self.waiting(sent.ti_id)
        said = LastWords(f"job {sent.job_id}: {words}", outcome=outcome, begun=begun)
        log.warning("Cluster %s: %s", self.cluster, said)
        self._events[key] = (sent.states.failure, said)


def _accepted(states: States) -> Any:
    """A task is queued until its worker says that it runs; a callback has no worker that would."""
    from airflow.utils.state import CallbackState, TaskInstanceState

    is_callback = isinstance(states.running, CallbackState)
    return states.running if is_callback else TaskInstanceState.QUEUED
