"""What is remembered of a try that ended."""

from __future__ import annotations

from aiops_provider.control.decide import Decision
from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.workload import input_size
from aiops_provider.prefect.submitted import SubmittedRun
from aiops_provider.prefect.targets.target import Ending


def final_outcome(ending: Ending, flow: Outcome | None) -> Outcome | None:
    """
    How the try ended: what the cluster did to it goes before what the flow came to.

    Args:
        ending: What became of its process.
        flow: What the flow itself came to; ``None``: nothing final.

    Returns:
        ``None`` when the process ended well but the flow has not: it was paused or handed on.
    """
    if ending.outcome in (Outcome.OUT_OF_MEMORY, Outcome.CLUSTER_LOST, Outcome.KILLED):
        # Unless it was over by then.
        return Outcome.SUCCESS if flow is Outcome.SUCCESS else ending.outcome
    if flow is not None:
        return flow
    return None if ending.outcome is Outcome.SUCCESS else ending.outcome


def execution_record(
    submitted: SubmittedRun, decision: Decision, ending: Ending, outcome: Outcome
) -> ExecutionRecord:
    """The record of a try."""
    placement, cluster = decision.placement, decision.cluster
    pool = cluster.pool(placement.route.pool) if placement.applied else cluster.pools[0]
    duration_s = (ending.ended_at - ending.started_at).total_seconds()
    input_gib, input_rows = input_size(submitted.description)
    return ExecutionRecord(
        run=placement.run,
        cluster=cluster.name,
        provider=cluster.provider,
        region=cluster.region,
        pool=pool.name,
        queued_at=placement.placed_at,
        started_at=ending.started_at,
        ended_at=ending.ended_at,
        outcome=outcome,
        request=decision.grant,
        usage=ending.usage,
        input_gib=input_gib,
        input_rows=input_rows,
        inputs=decision.inputs,
        operator=submitted.task.namespace,
        code_hash=submitted.code_version,
        # A local cluster runs processes, whatever image is named for others.
        image=submitted.configuration.image if cluster.kind != "local" else None,
        cost_usd=pool.cost_usd(decision.grant, duration_s),
        exit_code=ending.exit_code,
        message=ending.message,
    )
