"""
Tasks to be replayed, and when clusters were out, from CSV, JSON lines or Parquet.

A trace has a row per run; an empty cell or ``null`` is unknown:

============ ====================================================================================
arrived_at   ISO 8601 with time zone: since when the run could start
task         namespace/name
duration_s   seconds that it works, wherever that is
cores        CPU cores that it holds
memory_gib   memory that it holds
accelerators number of GPUs (optional, default 0)
accelerator  model of the GPUs, by any of its names (optional, default: any); alone it means one
deadline_s   seconds after its arrival by which it should have ended (optional)
checkpoint_s seconds of work between two checkpoints (optional: it starts anew when lost)
stored_gib   GiB that it leaves in storage, in place of what the run before left (optional)
storage_class object, file, sql, warehouse, key_value or stream (optional, default object)
spread       cluster, region or provider, and how many: region:2 (optional)
apart_from   the same without a number, and tasks: cluster:shop/index;shop/search (optional)
run_id       (optional) default: its line
============ ====================================================================================

A file of outages has a row per spell:

======== ========================================================================================
cluster  name, as in aiops.yaml
pool     name of the pool (optional: all of them)
begin_at ISO 8601 with time zone
end_at   ISO 8601 with time zone (optional: it never came back)
kind     outage (default), or spot_interruption: of the pools, only those bought as spot
======== ========================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from aiops_provider.catalog.catalog import Catalog
from aiops_provider.control.parquet_file import parquet_rows
from aiops_provider.control.row_file import Row, read_rows
from aiops_provider.domain.cluster import ClusterSpec, Pool, Purchase
from aiops_provider.domain.profile import PRICED_STORAGE, ResourceRequest
from aiops_provider.domain.separation import AntiAffinityRule, FailureDomain, SpreadRule
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.errors import DataError
from aiops_provider.placement.replay_task import Outage, ReplayTask
from aiops_provider.settings.explain import did_you_mean

_SECOND = timedelta(seconds=1)
_LONGEST_S = 10 * 366 * 86_400.0
TRACE_COLUMNS = (
    "arrived_at",
    "task",
    "duration_s",
    "cores",
    "memory_gib",
    "accelerators",
    "accelerator",
    "deadline_s",
    "checkpoint_s",
    "stored_gib",
    "storage_class",
    "spread",
    "apart_from",
    "run_id",
)
OUTAGE_COLUMNS = ("cluster", "pool", "begin_at", "end_at", "kind")
_KINDS = ("outage", "spot_interruption")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """
    What is replayed.

    Attributes:
        begin: The first arrival; moments of the tasks are counted from it.
        tasks: In order of arrival.
    """

    begin: datetime
    tasks: tuple[ReplayTask, ...]


def read_trace(path: Path, catalog: Catalog | None = None) -> Trace:
    """
    Read the tasks.

    Args:
        path: See above.
        catalog: Knows accelerators; default: the one that the package brings.

    Raises:
        DataError: The first problem, with file, line, field, value and mend.
    """
    found: list[tuple[datetime, Row]] = []
    for row in trace_rows(path):
        check_columns(row, TRACE_COLUMNS)
        found.append((needed_moment(row, "arrived_at"), row))
    if not found:
        raise DataError(
            "holds no task",
            file=str(path),
            mend="Give it rows of arrived_at, task, duration_s, cores, memory_gib.",
        )
    found.sort(key=lambda pair: (pair[0], pair[1].line))
    begin = found[0][0]
    tasks: dict[TaskRun, ReplayTask] = {}
    known = catalog or Catalog.embedded()
    for arrived_at, row in found:
        task = _task(row, (arrived_at - begin) / _SECOND, known)
        if task.run in tasks:
            raise row.wrong("run_id", "is there twice", "Leave it out, or make it unique per task.")
        tasks[task.run] = task
    return Trace(begin=begin, tasks=tuple(tasks.values()))


def read_outages(path: Path, clusters: Sequence[ClusterSpec], begin: datetime) -> list[Outage]:
    """
    Read when pools were gone.

    Args:
        path: See above.
        clusters: That may be named.
        begin: From which seconds are counted; what was over by then is left out.

    Raises:
        DataError: As above.
    """
    found: list[Outage] = []
    for row in trace_rows(path):
        check_columns(row, OUTAGE_COLUMNS)
        began_at, ended_at = needed_moment(row, "begin_at"), row.moment("end_at")
        if ended_at is not None and ended_at <= began_at:
            raise row.wrong("end_at", "is not after begin_at", "Swap them, or leave the row out.")
        end_s = math.inf if ended_at is None else (ended_at - begin) / _SECOND
        for place in _places(row, clusters):
            if end_s > 0:
                begin_s = max(0.0, (began_at - begin) / _SECOND)
                found.append(Outage(place=place, begin_s=begin_s, end_s=end_s))
    return found


def trace_rows(path: Path) -> Iterator[Row]:
    """Rows of CSV, JSON lines or Parquet, as the name of the file says."""
    return parquet_rows(path) if path.suffix.lower() == ".parquet" else read_rows(path)


def check_columns(row: Row, columns: Sequence[str]) -> None:
    """Refuse a column that is not among these."""
    for name in row.values:
        if name not in columns:
            raise DataError(
                "unknown column",
                field=name,
                file=row.file,
                line=row.line,
                mend=did_you_mean(name, list(columns)),
            )


def needed_moment(row: Row, field: str) -> datetime:
    """A moment that must be there."""
    moment = row.moment(field)
    if moment is None:
        raise row.wrong(field, "is missing", "Write ISO 8601, such as 2026-01-05T06:30:00Z.")
    return moment


def _task(row: Row, arrival_s: float, catalog: Catalog) -> ReplayTask:
    name = row.text("task", "")
    if not name:
        raise row.wrong("task", "is missing", "Write namespace/name.")
    accelerators = row.number("accelerators") or 0.0
    if accelerators != int(accelerators):
        raise row.wrong("accelerators", "is no whole number", "Leave it empty when there is none.")
    model = _model(row, catalog)
    if model is not None and row.values.get("accelerators") is None:
        accelerators = 1.0
    duration_s = _positive(row, "duration_s")
    if duration_s > _LONGEST_S:
        raise row.wrong("duration_s", "is more than ten years", "Give seconds, not milliseconds.")
    return ReplayTask(
        run=TaskRun(TaskKey.parse(name), row.text("run_id", f"line-{row.line}")),
        arrival_s=arrival_s,
        duration_s=duration_s,
        request=ResourceRequest(
            cores=_positive(row, "cores"),
            memory_gib=_positive(row, "memory_gib"),
            accelerators=int(accelerators),
            accelerator=model if accelerators else None,
        ),
        deadline_s=row.number("deadline_s"),
        checkpoint_s=row.number("checkpoint_s") or None,
        stored_gib=row.number("stored_gib") or 0.0,
        storage_class=_storage_class(row),
        spread=_spread(row),
        anti_affinity=_apart_from(row),
    )


def _model(row: Row, catalog: Catalog) -> str | None:
    """In the spelling of the catalogue, which pools have too."""
    name = row.text("accelerator", "")
    if not name:
        return None
    found = catalog.accelerator(name)
    if found is None:
        mend = catalog.accelerator_suggestion(name)
        raise row.wrong("accelerator", "is no accelerator that the catalogue knows", mend)
    return found.model


def _spread(row: Row) -> SpreadRule | None:
    text = row.text("spread", "")
    if not text:
        return None
    domain, _, count = text.partition(":")
    if not count.isdecimal() or int(count) < 2:
        raise row.wrong("spread", "names no number of domains > 1", "Write it like region:2.")
    return SpreadRule(domain=_domain(row, "spread", domain), at_least=int(count))


def _apart_from(row: Row) -> tuple[AntiAffinityRule, ...]:
    text = row.text("apart_from", "")
    if not text:
        return ()
    domain, _, names = text.partition(":")
    tasks = tuple(name.strip() for name in names.split(";"))
    if not all("/" in name for name in tasks):
        mend = "Write it like cluster:shop/index;shop/search."
        raise row.wrong("apart_from", "names no task", mend)
    kind = _domain(row, "apart_from", domain)
    return (AntiAffinityRule(domain=kind, tasks=tuple(map(TaskKey.parse, tasks))),)


def _domain(row: Row, field: str, name: str) -> FailureDomain:
    known = [domain.value for domain in FailureDomain]
    if name not in known:
        raise row.wrong(field, f"{name} is no failure domain", did_you_mean(name, known))
    return FailureDomain(name)


def _storage_class(row: Row) -> str:
    name = row.text("storage_class", "object")
    if name not in PRICED_STORAGE:
        mend = did_you_mean(name, list(PRICED_STORAGE))
        raise row.wrong("storage_class", "is no class of storage", mend)
    return name


def _positive(row: Row, field: str) -> float:
    number = row.number(field)
    if not number:
        raise row.wrong(field, "is no number > 0", "Every run takes some of it.")
    return number


def _places(row: Row, clusters: Sequence[ClusterSpec]) -> list[tuple[str, str]]:
    kind = row.text("kind", _KINDS[0])
    name, pools = named_pools(row, clusters)
    if kind not in _KINDS:
        raise row.wrong("kind", "is no kind of outage", did_you_mean(kind, list(_KINDS)))
    return [
        (name, pool.name) for pool in pools if kind == _KINDS[0] or pool.purchase is Purchase.SPOT
    ]


def named_pools(row: Row, clusters: Sequence[ClusterSpec]) -> tuple[str, list[Pool]]:
    """
    What the cells ``cluster`` and ``pool`` mean: the cluster's name, and one or all of its pools.

    Raises:
        DataError: One of them is not configured.
    """
    name = row.text("cluster", "")
    cluster = next((each for each in clusters if each.name == name), None)
    if cluster is None:
        names = [each.name for each in clusters]
        raise row.wrong("cluster", "is not configured", did_you_mean(name, names))
    wanted = row.text("pool", "")
    found = [pool for pool in cluster.pools if wanted in ("", pool.name)]
    if not found:
        pools = [pool.name for pool in cluster.pools]
        raise row.wrong("pool", f"is no pool of {name}", did_you_mean(wanted, pools))
    return name, found
