"""Who and where a worker is, as the executor or worker that started it said in its environment."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiops_provider.domain.task import TaskRun

log = logging.getLogger(__name__)

IMAGE_VARIABLE = "AIOPS_IMAGE"
"""Which image a worker runs in; from the cluster's door, or from the image's own ``ENV``."""
RUN_KIND_VARIABLE = "AIOPS_RUN_KIND"
TEST_RUN = "test"


@dataclass(frozen=True, slots=True)
class TaskIdentity:
    """
    Which try this is; a light twin of ``domain.workload.TaskRun``.

    Attributes:
        namespace: DAG id or flow name.
        name: Task id or deployment name.
        run_id: DAG run id or flow run id.
        map_index: Index of a mapped task, -1 when it is not mapped.
        try_number: 1 for the first try.
        segment: Which stay on a worker, rising within the try; 0 when not said.
    """

    namespace: str
    name: str
    run_id: str
    map_index: int = -1
    try_number: int = 1
    segment: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerContext:
    """
    What ``AIOPS_*`` in the environment say.

    Attributes:
        ingest_url: Base address of the API.
        token: Bearer token; in no representation of this object.
        spool: Folder for what could not be sent.
        identity: Which try; ``None`` outside a task.
        cluster: Where it runs; this and the following are empty when not said.
        provider: Provider of that cluster.
        region: Region of that cluster.
        pool: Pool of that cluster.
        inputs: What the host knew of the input before the try began.
        run_kind: What kind of run it is unless it is an ordinary one, such as ``test``; its KPIs are
            series of their own.
    """

    ingest_url: str
    token: str = field(repr=False)
    spool: Path
    identity: TaskIdentity | None = None
    cluster: str = ""
    provider: str = ""
    region: str = ""
    pool: str = ""
    inputs: tuple[tuple[str, float | str], ...] = ()
    run_kind: str = ""

    @property
    def run(self) -> TaskRun | None:
        """Which try, as the rest of the package names it."""
        # Importing pydantic for a TaskRun costs more than everything else that a report does.
        from aiops_provider.domain.task import TaskKey, TaskRun

        if self.identity is None:
            return None
        return TaskRun(
            TaskKey(self.identity.namespace, self.identity.name),
            self.identity.run_id,
            self.identity.map_index,
            self.identity.try_number,
        )

    @property
    def dimensions(self) -> dict[str, str]:
        """What identifies a series: dag, task, the partition when it is mapped, the kind of a test."""
        if self.identity is None:
            return {}
        labels = {"dag": self.identity.namespace, "task": self.identity.name}
        if self.identity.map_index >= 0:
            labels["partition"] = str(self.identity.map_index)
        if self.run_kind:
            labels["run_kind"] = self.run_kind
        return labels

    @property
    def labels(self) -> dict[str, str]:
        """Where and in which run a sample was taken."""
        labels = {
            "cluster": self.cluster,
            "provider": self.provider,
            "region": self.region,
            "pool": self.pool,
        }
        if self.identity is not None:
            labels["run_id"] = self.identity.run_id
            labels["try_number"] = str(self.identity.try_number)
        return {key: value for key, value in labels.items() if value}


def worker_context() -> WorkerContext | None:
    """The context of this process; ``None`` where nobody said where to report to."""
    url, token = os.environ.get("AIOPS_INGEST_URL"), os.environ.get("AIOPS_TOKEN")
    if not url or not token:
        return None
    spool = os.environ.get("AIOPS_SPOOL")
    return WorkerContext(
        ingest_url=url,
        token=token,
        spool=Path(spool) if spool else default_spool(),
        identity=_identity(os.environ.get("AIOPS_TASK", "")),
        cluster=os.environ.get("AIOPS_CLUSTER", ""),
        provider=os.environ.get("AIOPS_PROVIDER", ""),
        region=os.environ.get("AIOPS_REGION", ""),
        pool=os.environ.get("AIOPS_POOL", ""),
        inputs=_inputs(os.environ.get("AIOPS_INPUTS", "")),
        run_kind=os.environ.get(RUN_KIND_VARIABLE, ""),
    )


def default_spool() -> Path:
    """A folder of this user on this machine, shared by all of its workers."""
    return Path(tempfile.gettempdir()) / f"aiops-spool-{os.getuid()}"


@lru_cache(maxsize=16)
def _identity(text: str) -> TaskIdentity | None:
    if not text:
        return None
    try:
        said = json.loads(text)
        return TaskIdentity(
            namespace=str(said["namespace"]),
            name=str(said["name"]),
            run_id=str(said["run_id"]),
            map_index=int(said.get("map_index", -1)),
            try_number=int(said.get("try_number", 1)),
            segment=int(said.get("segment", 0)),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        # Once per text: the cache sees to that.
        log.warning("AIOPS_TASK cannot be read, reports carry no task: %.200r", text)
        return None


@lru_cache(maxsize=16)
def _inputs(text: str) -> tuple[tuple[str, float | str], ...]:
    try:
        return tuple(
            (str(name), value if isinstance(value, str) else float(value))
            for name, value in json.loads(text or "[]")
        )
    except (ValueError, TypeError):
        log.warning("AIOPS_INPUTS cannot be read: %.200r", text)
        return ()
