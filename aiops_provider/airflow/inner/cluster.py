"""
What the executor asks of every cluster, whatever its kind, and what it hears from it.

All of it is called on the scheduler's main thread and returns at once: whoever talks to something
that may not answer does so on a thread of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from aiops_provider.domain.cluster import ClusterHealth, ClusterSpec
from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.plan import Placement
from aiops_provider.domain.task import TaskRun

if TYPE_CHECKING:
    from aiops_provider.control.decide import Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """
    The cluster has taken a workload: from now on it is the cluster that holds it.

    Attributes:
        key: Airflow's key.
        epoch: The placement that was sent; 0 for callbacks.
        state: What the inner executor reported, queued or running.
        external_id: The cluster's own name of the work, by which it is adopted; ``None``: none.
    """

    key: Any
    epoch: int
    state: Any
    external_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """
    A callback or connection test runs, on a cluster that is sent more than it runs at a time.

    Attributes:
        key: Airflow's key.
        epoch: 0; of tasks this is not told.
    """

    key: Any
    epoch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """
    The cluster did not take a workload, or nobody knows whether it did.

    Attributes:
        key: Airflow's key.
        epoch: The placement that was sent.
        reason: Why, one sentence.
    """

    key: Any
    epoch: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """
    A workload that is over.

    Attributes:
        key: Airflow's key.
        clean: Whether the process ended by itself, so that Airflow knows the state already.
        run: Which try; ``None`` for callbacks and connection tests.
        record: What happened; ``None`` where there is nothing to learn from, or the worker tells.
        message: Last words.
        epoch: The placement that ended; 0 for callbacks.
    """

    key: Any
    clean: bool
    run: TaskRun | None
    record: ExecutionRecord | None
    message: str
    epoch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAdopted:
    """
    The cluster does not know a task that an earlier scheduler sent there.

    Attributes:
        key: Airflow's key.
        epoch: Its placement.
    """

    key: Any
    epoch: int


News = Accepted | Started | Refused | Ended | NotAdopted


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """
    A task that an earlier scheduler sent somewhere, as plain data: no ORM object leaves its session.

    Attributes:
        ti: Copy of the columns that executors look at.
        run: Which try.
        epoch: Of its newest placement.
        placement: The whole of it, to learn from a failure; ``None`` if there is none on record.
        rerun_when_lost: Whether it is fenced and run elsewhere when its cluster is lost.
    """

    ti: Any
    run: TaskRun
    epoch: int
    placement: Placement | None = None
    rerun_when_lost: bool = False


class InnerCluster(Protocol):
    """A cluster as the executor drives it."""

    @property
    def spec(self) -> ClusterSpec:
        """The cluster."""

    @property
    def accepting(self) -> bool:
        """Whether work may be submitted now; False also while nobody knows yet."""

    @property
    def busy(self) -> bool:
        """Whether work is here that ends with this process, so that its end must be waited for."""

    @property
    def queues_ahead(self) -> bool:
        """Whether it is sent the next work before the last has ended, so that none takes a slot here."""

    @property
    def room(self) -> int | None:
        """How many more it should be sent now; ``None``: as many as the capacity of its pools allows."""

    @property
    def outlives_scheduler(self) -> bool:
        """Whether tasks go on when the scheduler ends, so that another one may adopt them."""

    def start(self) -> None:
        """Get ready; may fork, so local clusters are started before there are threads."""

    def submit(
        self, workload: Any, decision: Decision | None, environment: Mapping[str, str]
    ) -> None:
        """
        Send one workload.

        Raises:
            ClusterError: It was not taken, and nothing was started.
        """

    def poll(self) -> Sequence[News]:
        """What has happened since the last call."""

    def probe(self) -> ClusterHealth:
        """How the cluster is, as far as this process knows."""

    def cancel(self, key: Any) -> None:
        """End the workload of that key, if it is here; nothing more will be heard of it."""

    def waiting(self) -> Sequence[Any]:
        """Keys of what was sent ahead and is not known to have started."""

    def withdraw(self) -> Sequence[Any]:
        """Take back the keys of all workloads that have not left this process."""

    def adopt(self, orphans: Sequence[Orphan]) -> None:
        """Take over tasks that run there already; those unknown there come back by ``poll``."""

    def stop(self, grace_s: float) -> None:
        """End what belongs to this process."""
