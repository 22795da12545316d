"""
What the queries of a warehouse say about a task that runs there: the units it should get.

One predictor among others: it tells the figure ``warehouse_units`` and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.workload import (
    Dataset,
    Etl,
    FeatureEngineering,
    TaskDescription,
    Training,
)
from aiops_provider.profiling.estimate import Estimate
from aiops_provider.profiling.priors.storage import runs_in_warehouse
from aiops_provider.profiling.warehouse_model import WarehouseRun, WarehouseSize
from aiops_provider.profiling.warehouse_units import WarehouseUnits


class WarehouseHistory:
    """
    Chooses units for described tasks whose data lie in a warehouse.

    Hand it to ``Profiler(predictors=…)`` beside the others. A task's own queries are those called
    ``namespace/name``; without any it is judged by all others. It says nothing about a task of unknown
    volume, or when no query has run: the prior's hours of the smallest size then stand.

    Args:
        runs: Finished queries, in any order.
        sizes: To choose from, at least one.
    """

    name = "warehouse_history"

    def __init__(self, runs: Sequence[WarehouseRun], sizes: Sequence[WarehouseSize]) -> None:
        if not sizes:
            raise ValueError("sizes is empty: name at least one size of the warehouse")
        self._units = WarehouseUnits(runs)
        self._sizes = tuple(sizes)

    def predict(
        self,
        task: TaskKey,
        description: TaskDescription | None,
        history: Sequence[ExecutionRecord],  # noqa: ARG002 – of the task's process, which only waits
        *,
        now: datetime,  # noqa: ARG002 – the queries are those handed in
    ) -> Estimate | None:
        """Unit-hours of the size of least cost that keeps the task's deadline."""
        source = _source(description)
        if source is None or not source.volume_gib or not runs_in_warehouse(source):
            return None
        chosen = self._units.choose(
            str(task),
            volume_gib=source.volume_gib,
            sizes=self._sizes,
            deadline_s=description.sla.deadline_s if description else None,
        )
        return Estimate(warehouse_units=chosen.units) if chosen else None


def _source(description: TaskDescription | None) -> Dataset | None:
    match description:
        case Etl() | FeatureEngineering():
            return description.source
        case Training():
            return description.dataset
        case _:
            return None
