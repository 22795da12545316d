"""What is remembered of a try that a remote cluster ended, so that its worker could not tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.execution import OUT_OF_MEMORY_EXIT_CODE, ExecutionRecord, Outcome
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskRun
from aiops_provider.domain.units import utc_now

if TYPE_CHECKING:
    from aiops_provider.control.decide import Decision

_MESSAGE_LENGTH = 500


def failure_record(
    decision: Decision, *, request: ResourceRequest, outcome: Outcome, info: Any
) -> ExecutionRecord:
    """
    The record of a failure that the cluster reported.

    Args:
        decision: Where the try was placed.
        request: What it really got.
        outcome: As the cluster's binding judges it.
        info: The cluster's last words.
    """
    placement, cluster = decision.placement, decision.cluster
    pool = placement.route.pool if placement.applied else cluster.pools[0].name
    return ExecutionRecord(
        run=placement.run,
        cluster=cluster.name,
        provider=cluster.provider,
        region=cluster.region,
        pool=pool,
        queued_at=placement.placed_at,
        # Nobody saw it start: its worker, which would have told, was ended.
        started_at=placement.placed_at,
        ended_at=utc_now(),
        outcome=outcome,
        request=request,
        segment=placement.epoch,
        exit_code=OUT_OF_MEMORY_EXIT_CODE if outcome is Outcome.OUT_OF_MEMORY else None,
        message=("" if info is None else str(info))[:_MESSAGE_LENGTH],
    )


def loss_record(
    run: TaskRun, cluster: ClusterSpec, *, epoch: int, started_at: datetime
) -> ExecutionRecord:
    """
    The record of a try that counts no more because its cluster is lost.

    Args:
        run: Which try.
        cluster: Where it was.
        epoch: The placement that counts no more; 0 where none is on record.
        started_at: When it was sent, or adopted; nobody who could be asked saw it start.
    """
    return ExecutionRecord(
        run=run,
        cluster=cluster.name,
        provider=cluster.provider,
        region=cluster.region,
        pool=cluster.pools[0].name,
        started_at=started_at,
        ended_at=utc_now(),
        outcome=Outcome.CLUSTER_LOST,
        segment=epoch,
        message="fenced: it runs elsewhere",
    )


def moved_record(
    run: TaskRun,
    cluster: ClusterSpec,
    decision: Decision | None,
    *,
    epoch: int,
    started_at: datetime,
    told: ExecutionRecord | None,
    why: str,
) -> ExecutionRecord:
    """
    The record of a try that was ended to go on at a cheaper cluster.

    It says nothing about the task and nothing against the cluster, but what it cost counts.

    Args:
        run: Which try.
        cluster: Where it was.
        decision: By which it was sent there; ``None`` if an earlier scheduler did.
        epoch: Its placement.
        started_at: When it was sent, or adopted.
        told: What the cluster told of its end, if anything.
        why: One sentence.
    """
    if told is not None:
        return replace(told, outcome=Outcome.KILLED, message=why[:_MESSAGE_LENGTH])
    ended_at = utc_now()
    placement = decision.placement if decision is not None else None
    pool = placement.route.pool if placement is not None else cluster.pools[0].name
    cost_usd = None
    if decision is not None:
        duration_s = (ended_at - started_at).total_seconds()
        cost_usd = cluster.pool(pool).cost_usd(decision.grant, duration_s)
    return ExecutionRecord(
        run=run,
        cluster=cluster.name,
        provider=cluster.provider,
        region=cluster.region,
        pool=pool,
        queued_at=placement.placed_at if placement is not None else None,
        started_at=started_at,
        ended_at=ended_at,
        outcome=Outcome.KILLED,
        request=decision.grant if decision is not None else None,
        segment=epoch,
        cost_usd=cost_usd,
        message=why[:_MESSAGE_LENGTH],
    )
