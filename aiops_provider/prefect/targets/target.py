"""What every target can do for the dispatcher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.execution import Outcome, Usage
from aiops_provider.domain.profile import ResourceRequest

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

    from aiops_provider.prefect.configuration import AiopsJobConfiguration


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """
    One try of a flow run, for one target.

    Attributes:
        job_id: Unique in this worker.
        flow_run: As Prefect handed it over.
        configuration: How to run it.
        grant: What it may use; the target enforces it.
        environment: Variables on top of the configuration's.
        insist: Nothing else is left: a cluster that waits before it is tried again is tried now.
    """

    job_id: str
    flow_run: FlowRun
    configuration: AiopsJobConfiguration
    grant: ResourceRequest
    environment: Mapping[str, str] = field(default_factory=dict)
    insist: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """
    How the process of a try ended; what the flow made of it only Prefect knows.

    Attributes:
        outcome: As the target saw it: success means exit status 0.
        exit_code: Exit status; 137 when it ran out of memory, 1 when nobody knows.
        started_at: When its process was started.
        ended_at: When it ended.
        usage: What it used, where the target measures.
        message: Last words.
    """

    outcome: Outcome
    exit_code: int
    started_at: datetime
    ended_at: datetime
    usage: Usage | None = None
    message: str = ""


class Target(Protocol):
    """
    A cluster that flow runs can be sent to; used from the worker's event loop only.

    No method may block the loop for longer than some milliseconds, except ``open`` before the
    worker polls.
    """

    @property
    def spec(self) -> ClusterSpec:
        """The cluster."""

    @property
    def supervised(self) -> bool:
        """Whether something on the cluster itself sees to cancellations."""

    async def open(self) -> None:
        """Get ready; a cluster that cannot be had is unreachable, not an error."""

    async def run(self, order: Order, started: Callable[[str], None]) -> Ending:
        """
        Run one try to its end.

        Args:
            order: What to run.
            started: Called once, with an identifier, when something is running.

        Raises:
            ClusterError: Nothing was started: it may be tried elsewhere.
        """

    async def cancel(self, job_id: str, *, grace_s: float) -> None:
        """Ask a try to end, by force after *grace_s*; unknown ids: nothing."""

    async def close(self) -> None:
        """End what runs and let go of the cluster."""
