"""The executor over a batch service, with a service that does as it is told; no cloud, no database."""

from types import SimpleNamespace
from uuid import uuid4

import pytest
from airflow.utils.state import TaskInstanceState

from aiops_provider.airflow.inner.job_executor import JobExecutor, JobWorkload
from aiops_provider.airflow.versions import task_states
from aiops_provider.control.remote_jobs import RemoteJob, RemoteJobStage, RemoteJobStatus
from aiops_provider.domain.execution import Outcome
from aiops_provider.errors import ClusterRefusedError, ClusterUnreachableError

WAITS = RemoteJobStatus(stage=RemoteJobStage.WAITING, words="no machines")
RUNS = RemoteJobStatus(stage=RemoteJobStage.RUNNING)


def ended(outcome: Outcome, exit_code: int = 1) -> RemoteJobStatus:
    return RemoteJobStatus(
        stage=RemoteJobStage.ENDED, outcome=outcome, exit_code=exit_code, words=f"code {exit_code}"
    )


class Service:
    """Remembers what was asked of it; *silent* answers nobody, but may have heard."""

    def __init__(self) -> None:
        self.jobs: dict[str, RemoteJobStatus] = {}
        self.submitted: list[str] = []
        self.cancelled: list[str] = []
        self.polled: list[list[str]] = []
        self.silent = False
        self.refuses = ""
        self.answers = 1_000
        self.takes_s = 0.0
        self.clock = 0.0

    def submit(self, job):
        self.clock += self.takes_s
        self.submitted.append(job.job_id)
        if self.refuses:
            raise ClusterRefusedError(self.refuses)
        self.jobs.setdefault(job.job_id, WAITS)
        if self.silent:
            raise ClusterUnreachableError("timed out")

    def poll(self, job_ids, *, within_s):
        if self.silent:
            raise ClusterUnreachableError("timed out")
        self.polled.append(list(job_ids))
        return {job_id: self.jobs.get(job_id) for job_id in job_ids[: self.answers]}

    def cancel(self, job_id):
        if self.silent:
            raise ClusterUnreachableError("timed out")
        self.cancelled.append(job_id)

    def close(self):
        self.closed = True


class Site:
    """An executor, its service, a clock, which tasks have not begun, and which can no more."""

    def __init__(self) -> None:
        self.service = Service()
        self.waiting: set = set()
        self.settled: set = set()
        self.executor = JobExecutor(
            cluster="batch",
            client=self.service,
            pending_timeout_s=60,
            poll_period_s=5,
            waiting=lambda ti_id: ti_id in self.waiting,
            settled=lambda ids: self.settled & set(ids),
            clock=lambda: self.service.clock,
        )

    def send(self, name: str) -> SimpleNamespace:
        ti = SimpleNamespace(key=name, id=uuid4(), external_executor_id=None)
        self.waiting.add(ti.id)
        job = RemoteJob(job_id=f"aiops-{name}", command=("true",))
        workload = JobWorkload(key=name, job=job, states=task_states(), ti_id=ti.id)
        self.executor.queue_workload(workload, None)
        return ti

    def take_back(self, ti: SimpleNamespace) -> None:
        """As the scheduler does: no worker can use that id any more."""
        self.waiting.discard(ti.id)
        self.settled.add(ti.id)

    def beat(self, after_s: float = 5.0) -> dict:
        self.service.clock += after_s
        self.executor.heartbeat()
        return self.executor.get_event_buffer()


@pytest.fixture
def site() -> Site:
    return Site()


def test_a_job_that_was_taken_is_known_by_its_id(site):
    """By which another scheduler adopts it."""
    site.send("a")
    assert {"a": (TaskInstanceState.QUEUED, "aiops-a")} == site.beat()


def test_a_job_that_ends_well(site):
    """Is told once."""
    site.send("a")
    site.beat()
    site.service.jobs["aiops-a"] = ended(Outcome.SUCCESS, 0)
    assert {"a": (TaskInstanceState.SUCCESS, None)} == site.beat()
    assert {} == site.beat()
    assert 2 == len(site.service.polled)  # nothing is left to look at


