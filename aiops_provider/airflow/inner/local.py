"""A ``kind: local`` cluster, driven from Airflow's scheduler: one pool process per cluster."""

from __future__ import annotations

import logging
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiops_provider.airflow.inner.cluster import Ended, News, Orphan, Started
from aiops_provider.airflow.inner.workload import OUTCOME_VARIABLE, read_outcome
from aiops_provider.airflow.versions import workload_key
from aiops_provider.control.pools import Job, JobClient, JobState, JobUpdate, open_job_client
from aiops_provider.domain.cluster import ClusterHealth, ClusterSpec, HealthState
from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import ClusterError

if TYPE_CHECKING:
    from aiops_provider.control.decide import Decision

log = logging.getLogger(__name__)

_ENTRY = "aiops_provider.airflow.inner.workload:run"
_PRELOAD = ("aiops_provider.airflow.inner.workload:prepare",)
# As many may wait in the pool as started in this time, so that it does not run dry while the scheduler
# sleeps, and what is urgent comes to its turn within about as long.
_AHEAD_S = 8.0
_MOST_AHEAD = 4  # in multiples of what runs at a time
# While enough waits in the pool, an end is kept for this long, and told together with others: each time
# that the scheduler hears of any it takes another turn at once, with nothing to do in it.
_KEPT_S = 0.5
# Airflow's own executors take callbacks and connection tests before every task.
_BEFORE_ALL_TASKS = sys.maxsize


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """
    A workload that was given to a cluster.

    Attributes:
        key: Airflow's key.
        decision: By which it was sent; ``None`` for callbacks and connection tests.
        began_at: When it was sent, and when it started as soon as that is known.
    """

    key: Any
    decision: Decision | None
    began_at: datetime


