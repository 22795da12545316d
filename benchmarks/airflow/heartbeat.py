"""
What 100 queued tasks cost AiopsExecutor in the scheduler's main thread, without a scheduler.

Run by the overhead benchmark in the environment of an Airflow whose database is migrated; prints
milliseconds as JSON. Real: the executor, its layer with the thread beside it, Airflow's session, the
placements in PostgreSQL. Pretended: the cluster, which takes everything at once and does nothing.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from airflow.executors.workloads import BundleInfo, ExecuteTask, TaskInstanceDTO
from airflow.utils.session import create_session

from aiops_provider.airflow.executor import AiopsExecutor
from aiops_provider.airflow.host import ingest_url, open_installation
from aiops_provider.airflow.inner.cluster import Ended
from aiops_provider.airflow.versions import workload_key
from aiops_provider.control.layer import Layer
from aiops_provider.domain.cluster import ClusterHealth, HealthState
from aiops_provider.domain.units import utc_now

_TASKS = 100
# Tasks of one DAG have one version, which is looked up once and not for each of them.
_DAG_VERSION = uuid4()


class WillingCluster:
    """
    Takes everything, and tells its end when it is polled next.

    Args:
        name: Of the cluster in aiops.yaml that it stands for.
        outlives_scheduler: Whether placements must be on record before they are sent.
    """

    accepting = True
    busy = False
    queues_ahead = False
    room = None

    def __init__(self, name: str, *, outlives_scheduler: bool) -> None:
        self.outlives_scheduler = outlives_scheduler
        self._name = name
        self._ended: list[Ended] = []

    def submit(self, workload: Any, decision: Any, environment: Mapping[str, str]) -> None:  # noqa: ARG002
        """Take one."""
        placement = decision.placement
        self._ended.append(
            Ended(
                key=workload_key(workload),
                clean=True,
                run=placement.run,
                record=None,
                message="",
                epoch=placement.epoch,
            )
        )

    def poll(self) -> Sequence[Ended]:
        """All that were taken have ended."""
        ended, self._ended = self._ended, []
        return ended

    def probe(self) -> ClusterHealth:
        """Healthy."""
        return ClusterHealth(
            cluster=self._name, state=HealthState.HEALTHY, observed_at=utc_now(), detail=""
        )

    def cancel(self, key: Any) -> None:
        """Nothing runs here."""

    def stop(self, grace_s: float) -> None:
        """Nothing runs here."""


def workloads(round_: int) -> list[ExecuteTask]:
    """A hundred tasks of one run, as the scheduler hands them over."""
    return [
        ExecuteTask(
            ti=TaskInstanceDTO(
                id=uuid4(),
                dag_version_id=_DAG_VERSION,
                task_id=f"nothing_{index}",
                dag_id="nothing",
                run_id=f"r{round_}",
                try_number=1,
                map_index=-1,
                pool_slots=1,
                queue="default",
                priority_weight=1,
            ),
            dag_rel_path="nothing.py",
            token="t" * 200,
            bundle_info=BundleInfo(name="dags-folder"),
            log_path=None,
        )
        for index in range(_TASKS)
    ]


def main(rounds: int) -> None:
    """
    Measure and print.

    Args:
        rounds: How often; one more comes first and is not counted.
    """
    layer = Layer.open(open_installation, ingest_url=ingest_url)
    layer.start()
    print(
        json.dumps(
            {
                kind: _measure(layer, rounds, kind=kind)
                for kind in ("ends with the scheduler", "outlives the scheduler")
            }
        )
    )
    layer.stop()


def _measure(layer: Layer, rounds: int, *, kind: str) -> dict[str, list[float]]:
    executor = AiopsExecutor(parallelism=2 * _TASKS)
    name = layer.clusters[0].name
    remote = kind.startswith("outlives")
    executor._use(layer, {name: WillingCluster(name, outlives_scheduler=remote)})  # noqa: SLF001 - as its start does
    found: dict[str, list[float]] = {"queue": [], "heartbeat": [], "end": [], "cpu": []}
    for round_ in range(rounds + 1):
        tasks = workloads(round_ + (10_000 if remote else 0))
        at, cpu_s = [time.perf_counter()], time.thread_time()
        with create_session() as session:
            for task in tasks:
                executor.queue_workload(task, session)
        at.append(time.perf_counter())
        executor.trigger_tasks(executor.parallelism)
        at.append(time.perf_counter())
        assert len(executor.running) == _TASKS, "not all were sent"
        executor.sync()
        at.append(time.perf_counter())
        cpu_s = time.thread_time() - cpu_s
        assert not executor.running, "not all have ended"
        executor.get_event_buffer()
        if round_:
            found["cpu"].append(1000 * cpu_s)
            for part, began, ended in zip(("queue", "heartbeat", "end"), at, at[1:], strict=False):
                found[part].append(1000 * (ended - began))
        time.sleep(0.2)  # the thread beside it writes
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]))