def test_a_failure_says_how_it_was_and_whether_the_task_had_begun(site):
    """By which the router knows whether it costs a retry."""
    one, other = site.send("a"), site.send("b")
    site.beat()
    site.waiting.discard(one.id)
    site.service.jobs = {
        "aiops-a": ended(Outcome.OUT_OF_MEMORY, 137),
        "aiops-b": ended(Outcome.CLUSTER_LOST),
    }
    events = site.beat()
    assert {TaskInstanceState.FAILED} == {state for state, _ in events.values()}
    words = events["a"][1]
    assert ("job aiops-a: code 137", Outcome.OUT_OF_MEMORY, True) == (
        words,
        words.outcome,
        words.begun,
    )
    assert (Outcome.CLUSTER_LOST, False) == (events["b"][1].outcome, events["b"][1].begun)
    assert other.id in site.waiting


def test_a_submission_nobody_answers_is_made_again_under_the_same_id(site):
    """It may have arrived: so it is neither a second job nor given up at once."""
    site.send("a")
    site.service.silent = True
    assert {} == site.beat(1)
    site.service.silent = False
    assert {"a": (TaskInstanceState.QUEUED, "aiops-a")} == site.beat(1)
    assert ["aiops-a", "aiops-a"] == site.service.submitted


def test_a_submission_that_is_given_up_is_ended_once_somebody_answers(site):
    """Nobody knows whether it is there."""
    ti = site.send("a")
    site.service.silent = True
    events = {}
    for _ in range(3):
        events |= site.beat(1)
    assert {"a": (TaskInstanceState.FAILED, "timed out")} == events
    site.take_back(ti)
    site.beat(1)
    assert [] == site.service.cancelled
    site.service.silent = False
    site.beat(1)
    assert ["aiops-a"] == site.service.cancelled
    site.beat(1)
    assert ["aiops-a"] == site.service.cancelled


def test_a_submission_nobody_answers_may_have_begun(site):
    """Then it was taken, and is no submission to give up."""
    ti = site.send("a")
    site.service.silent = True
    site.beat(1)
    site.beat(1)
    site.waiting.discard(ti.id)
    assert {"a": (TaskInstanceState.QUEUED, "aiops-a")} == site.beat(1)
    site.service.silent = False
    site.service.jobs["aiops-a"] = ended(Outcome.SUCCESS, 0)
    assert {"a": (TaskInstanceState.SUCCESS, None)} == site.beat()
    assert [] == site.service.cancelled


def test_a_submission_that_is_given_up_may_begin_before_its_task_is_taken_back(site):
    """A job is ended only when its task cannot begin under that id; one that has begun is not."""
    ti = site.send("a")
    site.service.silent = True
    for _ in range(3):
        site.beat(1)
    site.service.silent = False
    site.beat(1)
    assert [] == site.service.cancelled
    site.waiting.discard(ti.id)
    site.beat(1)
    site.settled.add(ti.id)
    site.beat(1)
    assert [] == site.service.cancelled


def test_nothing_more_is_sent_in_a_turn_to_a_service_that_does_not_answer(site):
    """Each call would take its whole time limit."""
    site.send("a")
    site.send("b")
    site.service.silent = True
    site.beat(1)
    assert ["aiops-a"] == site.service.submitted


def test_a_turn_ends_before_its_cluster_counts_as_late(site):
    """What was not sent is sent in the next one."""
    for name in "abcde":
        site.send(name)
    site.service.takes_s = 0.9
    site.beat(1)
    assert 3 == len(site.service.submitted)
    site.beat(1)
    assert 5 == len(site.service.submitted)


def test_a_job_that_is_refused_is_told_at_once(site):
    """Trying again, here or elsewhere, is the router's."""
    site.send("a")
    site.service.refuses = "no such project"
    assert {"a": (TaskInstanceState.FAILED, "no such project")} == site.beat()
    assert [] == site.service.cancelled


