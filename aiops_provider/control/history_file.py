"""
Finished runs in a CSV file with a header line, or one JSON object per line.

Columns, all but two of the three moments optional; an empty cell or ``null`` is unknown:

================== ================================================================================
started_at         ISO 8601 with time zone
ended_at           ISO 8601 with time zone
duration_s         wall time in seconds; in place of one of the moments, or beside both
outcome            success (default), failed, out_of_memory, cluster_lost or killed
peak_memory_gib    highest memory of the whole process tree
cpu_seconds        user and system time
io_read_gib        read from disk
io_write_gib       written to disk
requested_cores    what was asked for
requested_memory_gib what was asked for, and was the limit of a run killed for memory
input_gib          size of the run's input
input_rows         rows of the run's input
input.NAME         what else was known of the input before the run: a number, or a kind in words
task               namespace/name; rows of other tasks are left out
run_id, map_index, try_number  which try; without a run_id each line is a run of its own
operator           operator class or flow name
code_hash, image   which code ran, in which container image: any text that changes with them
cluster, provider, region, pool  where it ran
cost_usd           what it cost
exit_code          exit status of the process
================== ================================================================================
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from aiops_provider.control.row_file import Row, read_rows
from aiops_provider.domain.execution import ExecutionRecord, Outcome, Usage
from aiops_provider.domain.input_facts import InputFacts, input_facts
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.errors import DataError
from aiops_provider.settings.explain import did_you_mean

_MOMENTS = ("started_at", "ended_at")
_NUMBERS = (
    "duration_s",
    "peak_memory_gib",
    "cpu_seconds",
    "io_read_gib",
    "io_write_gib",
    "requested_cores",
    "requested_memory_gib",
    "input_gib",
    "cost_usd",
)
_WHOLE_NUMBERS = ("input_rows", "map_index", "try_number", "exit_code")
_TEXTS = (
    "outcome",
    "task",
    "run_id",
    "operator",
    "code_hash",
    "image",
    "cluster",
    "provider",
    "region",
    "pool",
)
COLUMNS = (*_MOMENTS, *_NUMBERS, *_WHOLE_NUMBERS, *_TEXTS)
_OF_INPUT = "input."
# Clocks of machines differ a little; more than this is a wrong time zone.
_CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """
    The runs of one task in a file.

    Attributes:
        records: In the order of the file.
        others: Number of rows that were of other tasks.
    """

    records: tuple[ExecutionRecord, ...]
    others: int


def read_history_file(path: Path, task: TaskKey, *, now: datetime) -> History:
    """
    Read the runs of one task.

    Args:
        path: ``*.csv``, or ``*.jsonl`` (also ``*.ndjson``); see above.
        task: Whose runs; rows without a task are taken to be its own.
        now: Runs that end later are refused.

    Raises:
        DataError: The first problem, with file, line, field, value and mend.
    """
    records: list[ExecutionRecord] = []
    others = 0
    for row in read_rows(path):
        _check_columns(row)
        named = row.values.get("task")
        if named is not None and TaskKey.parse(str(named)) != task:
            others += 1
            continue
        records.append(_record(row, task, now))
    return History(records=tuple(records), others=others)


def _check_columns(row: Row) -> None:
    for name in row.values:
        if name not in COLUMNS and not name.startswith(_OF_INPUT):
            raise DataError(
                "unknown column",
                field=name,
                file=row.file,
                line=row.line,
                mend=did_you_mean(name, list(COLUMNS)),
            )


def _record(row: Row, task: TaskKey, now: datetime) -> ExecutionRecord:
    started, ended = _period(row)
    if ended > now + _CLOCK_TOLERANCE:
        raise row.wrong(
            "ended_at" if row.values.get("ended_at") else "started_at",
            "the run ends in the future",
            "Correct the clock or the time zone; only finished runs are history.",
        )
    tried = row.whole("try_number")
    if tried is not None and tried < 1:
        raise row.wrong("try_number", "is below 1", "Count tries from 1.")
    index = row.whole("map_index")
    run = TaskRun(
        task,
        row.text("run_id", f"line-{row.line}"),
        map_index=-1 if index is None else index,
        try_number=tried or 1,
    )
    return ExecutionRecord(
        run=run,
        cluster=row.text("cluster", "unknown"),
        provider=row.text("provider", "unknown"),
        region=row.text("region", "unknown"),
        pool=row.text("pool", "default"),
        started_at=started,
        ended_at=ended,
        outcome=_outcome(row),
        request=_request(row),
        usage=_usage(row, (ended - started) / timedelta(seconds=1)),
        input_gib=row.number("input_gib"),
        input_rows=row.whole("input_rows"),
        inputs=_inputs(row),
        operator=row.values.get("operator"),
        code_hash=row.values.get("code_hash"),
        image=row.values.get("image"),
        cost_usd=row.number("cost_usd"),
        exit_code=row.whole("exit_code"),
    )


def _inputs(row: Row) -> InputFacts:
    measures: dict[str, float | str] = {}
    for name, value in row.values.items():
        if not name.startswith(_OF_INPUT) or value is None:
            continue
        try:
            number = float("nan") if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = float("nan")
        measures[name.removeprefix(_OF_INPUT)] = number if math.isfinite(number) else str(value)
    return input_facts(measures)


def _period(row: Row) -> tuple[datetime, datetime]:
    started, ended = row.moment("started_at"), row.moment("ended_at")
    duration = row.number("duration_s")
    if ended is None and started is not None and duration is not None:
        ended = started + timedelta(seconds=duration)
    if started is None and ended is not None and duration is not None:
        started = ended - timedelta(seconds=duration)
    if started is None or ended is None:
        missing = "ended_at" if ended is None else "started_at"
        raise row.wrong(missing, "is missing", "Give two of started_at, ended_at and duration_s.")
    if ended < started:
        raise row.wrong("ended_at", f"is before started_at ({started.isoformat()})", "Swap them.")
    return started, ended


def _outcome(row: Row) -> Outcome:
    word = row.text("outcome", Outcome.SUCCESS).lower()
    if word not in set(Outcome):
        raise row.wrong(
            "outcome", "is no outcome", did_you_mean(word, [outcome.value for outcome in Outcome])
        )
    return Outcome(word)


def _request(row: Row) -> ResourceRequest | None:
    memory, cores = row.number("requested_memory_gib"), row.number("requested_cores")
    if memory is None and cores is None:
        return None
    # What is unknown limits nothing: no memory means no bound, and cores without end never fill up.
    return ResourceRequest(cores=cores or float("inf"), memory_gib=memory or 0.0)


def _usage(row: Row, elapsed_s: float) -> Usage | None:
    peak, cpu = row.number("peak_memory_gib"), row.number("cpu_seconds")
    read, written = row.number("io_read_gib"), row.number("io_write_gib")
    duration = row.number("duration_s")
    if peak is None and cpu is None and read is None and written is None:
        return None
    # Zero stands for "not measured": no process lives without memory or processor time.
    return Usage(
        peak_memory_gib=peak or 0.0,
        cpu_seconds=cpu or 0.0,
        duration_s=elapsed_s if duration is None else duration,
        io_read_gib=read,
        io_write_gib=written,
    )
