"""
Two weeks of history for the partition DAG, generated from a seed.

A detector needs to know what is normal, and a demo has no two weeks. The KPIs are not made up: each
past period of each hospital is drawn from the same data by the same code as the healthy DAG's own,
and measured in the same way. Runs and their figures are drawn around what the DAG was measured to
need. Everything is loaded through the public API, in batches, with a token.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from aiops_provider.cli.demo.partitions import (
    PARTITIONS,
    PERIOD_HOURS,
    FrozenModel,
    Hospitals,
    kpis,
)
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.kpi import KpiSample
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.errors import AiopsError

if TYPE_CHECKING:
    import httpx

TASK = TaskKey("partitions", "check")
WEEKS = 2
PERIODS = WEEKS * 7 * 24 // PERIOD_HOURS

_BATCH = 2_000

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """
    What one task of the partition DAG was measured to need on a 2-core machine, alone and crowded.

    Attributes:
        duration_s: Median.
        cpu_seconds: Median.
        peak_memory_gib: Median.
        spread: Standard deviation of the logarithms: 0.25 is about ±25 %.
    """

    duration_s: float = 8.0
    cpu_seconds: float = 0.6
    peak_memory_gib: float = 0.075
    spread: float = 0.25


class HistoryError(AiopsError):
    """The API did not take the generated history."""


def past_periods(now: datetime, count: int = PERIODS) -> list[datetime]:
    """The periods before *now*, oldest first; the last one is six hours ago."""
    return [now - timedelta(hours=PERIOD_HOURS * back) for back in range(count, 0, -1)]


def kpi_history(
    hospitals: Hospitals, model: FrozenModel, periods: Sequence[datetime]
) -> Iterator[KpiSample]:
    """
    What the healthy DAG would have reported.

    Args:
        hospitals: Draws the rows.
        model: Judges them.
        periods: When.
    """
    for period in periods:
        run_id = _run_id(period)
        for index, hospital in enumerate(PARTITIONS):
            # As `report` names them in the mapped task of that index.
            identity = {
                "dag": TASK.namespace,
                "task": TASK.name,
                "partition": str(index),
            }
            found = kpis(hospitals.rows(hospital, period), model)
            for (kpi, feature), value in found.items():
                yield KpiSample(
                    name=kpi,
                    observed_at=period,
                    value=value,
                    dimensions={**identity, **({"feature": feature} if feature else {})},
                    context={"run_id": run_id},
                )


def run_history(
    clusters: Sequence[ClusterSpec],
    periods: Sequence[datetime],
    *,
    measured: Measured = Measured(),
    seed: int = 1,
) -> Iterator[ExecutionRecord]:
    """
    One record per task of the past runs, spread over the clusters.

    Args:
        clusters: Where they ran, in turn.
        periods: When.
        measured: What they needed.
        seed: Same seed, same records.
    """
    generator = random.Random(seed)  # noqa: S311 - a simulation

    def around(median: float) -> float:
        return median * math.exp(measured.spread * generator.gauss(0.0, 1.0))

    for period in periods:
        for index in range(len(PARTITIONS)):
            cluster = clusters[index % len(clusters)]
            duration_s = around(measured.duration_s)
            yield ExecutionRecord(
                run=TaskRun(TASK, _run_id(period), index),
                cluster=cluster.name,
                provider=cluster.provider,
                region=cluster.region,
                pool=cluster.pools[0].name,
                queued_at=period,
                started_at=period,
                ended_at=period + timedelta(seconds=duration_s),
                outcome=Outcome.SUCCESS,
                usage=Usage(
                    peak_memory_gib=around(measured.peak_memory_gib),
                    cpu_seconds=around(measured.cpu_seconds),
                    duration_s=duration_s,
                ),
            )


def load(
    http: httpx.Client, path: str, field: str, items: Iterable[KpiSample | ExecutionRecord]
) -> int:
    """
    Send everything to the API, in batches.

    Args:
        http: Knows the API's address and the token.
        path: Of the route, such as ``/api/v1/kpis``.
        field: Name of the list in the body.
        items: What is sent.

    Returns:
        How many were sent.

    Raises:
        HistoryError: The API refused a batch; earlier ones are stored.
    """
    sent = 0
    for batch in _batches(items, _BATCH):
        body: dict[str, Any] = {field: _plain(batch)}
        answer = http.post(path, json=body)
        if answer.is_error:
            raise HistoryError(f"{path}: {answer.status_code} {answer.text[:500]}")
        sent += len(batch)
    return sent


def _plain(batch: Sequence[KpiSample | ExecutionRecord]) -> Any:
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(batch)


def _run_id(period: datetime) -> str:
    return f"history-{period:%Y%m%dT%H%M}"


def _batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
