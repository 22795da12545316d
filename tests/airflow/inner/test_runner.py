"""The thread of a remote cluster, with an inner executor that only pretends."""

import threading
import time
from types import SimpleNamespace

import pytest
from airflow.utils.state import TaskInstanceState

from aiops_provider.airflow.inner.cluster import Accepted, Ended, NotAdopted, Orphan, Refused
from aiops_provider.airflow.inner.last_words import LastWords
from aiops_provider.domain.cluster import HealthState
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import ClusterUnreachableError


def test_work_reaches_the_inner_executor_on_its_own_thread(site):
    """The scheduler's thread never calls it."""
    workload = site.open().submit()
    site.eventually(lambda: site.inner.sent == [workload])
    site.eventually(lambda: bool(site.inner.threads))
    assert threading.get_ident() not in site.inner.threads
    assert 1 == len(site.inner.threads)


def test_a_cluster_that_hangs_holds_up_nobody(site):
    """Every call returns at once, and the cluster counts as unreachable once it is late."""
    site.open().inner.hang.clear()
    site.eventually(lambda: not site.runner.accepting)
    began = time.monotonic()
    assert HealthState.UNREACHABLE is site.runner.probe().state
    assert "has not returned" in site.runner.probe().detail
    with pytest.raises(ClusterUnreachableError, match="has not returned"):
        site.submit()
    site.runner.cancel("k")
    assert [] == site.runner.poll()
    assert 0.1 > time.monotonic() - began


def test_what_has_not_been_taken_can_be_taken_back(site):
    """Late binding: nothing of it ever reaches the cluster."""
    site.open().inner.hang.clear()
    site.eventually(lambda: site.runner._busy_since is not None)
    site.submit()
    assert ["k"] == site.runner.withdraw()
    site.inner.hang.set()
    site.submit("other")
    site.eventually(lambda: bool(site.inner.sent))
    assert ["other"] == [each.key for each in site.inner.sent]


def test_nothing_is_sent_to_a_cluster_that_has_just_failed(site):
    """The probe is asked again when the thread takes the work, not only when it is handed in."""
    site.open().inner.hang.clear()
    site.eventually(lambda: site.runner._busy_since is not None)
    site.submit()
    site.trouble = "connection refused"
    site.eventually(lambda: site.probe.health().state is HealthState.UNREACHABLE)
    site.inner.hang.set()
    time.sleep(0.1)
    assert [] == site.inner.sent
    assert ["k"] == site.runner.withdraw()


def test_accepted_then_ended(site):
    """The cluster's own name of the work is told, then how it ended."""
    site.open().submit()
    site.eventually(lambda: bool(site.inner.sent))
    site.inner.events = {"k": (TaskInstanceState.QUEUED, "job-7")}
    site.eventually(lambda: bool(site.heard(Accepted)))
    site.inner.events = {"k": (TaskInstanceState.SUCCESS, None)}
    site.eventually(lambda: bool(site.heard(Ended)))
    ((accepted,), (ended,)) = site.heard(Accepted), site.heard(Ended)
    assert ("job-7", 1) == (accepted.external_id, accepted.epoch)
    assert (True, None) == (ended.clean, ended.record)


def test_a_failure_before_anything_was_accepted_is_a_refusal(site):
    """The task may go elsewhere: its try has not begun."""
    site.open().submit()
    site.eventually(lambda: bool(site.inner.sent))
    site.inner.events = {"k": (TaskInstanceState.FAILED, "broker timed out")}
    site.eventually(lambda: bool(site.heard(Refused)))
    assert "broker timed out" in site.heard(Refused)[0].reason


def test_a_task_killed_for_memory_is_remembered_as_such(site):
    """The worker could not tell; the cluster did."""
    site.open().submit()
    site.eventually(lambda: bool(site.inner.sent))
    site.inner.events = {"k": (TaskInstanceState.RUNNING, "pod")}
    site.eventually(lambda: bool(site.heard(Accepted)))
    site.runner._driver._held["k"].decision.placement.placed_at = site.runner.probe().observed_at
    site.inner.events = {"k": (TaskInstanceState.FAILED, "OOMKilled")}
    site.eventually(lambda: bool(site.heard(Ended)))
    record = site.heard(Ended)[0].record
    assert (Outcome.OUT_OF_MEMORY, 137) == (record.outcome, record.exit_code)


def test_work_that_the_executor_cannot_take_does_not_keep_the_rest_from_it(site):
    """One wrong executor_config is one refusal."""
    site.open().inner.hang.clear()
    site.eventually(lambda: site.runner._busy_since is not None)
    site.submit("wrong", bad=True)
    site.submit("right")
    site.inner.hang.set()
    site.eventually(lambda: [each.key for each in site.inner.sent] == ["right"])
    site.eventually(lambda: [each.key for each in site.heard(Refused)] == ["wrong"])


