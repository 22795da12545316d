"""
Chooses the configuration of machines for a task from a file of runs.

Columns: ``task``, ``configuration``, ``usd_per_hour`` (of all its machines), ``duration_s``; ``outcome`` is ``success``
(default) or anything else for a run that failed. A line without a task describes a configuration that
nobody has tried. ``input_gib`` is the size of a run's input. Every other column is what the configuration is
made of: figures (machines, cores, memory) or words (family).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aiops_provider.control.row_file import Row, read_rows
from aiops_provider.errors import DataError
from aiops_provider.profiling.machine_choice import (
    Configuration,
    ConfigurationForecast,
    ConfigurationRun,
    MachineChooser,
    cheapest,
)
from aiops_provider.profiling.sized_machine_choice import SizedRun, forecasts_at

_COLUMNS = ("task", "configuration", "usd_per_hour", "duration_s", "outcome", "input_gib")
_MEND = "Give it the columns task, configuration, usd_per_hour, duration_s and what it is made of."


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineChoice:
    """
    Where a task should run.

    Attributes:
        task: Its name.
        choice: The configuration of the lowest expected cost (or time).
        next_probe: The one most worth trying; ``None`` when all were tried, or for a size of the input.
        forecasts: All configurations, the cheapest expected first.
        own_runs: Runs of the task itself in the file.
        other_tasks: Other tasks in the file.
        input_gib: The size that the forecasts are for, from the task's own runs alone; ``None``: for a
            usual run.
    """

    task: str
    choice: ConfigurationForecast
    next_probe: ConfigurationForecast | None
    forecasts: tuple[ConfigurationForecast, ...]
    own_runs: int
    other_tasks: int
    input_gib: float | None = None


def choose_machine(
    file: Path, task: str, *, time_weight: float = 0.0, input_gib: float | None = None
) -> MachineChoice:
    """
    Choose.

    Args:
        file: CSV or JSON lines, see above.
        task: Its name as in the file; it may have no runs yet.
        time_weight: 0 for the least cost, 1 for the least time.
        input_gib: Size of the input of the run to come; the task's own runs must tell theirs.

    Raises:
        DataError: The file cannot be used; with file, line, column, value and mend.
    """
    configurations: dict[str, Configuration] = {}
    runs: list[ConfigurationRun] = []
    sized: list[SizedRun] = []
    for row in read_rows(file):
        one = _configuration(row)
        known = configurations.setdefault(one.name, one)
        if known != one:
            raise row.wrong(
                "configuration",
                "has another price or make than in an earlier line",
                "Give configurations that differ different names.",
            )
        if row.text("task", ""):
            run = ConfigurationRun(row.text("task", ""), one.name, _duration(row))
            runs.append(run)
            if run.task == task and run.duration_s and (size := row.number("input_gib")):
                sized.append(SizedRun(one.name, size, run.duration_s))
    if not configurations:
        raise DataError("holds no rows", file=str(file), mend=_MEND)
    chooser = MachineChooser(list(configurations.values()), runs)
    choice = chooser.choose(task, time_weight=time_weight)
    forecasts = chooser.forecast(task)
    if input_gib is not None:
        failures = {one.configuration.name: one.failure for one in forecasts}
        forecasts = forecasts_at(list(configurations.values()), sized, input_gib, failures=failures)
        choice = cheapest(forecasts, time_weight=time_weight)
    return MachineChoice(
        task=task,
        choice=choice,
        next_probe=chooser.next_probe(task, time_weight=time_weight) if input_gib is None else None,
        forecasts=tuple(
            sorted(forecasts, key=lambda one: (one.failure == 1.0, one.cost_usd, one.p50_s))
        ),
        own_runs=sum(run.task == task for run in runs),
        other_tasks=len({run.task for run in runs} - {task}),
        input_gib=input_gib,
    )


def _configuration(row: Row) -> Configuration:
    name = row.text("configuration", "")
    if not name:
        raise row.wrong("configuration", "is missing", _MEND)
    price = row.number("usd_per_hour")
    if not price:
        raise row.wrong(
            "usd_per_hour", "is no price above 0", "Give the price of all its machines."
        )
    features = {
        column: _feature(row, column)
        for column, value in row.values.items()
        if column not in _COLUMNS and value is not None
    }
    return Configuration(name=name, usd_per_hour=price, features=features)


def _feature(row: Row, column: str) -> float | str:
    text = row.text(column, "")
    try:
        figure = float(text)
    except ValueError:
        return text
    # Zero has no logarithm; as a word it is still unlike all others.
    return figure if figure > 0 else text


def _duration(row: Row) -> float | None:
    if row.text("outcome", "success").lower() != "success":
        return None
    duration = row.number("duration_s")
    if not duration:
        raise row.wrong("duration_s", "is no time above 0", "Say `failed` in outcome if it failed.")
    return duration