def test_a_revoked_job_is_ended_and_heard_of_no_more(site):
    """Also while nobody answers, and also if it may only just have been sent."""
    sent = site.send("a")
    site.beat()
    site.service.silent = True
    unsure = site.send("b")
    site.beat(1)
    unsent = site.send("c")
    for ti in (sent, unsure, unsent):
        site.executor.revoke_task(ti=ti)
    site.service.silent = False
    assert {} == site.beat()
    assert ["aiops-a", "aiops-b"] == site.service.cancelled


def test_a_job_that_vanishes_is_lost_when_it_was_missing_twice(site):
    """A service may not yet list what it has just taken."""
    site.send("a")
    site.beat()
    del site.service.jobs["aiops-a"]
    assert {} == site.beat()
    words = site.beat()["a"][1]
    assert ("job aiops-a: it has vanished", Outcome.CLUSTER_LOST) == (words, words.outcome)


def test_a_job_that_waits_too_long_goes_elsewhere(site):
    """Unless its task has begun after all."""
    patient, begun = site.send("a"), site.send("b")
    site.beat()
    site.waiting.discard(begun.id)
    events = site.beat(61)
    assert {"a"} == events.keys()
    words = events["a"][1]
    assert "job aiops-a: it has not started within 60 s: no machines" == words
    assert (Outcome.CLUSTER_LOST, False) == (words.outcome, words.begun)
    site.beat(1)
    assert [] == site.service.cancelled  # it might begin at this very moment
    assert patient.id in site.waiting
    site.take_back(patient)
    site.beat(1)
    assert ["aiops-a"] == site.service.cancelled


def test_jobs_there_was_no_time_for_come_first_next_time(site):
    """None of many jobs is never looked at."""
    for name in "abcd":
        site.send(name)
    site.service.jobs = {f"aiops-{name}": RUNS for name in "abcd"}
    site.service.answers = 2
    site.beat()
    site.beat()
    firsts = [polled[0] for polled in site.service.polled]
    assert ["aiops-a", "aiops-c"] == firsts


def test_a_service_that_cannot_be_looked_at_changes_nothing(site):
    """What is not known is not told; its probe tells that it does not answer."""
    site.send("a")
    site.beat()
    site.service.silent = True
    assert {} == site.beat()
    site.service.silent = False
    site.service.jobs["aiops-a"] = ended(Outcome.SUCCESS, 0)
    assert "a" in site.beat()


def test_an_earlier_schedulers_jobs_are_adopted_without_a_question(site):
    """Although nobody answers; the one of which nothing is known goes back."""
    adopted = SimpleNamespace(key="a", id=uuid4(), external_executor_id="aiops-a")
    nameless = SimpleNamespace(key="b", id=uuid4(), external_executor_id=None)
    site.service.silent = True
    assert [nameless] == site.executor.try_adopt_task_instances([adopted, nameless])
    site.service.silent = False
    site.service.jobs["aiops-a"] = ended(Outcome.SUCCESS, 0)
    assert {"a": (TaskInstanceState.SUCCESS, None)} == site.beat()


def test_a_task_that_was_deferred_is_sent_anew(site):
    """Its first job, which has ended, says nothing about the second."""
    site.send("a")
    site.beat()
    site.service.jobs["aiops-a"] = ended(Outcome.SUCCESS, 0)
    job = RemoteJob(job_id="aiops-a2", command=("true",))
    workload = JobWorkload(key="a", job=job, states=task_states(), ti_id=uuid4())
    site.executor.queue_workload(workload, None)
    assert {"a": (TaskInstanceState.QUEUED, "aiops-a2")} == site.beat()


def test_an_end_is_told_later_if_it_cannot_be_now(site, monkeypatch):
    """How far the task got is read from a database, which may fail."""
    site.send("a")
    site.beat()
    site.service.jobs["aiops-a"] = ended(Outcome.FAILED, 1)
    monkeypatch.setattr(site.executor, "waiting", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        site.beat()
    monkeypatch.setattr(site.executor, "waiting", lambda _: False)
    assert {TaskInstanceState.FAILED} == {state for state, _ in site.beat().values()}