def test_news_of_a_placement_that_was_taken_back_are_dropped(site):
    """The same key sent here again is another placement; the old one has no say."""
    first = site.open().submit(epoch=1)
    site.eventually(lambda: bool(site.inner.sent))
    site.inner.hang.clear()
    site.eventually(lambda: site.runner._busy_since is not None)
    site.runner.cancel("k")
    site.inner.events = {"k": (TaskInstanceState.FAILED, "late word")}
    site.inner.hang.set()
    site.eventually(lambda: site.inner.revoked == [first.ti] or not site.runner._orders)
    site.submit(epoch=3)
    site.eventually(lambda: len(site.inner.sent) == 2)
    assert [] == site.heard((Ended, Refused))


def test_a_stale_order_does_not_revoke_the_new_placement(site):
    """Revocation carries the epoch."""
    site.open().submit(epoch=1)
    site.eventually(lambda: bool(site.inner.sent))
    site.submit(epoch=2)
    site.eventually(lambda: len(site.inner.sent) == 2)
    site.runner._driver.revoke("k", 1)
    assert [] == site.inner.revoked


def test_an_executor_that_cannot_be_started_is_tried_again(site):
    """The reason is told meanwhile, and the thread lives."""
    site.inner.start_fails = 1
    site.runner.start()
    site.eventually(lambda: "no route to host" in site.runner.probe().detail)
    assert HealthState.UNREACHABLE is site.runner.probe().state
    site.eventually(lambda: site.runner.accepting)


def test_orphans_unknown_to_the_cluster_come_back(site):
    """Those it knows are held and reported like its own."""
    site.inner.unknown = {"gone"}
    orphans = [
        Orphan(
            ti=SimpleNamespace(id=key, key=key, external_executor_id=None),
            run=TaskRun(TaskKey("medical", key), "r1"),
            epoch=4,
        )
        for key in ("here", "gone")
    ]
    site.open().runner.adopt(orphans)
    site.eventually(lambda: bool(site.heard(NotAdopted)))
    assert [("gone", 4)] == [(each.key, each.epoch) for each in site.heard(NotAdopted)]
    assert "here/4" == orphans[0].ti.external_executor_id
    site.inner.events = {"here": (TaskInstanceState.SUCCESS, None)}
    site.eventually(lambda: [each.key for each in site.heard(Ended)] == ["here"])


def test_an_end_leaves_what_runs_there_alone(site):
    """The executor is let go of; nothing is revoked."""
    site.open().submit()
    site.eventually(lambda: bool(site.inner.sent))
    site.runner.stop(5)
    assert site.binding.ended
    assert [] == site.inner.revoked


def test_work_that_never_began_goes_elsewhere_although_it_was_taken(site):
    """A pod that finds no room, or whose image is missing: the place failed, not the task."""
    site.open().submit(epoch=4)
    site.eventually(lambda: bool(site.inner.sent))
    site.inner.events = {"k": (TaskInstanceState.QUEUED, None)}
    site.eventually(lambda: bool(site.heard(Accepted)))
    words = LastWords("no room", outcome=Outcome.CLUSTER_LOST, begun=False)
    site.inner.events = {"k": (TaskInstanceState.FAILED, words)}
    site.eventually(lambda: bool(site.heard(Refused)))
    (refused,) = site.heard(Refused)
    assert ("k", 4, "no room") == (refused.key, refused.epoch, refused.reason)
    assert [] == site.heard(Ended)


def test_an_adopted_task_that_runs_out_of_memory_is_learned_from(site):
    """As if its scheduler had not changed: the placement is on record."""
    site.open()
    run = TaskRun(TaskKey("medical", "k"), "r1")
    request = ResourceRequest(cores=1, memory_gib=2)
    placement = SimpleNamespace(
        epoch=3,
        run=run,
        applied=True,
        placed_at=utc_now(),
        route=SimpleNamespace(pool="default", request=request),
    )
    ti = SimpleNamespace(id="id", key="k", external_executor_id="job")
    site.runner.adopt([Orphan(ti=ti, run=run, epoch=3, placement=placement)])
    site.inner.events = {"k": (TaskInstanceState.FAILED, "OOMKilled")}
    site.eventually(lambda: bool(site.heard(Ended)))
    (ended,) = site.heard(Ended)
    assert (Outcome.OUT_OF_MEMORY, request) == (ended.record.outcome, ended.record.request)
    assert run == ended.record.run
