"""What ``aiops route --run`` does: where each try of a run went, why, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.plan import Placement
from aiops_provider.errors import DataError

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation

_LIMIT = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedTry:
    """
    One placement of one try.

    Attributes:
        placement: Where it went and why.
        outcome: How the try ended there; ``None``: it has not, or nobody told.
    """

    placement: Placement
    outcome: Outcome | None


def route_run(
    installation: Installation, run_id: str, *, within: str | None = None
) -> tuple[RoutedTry, ...]:
    """
    Every placement of a run, in order of tasks and tries.

    Args:
        installation: With a store.
        run_id: DAG run id or flow run id.
        within: Only this DAG (``medical``) or task (``medical/train``); ``None``: all, for the ids
            of runs are unique within their DAG only.

    Raises:
        DataError: Nothing of such a run was placed.
        StoreError: The store does not answer.
    """
    store = installation.require_store()
    placed = [
        placement
        for placement in store.placements(run_id=run_id, limit=_LIMIT)
        if within in {None, placement.run.task.namespace, str(placement.run.task)}
    ]
    if not placed:
        where = f" of {within}" if within else ""
        raise DataError(
            f"nothing of such a run{where} was placed",
            field="--run",
            value=run_id,
            mend="Take the run's id as the host shows it; older runs may have been purged.",
        )
    ended = {
        record.run: record
        for task in sorted({placement.run.task for placement in placed})
        for record in store.executions(task, since=placed[-1].placed_at)
    }
    placed.sort(key=lambda p: (p.run.task, p.run.map_index, p.run.try_number, p.epoch))
    tries = []
    for placement in placed:
        record = ended.get(placement.run)
        there = record is not None and record.cluster == placement.cluster
        outcome = record.outcome if record is not None and there else None
        tries.append(RoutedTry(placement=placement, outcome=outcome))
    return tuple(tries)
