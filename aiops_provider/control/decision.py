"""What a host asks for a task, and what it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.input_facts import InputFacts
from aiops_provider.domain.plan import Placement
from aiops_provider.domain.profile import ClusterLimit, ResourceRequest, WorkloadProfile
from aiops_provider.domain.task import TaskRun
from aiops_provider.domain.workload import Generic, TaskDescription


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequest:
    """
    A task that the host wants to run now.

    Attributes:
        run: Which try.
        description: What the user said about it, if anything.
        known: What the host knows of it, which counts before its first run where nobody said anything.
        inputs: What the host knows of the input of this run.
        team: The team it belongs to, for the mode and for who pays.
        avoid: Clusters where this run failed before, with why.
        limits: The only clusters it may use.
        check: The cluster that it is to check: there it goes, whatever stands in the way.
        may_wait: Whether the host asks anew for as long as the try has not been sent, so that it may
            be told to wait for a cheaper cluster.
    """

    run: TaskRun
    description: TaskDescription | None = None
    known: Generic | None = None
    inputs: InputFacts = ()
    team: str | None = None
    avoid: Mapping[str, str] = field(default_factory=dict)
    limits: tuple[ClusterLimit, ...] = ()
    check: str | None = None
    may_wait: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """
    Where a try is sent.

    Attributes:
        placement: What is written to the store.
        cluster: Where it really goes.
        grant: What the cluster must enforce.
        limited: Whether it waits for room on the cluster (False when only observing).
        profile: What it is expected to need; ``None`` when the layer failed.
        inputs: What the host knew of its input, to be kept with what it needed.
        problem: Why the layer could not decide; empty when it could.
        rerun_when_lost: Whether it is fenced and run elsewhere when its cluster is lost.
        recorded: Whether its placement is known to be in the store.
        avoid: Clusters where this run failed before, with why.
    """

    placement: Placement
    cluster: ClusterSpec
    grant: ResourceRequest
    limited: bool
    profile: WorkloadProfile | None = None
    inputs: InputFacts = ()
    problem: str = ""
    rerun_when_lost: bool = False
    recorded: bool = False
    avoid: Mapping[str, str] = field(default_factory=dict)


def reruns_when_lost(description: TaskDescription | None) -> bool:
    """Whether its author lets the task run elsewhere while an old try may live."""
    return (
        description is not None
        and description.idempotent
        and description.on_cluster_loss == "fence_and_rerun"
    )