class LocalCluster:
    """
    Sends workloads to one local pool; every call returns within milliseconds.

    Args:
        spec: The cluster.
        scratch: Folder for the notes of the listeners.
        reopen_s: A lost pool is started again after this long.
        probe_timeout_s: Without an answer for this long the cluster is unreachable.
        most_at_once: As many workloads run at a time, and as many at least may wait in the pool for
            their turn, so that it need not wait for the scheduler; ``None``: none waits there.
    """

    accepting = True  # a pool that is gone refuses, which is how one learns of it at once
    outlives_scheduler = False

    def __init__(
        self,
        spec: ClusterSpec,
        *,
        scratch: Path,
        reopen_s: float,
        probe_timeout_s: float,
        most_at_once: int | None = None,
    ) -> None:
        self.spec = spec
        self._scratch = scratch
        self._reopen_s = reopen_s
        self._probe_timeout_s = probe_timeout_s
        self.queues_ahead = most_at_once is not None
        self._most_at_once = most_at_once or 0
        self._starts: deque[float] = deque(maxlen=_MOST_AHEAD * self._most_at_once)
        self._client: JobClient = open_job_client(spec, preload=_PRELOAD, most_at_once=most_at_once)
        self._sent: dict[str, Sent] = {}
        self._waiting: dict[str, Any] = {}
        self._jobs: dict[Any, str] = {}
        self._lost_at: float | None = None
        self._kept: list[JobUpdate] = []
        self._kept_since = 0.0
        self._count = 0

    def start(self) -> None:
        """Fork the pool process; must be called before this process has other threads."""
        self._client.start()

    def submit(
        self, workload: Any, decision: Decision | None, environment: Mapping[str, str]
    ) -> None:
        """
        Send one workload.

        Raises:
            ClusterError: If the pool is gone or refuses; nothing was started then.
        """
        self._count += 1
        job_id = f"{self._count}"
        request = decision.grant if decision is not None else self._whole_machine()
        outcome = self._scratch / f"{self.spec.name}-{job_id}.json"
        self._client.submit(
            Job(
                job_id=job_id,
                request=request,
                entry=_ENTRY,
                argument=workload.model_dump_json(),
                environment={**environment, OUTCOME_VARIABLE: str(outcome)},
                priority=workload.ti.priority_weight if decision is not None else _BEFORE_ALL_TASKS,
            )
        )
        key = workload_key(workload)
        self._sent[job_id] = Sent(key=key, decision=decision, began_at=utc_now())
        self._waiting[job_id] = key
        self._jobs[key] = job_id

    def poll(self) -> list[News]:
        """
        What has happened; a pool that died ends everything it had.

        While more waits in the pool than runs at a time, ends are kept for half a second and told by the
        first call after it; in the order in which they came.
        """
        news: list[News | None] = []
        for update in self._client.poll():
            if update.state is JobState.RUNNING:
                news.append(self._started(update))
            else:
                self._kept_since = self._kept_since if self._kept else time.monotonic()
                self._kept.append(update)
        busy = self.queues_ahead and len(self._waiting) > self._most_at_once
        if not busy or time.monotonic() - self._kept_since >= _KEPT_S:
            news += [self._ended(update) for update in self._kept]
            self._kept.clear()
        return [each for each in news if each is not None]

    def waiting(self) -> list[Any]:
        """Keys of what was sent and is not known to have started."""
        return list(self._waiting.values())

    @property
    def room(self) -> int | None:
        """
        How many more it should be sent now.

        None until half of what may wait has started: the scheduler takes a turn each time that there
        is room, however little.
        """
        if not self.queues_ahead:
            return None
        now = time.monotonic()
        while self._starts and now - self._starts[0] > _AHEAD_S:
            self._starts.popleft()
        ahead = max(self._most_at_once, len(self._starts))
        running = len(self._sent) - len(self._waiting)
        about_to_start = max(0, self._most_at_once - running)
        if len(self._waiting) > about_to_start + ahead // 2:
            return 0
        return max(0, self._most_at_once + ahead - len(self._sent))

    def probe(self) -> ClusterHealth:
        """How the pool is; a lost one is started again when its time has come."""
        if not self._client.alive:
            if self._lost_at is None:
                self._lost_at = time.monotonic()
                log.warning("Cluster %s: its pool process is gone", self.spec.name)
            if time.monotonic() - self._lost_at < self._reopen_s:
                return self._unreachable("its pool process is gone")
            log.info("Cluster %s: starting its pool process again", self.spec.name)
            self._client.start()
            self._lost_at = None
        return self._client.probe(self._probe_timeout_s)

    def cancel(self, key: Any) -> None:
        """End the workload of that key, if it is here."""
        job_id = self._jobs.get(key)
        if job_id is None:
            return
        try:
            self._client.cancel(job_id, grace_s=5.0)
        except ClusterError:
            log.warning("Cluster %s: could not cancel %s", self.spec.name, key, exc_info=True)

    def withdraw(self) -> Sequence[Any]:
        """Nothing waits here: what was submitted runs."""
        return ()

    def adopt(self, orphans: Sequence[Orphan]) -> None:
        """Pools die with their scheduler, and their tasks with them: nothing is left to adopt."""
        if orphans:
            raise ClusterError(f"cluster {self.spec.name} is local and cannot adopt tasks")

    def stop(self, grace_s: float) -> None:
        """End the pool process and whatever still runs in it."""
        self._client.close(grace_s)

    @property
    def busy(self) -> bool:
        """Whether anything runs here."""
        return bool(self._sent)

    def _started(self, update: JobUpdate) -> Started | None:
        sent = self._sent.get(update.job_id)
        if sent is None:
            return None
        began_at = sent.began_at
        if update.started_at is not None:
            began_at = datetime.fromtimestamp(update.started_at, tz=UTC)
        self._sent[update.job_id] = replace(sent, began_at=began_at)
        self._starts.append(time.monotonic())
        self._waiting.pop(update.job_id, None)
        if not self.queues_ahead or sent.decision is not None:
            return None
        return Started(key=sent.key)

    def _ended(self, update: JobUpdate) -> Ended | None:
        sent = self._sent.pop(update.job_id, None)
        self._waiting.pop(update.job_id, None)
        if sent is None:
            return None
        if self._jobs.get(sent.key) == update.job_id:  # else its next part was sent already
            del self._jobs[sent.key]
        path = self._scratch / f"{self.spec.name}-{update.job_id}.json"
        noted = read_outcome(str(path))
        path.unlink(missing_ok=True)
        return Ended(
            key=sent.key,
            clean=bool(noted) or update.state is JobState.SUCCEEDED,
            run=sent.decision.placement.run if sent.decision is not None else None,
            record=self._record(sent, update, noted),
            message=update.message,
            epoch=_epoch(sent),
        )

    def _record(
        self, sent: Sent, update: JobUpdate, noted: Mapping[str, str]
    ) -> ExecutionRecord | None:
        if sent.decision is None:
            return None
        if not noted and update.state is JobState.SUCCEEDED:
            # It was over before it began: its listener, which would have told, was not called.
            return None
        placement = sent.decision.placement
        pool = placement.route.pool if placement.applied else self.spec.pools[0].name
        # Airflow's supervisor notices the end of its task up to a heartbeat interval late; the
        # task's own word is better.
        noted_end = noted.get("ended_at")
        ended_at = datetime.fromisoformat(noted_end) if noted_end else utc_now()
        duration_s = max(0.0, (ended_at - sent.began_at).total_seconds())
        return ExecutionRecord(
            run=placement.run,
            cluster=self.spec.name,
            provider=self.spec.provider,
            region=self.spec.region,
            pool=pool,
            queued_at=placement.placed_at,
            started_at=sent.began_at,
            ended_at=ended_at,
            outcome=_outcome(update.state, noted),
            request=sent.decision.grant,
            usage=replace(update.usage, duration_s=duration_s) if update.usage else None,
            operator=noted.get("operator"),
            segment=placement.epoch,
            input_gib=_number(noted.get("input_gib")),
            input_rows=_whole(noted.get("input_rows")),
            code_hash=noted.get("code_hash"),
            image=noted.get("image"),
            cost_usd=self.spec.pool(pool).cost_usd(sent.decision.grant, duration_s),
            exit_code=update.exit_code,
            message=noted.get("error", "") or update.message,
        )

    def _whole_machine(self) -> Any:
        from aiops_provider.domain.profile import ResourceRequest

        machine = self.spec.pools[0].machine
        return ResourceRequest(cores=machine.cores, memory_gib=machine.memory_gib)

    def _unreachable(self, detail: str) -> ClusterHealth:
        return ClusterHealth(
            cluster=self.spec.name,
            state=HealthState.UNREACHABLE,
            observed_at=utc_now(),
            detail=detail,
        )


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def _whole(text: str | None) -> int | None:
    return None if text is None else int(text)


def _epoch(sent: Sent) -> int:
    return sent.decision.placement.epoch if sent.decision is not None else 0


def _outcome(state: JobState, noted: Mapping[str, str]) -> Outcome:
    said = {o.value: o for o in (Outcome.SUCCESS, Outcome.FAILED, Outcome.SUSPENDED)}
    if noted.get("state") in said:
        return said[noted["state"]]
    return {
        JobState.SUCCEEDED: Outcome.SUCCESS,
        JobState.OUT_OF_MEMORY: Outcome.OUT_OF_MEMORY,
        JobState.LOST: Outcome.CLUSTER_LOST,
        JobState.CANCELLED: Outcome.KILLED,
    }.get(state, Outcome.FAILED)
