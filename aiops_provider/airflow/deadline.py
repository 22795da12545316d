"""A deadline that a DAG run misses when it takes longer than this DAG nearly always does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.definitions.deadline import BaseDeadlineReference

from aiops_provider.errors import DescriptionError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(eq=False)
class RuntimeQuantileDeadline(BaseDeadlineReference):
    """
    The moment after which a run that begins now would be later than its DAG's own p95.

    Counted from when a run is queued, as Airflow sets deadlines then: waiting for a slot is part of
    being late. Only what succeeded counts, since a run that failed at once says nothing about how
    long the work takes, and no backfills, which wait for each other. A mean, as of Airflow's own
    ``AVERAGE_RUNTIME``, is exceeded by about every second run; this by one in twenty.

    The quantile is the nearest rank, hence a duration that was observed. That of fewer than 20 runs
    at 0.95 is their longest; so there is no deadline before that many are known.

    Args:
        quantile: Share of the runs that must have been faster, in (0, 1].
        max_runs: So many of the latest runs are looked at.
        min_runs: With fewer there is no deadline; by default what the quantile needs,
            ``1 / (1 - quantile)``, at most *max_runs*.

    Raises:
        DescriptionError: If one of them is out of its range.

    >>> RuntimeQuantileDeadline().min_runs
    20
    """

    quantile: float = 0.95
    max_runs: int = 100
    min_runs: int | None = None

    required_kwargs: ClassVar[set[str]] = {"dag_id"}

    def __post_init__(self) -> None:
        _require(0 < self.quantile <= 1, "quantile", self.quantile, "Give a share, such as 0.95")
        _require(self.max_runs >= 1, "max_runs", self.max_runs, "Give at least 1")
        if self.min_runs is None:
            # Rounded first: 1 / (1 - 0.95) is a little more than 20 in floating point.
            needed = 1 if self.quantile == 1 else math.ceil(round(1 / (1 - self.quantile), 6))
            self.min_runs = min(needed, self.max_runs)
        _require(
            1 <= self.min_runs <= self.max_runs,
            "min_runs",
            self.min_runs,
            f"Give 1 to max_runs, which is {self.max_runs}",
        )

    def serialize_reference(self) -> dict[str, Any]:
        """What is stored with the DAG."""
        return {
            **super().serialize_reference(),
            "quantile": self.quantile,
            "max_runs": self.max_runs,
            "min_runs": self.min_runs,
        }

    @classmethod
    def deserialize_reference(cls, reference_data: dict[str, Any]) -> RuntimeQuantileDeadline:
        """Made again from what is stored with the DAG."""
        return cls(
            quantile=reference_data["quantile"],
            max_runs=reference_data["max_runs"],
            min_runs=reference_data["min_runs"],
        )

    def _evaluate_with(self, *, session: Session, dag_id: str) -> datetime | None:
        """Airflow's scheduler asks this, with its own session, when it creates a run."""
        durations = self._durations(session, dag_id)
        if len(durations) < (self.min_runs or 1):
            return None
        return datetime.now(UTC) + timedelta(seconds=nearest_rank(durations, self.quantile))

    def _durations(self, session: Session, dag_id: str) -> list[float]:
        from airflow.models import DagRun
        from airflow.utils.state import DagRunState
        from airflow.utils.types import DagRunType
        from sqlalchemy import func, select

        began = func.coalesce(DagRun.queued_at, DagRun.start_date, type_=DagRun.start_date.type)
        query = (
            select(began, DagRun.end_date)
            .where(
                DagRun.dag_id == dag_id,
                DagRun.state == DagRunState.SUCCESS,
                DagRun.run_type != DagRunType.BACKFILL_JOB,
                began.is_not(None),
                DagRun.end_date.is_not(None),
            )
            .order_by(DagRun.end_date.desc())
            .limit(self.max_runs)
        )
        return [(end - start).total_seconds() for start, end in session.execute(query)]


def nearest_rank(values: Sequence[float], quantile: float) -> float:
    """
    The smallest of the values that at least that share of them does not exceed.

    Args:
        values: At least one.
        quantile: In (0, 1].

    >>> nearest_rank(range(1, 21), 0.95)
    19
    """
    # Rounded first: 0.07 * 100 is a little more than 7 in floating point.
    return sorted(values)[math.ceil(round(quantile * len(values), 9)) - 1]


def _require(holds: bool, field: str, value: object, mend: str) -> None:
    if not holds:
        raise DescriptionError("is out of range", field=field, value=value, mend=mend)
