"""What ``aiops schedule`` does: a week of instances from past demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aiops_provider.catalog.catalog import Catalog
from aiops_provider.control.history_file import read_history_file
from aiops_provider.control.row_file import Row, read_rows
from aiops_provider.control.task_file import read_task_file
from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.units import SECONDS_PER_HOUR
from aiops_provider.domain.workload import Serving
from aiops_provider.errors import DataError
from aiops_provider.profiling.capacity_policy import CapacityPolicy
from aiops_provider.profiling.capacity_schedule import CapacitySchedule, capacity_schedule, clock
from aiops_provider.profiling.forecast import ForecasterSpec, open_forecasters
from aiops_provider.profiling.profiler import Profiler
from aiops_provider.settings.engine_schema import ProfilingSettings

__all__ = [
    "CapacityPolicy",
    "CapacitySchedule",
    "PastDemand",
    "clock",
    "demand_of_file",
    "demand_of_runs",
    "demand_of_task",
    "schedule_as_data",
    "schedule_demand",
]

_COLUMNS = ("observed_at", "value")


@dataclass(frozen=True, slots=True, kw_only=True)
class PastDemand:
    """
    What a schedule is made from.

    Attributes:
        values: Demand, in any unit.
        times: Their moments.
        unit: Of the values, for people.
        capacity_per_instance: As far as it follows from the source; ``None`` if it must be said.
        name: Of what is scaled.
    """

    values: tuple[float, ...]
    times: tuple[datetime, ...]
    unit: str
    capacity_per_instance: float | None
    name: str


def demand_of_file(path: Path) -> PastDemand:
    """
    Read a demand series: ``observed_at`` (ISO 8601 with time zone) and ``value`` (>= 0).

    An empty value is missing; the rows may come in any order.

    Raises:
        DataError: With file, line, column, value and mend.
    """
    values: list[float] = []
    times: list[datetime] = []
    for row in read_rows(path):
        value = row.number("value")
        times.append(_moment(row))
        values.append(float("nan") if value is None else value)
    if not values:
        raise DataError(
            "holds no demand", file=str(path), mend=f"Give it rows of {', '.join(_COLUMNS)}."
        )
    return PastDemand(
        values=tuple(values),
        times=tuple(times),
        unit="as in the file",
        capacity_per_instance=None,
        name=path.stem,
    )


def _moment(row: Row) -> datetime:
    moment = row.moment("observed_at")
    if moment is None:
        raise row.wrong("observed_at", "is missing", f"Every row needs {' and '.join(_COLUMNS)}.")
    return moment


def demand_of_task(
    path: Path, *, history_file: Path | None, now: datetime, catalog: Catalog | None = None
) -> PastDemand:
    """
    The past demand of a described task: its ``past_demand_per_s``, else its runs in progress.

    A serving task's hours end with the present one. What one instance serves follows from its
    profile: the demand that is exceeded in one hour of five, by the instances that carry it.

    Args:
        path: The task file.
        history_file: Its finished runs.
        now: The present moment.
        catalog: Knows the accelerators that the file names; default: the one that the package brings.

    Raises:
        DescriptionError: The task file cannot be used.
        DataError: Neither of both is given.
    """
    task, description = read_task_file(path, catalog)
    if isinstance(description, Serving) and description.seen_demand_per_s:
        rates = description.past_demand_per_s
        ends = now.replace(minute=0, second=0, microsecond=0)
        hours = [timedelta(hours=n) for n in range(len(rates), 0, -1)]
        # Asked without another figure, so that the instances are those for the past demand.
        alone = description.model_copy(update={"requests_per_s": None, "concurrent_requests": None})
        instances = Profiler().predict(task, alone, now=now).instances
        seen = sorted(description.seen_demand_per_s)
        carried = seen[min(len(seen) - 1, int(0.8 * len(seen)))]
        return PastDemand(
            values=tuple(rates),
            times=tuple(ends - back for back in hours),
            unit="requests/s",
            capacity_per_instance=carried / instances if carried > 0 else None,
            name=task.name,
        )
    if history_file is None:
        raise DataError(
            f"{task} has no past_demand_per_s",
            file=str(path),
            mend="Give --demand FILE, or --history RUNS for a task that runs and ends",
        )
    records = read_history_file(history_file, task, now=now).records
    return demand_of_runs(task, records)


def demand_of_runs(task: TaskKey, records: Sequence[ExecutionRecord]) -> PastDemand:
    """
    Runs in progress: the most at once within each hour, from the first start to the last end.

    Raises:
        DataError: There are no runs.
    """
    if not records:
        raise DataError(f"holds no run of {task}", field="history")
    first = min(r.started_at for r in records).replace(minute=0, second=0, microsecond=0)
    hours = 1 + int((max(r.ended_at for r in records) - first).total_seconds() // SECONDS_PER_HOUR)
    most = [0] * hours
    running = 0
    # At the same moment ends come first: they have made room for what begins.
    changes = sorted(
        [(r.started_at, 1) for r in records] + [(r.ended_at, -1) for r in records],
    )
    position = 0
    for hour in range(hours):
        begin = first + timedelta(hours=hour)
        until = begin + timedelta(hours=1)
        while position < len(changes) and changes[position] <= (begin, -1):
            running -= 1
            position += 1
        most[hour] = running
        while position < len(changes) and changes[position][0] < until:
            running += changes[position][1]
            most[hour] = max(most[hour], running)
            position += 1
    return PastDemand(
        values=tuple(float(count) for count in most),
        times=tuple(first + timedelta(hours=hour) for hour in range(hours)),
        unit="runs at once",
        capacity_per_instance=1.0,
        name=task.name,
    )


def schedule_demand(
    demand: PastDemand,
    *,
    capacity_per_instance: float | None,
    policy: CapacityPolicy,
    settings: ProfilingSettings | None = None,
) -> CapacitySchedule:
    """
    Plan a week.

    Args:
        demand: See above.
        capacity_per_instance: Goes before what follows from the source.
        policy: Everything else; its own ``capacity_per_instance`` is replaced.
        settings: Which forecasters take part beside our own; default: none.

    Raises:
        DataError: Nobody says what an instance serves, or the demand cannot be used.
        ConfigurationError: A forecaster cannot be used.
    """
    capacity = capacity_per_instance or demand.capacity_per_instance
    if capacity is None:
        raise DataError(
            "is needed: how much of the demand one instance serves",
            field="capacity_per_instance",
            mend="Give --per-instance, in the unit of the demand, such as 50 for 50 requests/s",
        )
    chosen = replace(policy, capacity_per_instance=capacity)
    others = open_forecasters(
        [
            ForecasterSpec(name=each.name, model=each.model, options=each.options)
            for each in (settings.forecasters if settings else ())
        ]
    )
    return capacity_schedule(demand.values, demand.times, chosen, others=others)


def schedule_as_data(schedule: CapacitySchedule, demand: PastDemand) -> dict[str, Any]:
    """The schedule as plain data, with what it was made from."""
    return {
        "name": demand.name,
        "unit": demand.unit,
        **asdict(schedule),
        "smallest": schedule.smallest,
        "largest": schedule.largest,
    }
