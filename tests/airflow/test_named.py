"""Executors in name only: listed for Airflow, all of them one."""

from types import SimpleNamespace

import pytest
from airflow.executors.executor_utils import ExecutorName

from aiops_provider.airflow import named
from aiops_provider.errors import ConfigurationError


class Worker:
    """Notes what it is handed."""

    slots_available = 7

    def __init__(self):
        self.heard = []

    def queue_named(self, workload, session, *, executor):
        self.heard.append((workload, executor))

    def revoke_task(self, *, ti):
        self.heard.append(("revoke", ti))

    def change_state(self, key, state, **words):
        self.heard.append((key, state, words))

    def has_task(self, ti):
        return ti == "mine"

    def try_adopt_task_instances(self, tis):
        return tis[1:]


@pytest.fixture
def worker(monkeypatch):
    worker = Worker()
    monkeypatch.setattr(named, "_started", worker)
    return worker


@pytest.fixture
def executor(monkeypatch):
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "x" * 64)
    executor = named.celery()
    executor.name = ExecutorName(module_path=f"{named.__name__}.celery", alias="CeleryExecutor")
    return executor


def test_each_name_is_a_class_of_its_own():
    """Airflow refuses two entries with one path, and asks for each by its path."""
    assert named.celery is named.celery
    assert named.celery is not named.kubernetes
    assert "aiops_provider.airflow.named.celery" == f"{named.celery.__module__}.celery"
    with pytest.raises(AttributeError):
        named.__getattr__("__path__")


def test_work_is_handed_on_under_the_name_that_dags_use(worker, executor):
    """Slots are those of the one that works, and nothing is counted twice."""
    executor.start()
    executor.queue_workload("work", None)
    executor.heartbeat()
    executor.revoke_task(ti="t")
    executor.change_state("k", "failed", remove_running=True)
    assert [
        ("work", "CeleryExecutor"),
        ("revoke", "t"),
        ("k", "failed", {"remove_running": True}),
    ] == worker.heard
    assert (7, 0) == (executor.slots_available, executor.slots_occupied)
    assert (True, False) == (executor.has_task("mine"), executor.has_task("other"))
    assert ["b"] == executor.try_adopt_task_instances(["a", "b"])
    assert {} == executor.get_event_buffer()


def test_the_api_server_reads_logs_by_it_though_nothing_is_started(monkeypatch, executor):
    """There it is only made; the cluster that has the try keeps the log."""
    monkeypatch.setattr(named, "_started", None)
    asked = []

    def read(ti, try_number):
        asked.append((ti, try_number))
        return ["eks"], ["epoch 1"]

    monkeypatch.setattr(named.NamedExecutor, "_task_logs", SimpleNamespace(read=read))
    assert (["eks"], ["epoch 1"]) == executor.get_task_log("ti", 2)
    assert [("ti", 2)] == asked


def test_a_name_without_a_worker_says_what_to_write(monkeypatch, executor):
    """At start, not at the first task."""
    monkeypatch.setattr(named, "_started", None)
    with pytest.raises(ConfigurationError, match=r"Begin the list with aiops_provider\.airflow"):
        executor.start()
