"""
The KPIs that the end of a try tells by itself, without a line of its author's.

What a record lacks – a worker knows neither when its task was placed nor what it costs – is taken
from the placement of the try, asked for all records at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

from aiops_provider.control.costs import tried_cost_usd
from aiops_provider.detection.attributes import COST_USD, QUEUE_S, RETRIES, TASK_FAILED
from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.kpi import KpiSample

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation
    from aiops_provider.domain.plan import Placement
    from aiops_provider.domain.task import TaskRun
    from aiops_provider.store import Store

DURATION_S = "duration_s"
PEAK_MEMORY_GIB = "peak_memory_gib"

# Who repeats a task more often than this has been told enough.
_MOST_RETRIES = 20
_WENT_WRONG = frozenset({Outcome.FAILED, Outcome.OUT_OF_MEMORY, Outcome.CLUSTER_LOST})
_PLACE = ("cluster", "provider", "region", "pool")


def samples_of_ends(
    installation: Installation, records: Sequence[ExecutionRecord]
) -> list[KpiSample]:
    """
    The KPIs of many tries, see :func:`outcome_samples`.

    Args:
        installation: With a store; its prices are those of now, unless a try was priced when it ended.
        records: Of tries that have ended.

    Raises:
        StoreError: The store does not answer.
    """
    good = [record for record in records if record.outcome is Outcome.SUCCESS]
    store = installation.require_store()
    placements = store.latest_placements([one.run for one in good])
    retries = _retries(store, good)
    samples = []
    for record in records:
        placement = placements.get(record.run)
        told = outcome_samples(
            record,
            placement=placement,
            cost_usd=tried_cost_usd(installation, record, placement),
            retries=retries.get(record.run, 0),
        )
        samples.extend(told)
    return samples


def _retries(store: Store, records: Sequence[ExecutionRecord]) -> Mapping[TaskRun, int]:
    """
    Tries that went wrong before each.

    The number of a try does not say: who clears a task that had ended well runs it again as a further try.
    """
    before = {
        record.run: [
            replace(record.run, try_number=number)
            for number in range(record.run.try_number - 1, 0, -1)
        ][:_MOST_RETRIES]
        for record in records
        if record.run.try_number > 1
    }
    known = store.executions_of([run for runs in before.values() for run in runs]) if before else {}
    found = {}
    for run, runs in before.items():
        wrong = takewhile(lambda one: one in known and known[one].outcome in _WENT_WRONG, runs)
        found[run] = sum(1 for _ in wrong)
    return found


def outcome_samples(
    record: ExecutionRecord,
    *,
    placement: Placement | None = None,
    cost_usd: float | None = None,
    retries: int = 0,
) -> list[KpiSample]:
    """
    The KPIs that the end of a try tells.

    ``task_failed`` is 0 or 1. The others only of runs that ended well, for a run that failed early is
    no short run: ``duration_s`` and ``queue_s`` in seconds, ``peak_memory_gib`` in GiB, ``cost_usd``,
    and ``retries``, the tries that went wrong before this one. A run that was killed from outside, or was lost with
    its cluster, failed at nothing and yields none: a lost cluster is left out and taken back by its
    health, and must not be quarantined on top of that. Each has a key of its own per try, so that
    reports by worker and host of one try count once.

    Args:
        record: Of a try that has ended.
        placement: Of that try; says when it began to wait where the record does not.
        cost_usd: What it cost; ``None``: not known.
        retries: Tries that went wrong before it.
    """
    if not record.outcome.is_task_evidence:
        return []
    good = record.outcome is Outcome.SUCCESS
    values = {TASK_FAILED: 0.0 if good else 1.0}
    if good:
        values |= _figures(record, placement, cost_usd, retries)
    dimensions, context = _dimensions(record.run), _context(record)
    # The tries before were elsewhere: where the last one ended well has no part in them.
    nowhere = {name: value for name, value in context.items() if name not in _PLACE}
    return [
        KpiSample(
            name=name,
            observed_at=record.ended_at,
            value=value,
            dimensions=dimensions,
            context=nowhere if name == RETRIES else context,
            idempotency_key=f"outcome/{name}/{record.run}",
        )
        for name, value in values.items()
    ]


def _figures(
    record: ExecutionRecord, placement: Placement | None, cost_usd: float | None, retries: int
) -> dict[str, float]:
    usage = record.usage
    told: dict[str, float | None] = {
        DURATION_S: usage.duration_s if usage else record.occupied_s,
        PEAK_MEMORY_GIB: usage.peak_memory_gib if usage else None,
        QUEUE_S: _queue_s(record, placement),
        RETRIES: float(retries),
        COST_USD: cost_usd,
    }
    return {name: value for name, value in told.items() if value is not None}


def _queue_s(record: ExecutionRecord, placement: Placement | None) -> float | None:
    """From being queued to beginning; a worker's clock may be behind that of its host."""
    queued_at = record.queued_at
    # A try with several stays on workers has waited more than once; its last placement is of the last.
    if queued_at is None and placement is not None and record.segments == 1:
        queued_at = placement.placed_at
    return None if queued_at is None else max((record.started_at - queued_at).total_seconds(), 0.0)


def _dimensions(run: TaskRun) -> dict[str, str]:
    named = {"dag": run.task.namespace, "task": run.task.name}
    return named | ({"partition": str(run.map_index)} if run.map_index >= 0 else {})


def _context(record: ExecutionRecord) -> dict[str, str]:
    software = {"code_hash": record.code_hash, "image": record.image}
    known = {name: value for name, value in software.items() if value}
    return known | {
        "cluster": record.cluster,
        "provider": record.provider,
        "region": record.region,
        "pool": record.pool,
        "run_id": record.run.run_id,
        "try_number": str(record.run.try_number),
    }
