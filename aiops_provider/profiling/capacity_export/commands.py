"""
Commands at their times: Airflow's pools and Prefect's work pools have no schedule of their own.

Both keep one number, changed by a command line; so each change of the schedule is that command with a
cron expression. They are printed as a crontab with ``CRON_TZ``, which cronie, Airflow's and Prefect's
own cron schedules can all take over line by line.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiops_provider.errors import DataError
from aiops_provider.profiling.capacity_export.recurrence import changes_of
from aiops_provider.profiling.capacity_schedule import CapacitySchedule


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedCommand:
    """
    A command that brings about one level.

    Attributes:
        cron: When, five fields on the wall clock of *timezone*; empty for the one to run now.
        timezone: IANA name.
        instances: The level from then on.
        command: Its words, unquoted.
        reason: Why then.
    """

    cron: str
    timezone: str
    instances: int
    command: tuple[str, ...]
    reason: str


def timed_commands(
    schedule: CapacitySchedule, words: Callable[[int], Sequence[str]]
) -> list[TimedCommand]:
    """
    A command per recurring change; one without a time if nothing ever changes.

    Args:
        schedule: What to run.
        words: The command for a number of instances.
    """
    zone = schedule.policy.timezone
    if not schedule.events:
        return [
            TimedCommand(
                cron="",
                timezone=zone,
                instances=schedule.largest,
                command=tuple(words(schedule.largest)),
                reason="the same all week",
            )
        ]
    return [
        TimedCommand(
            cron=change.cron,
            timezone=zone,
            instances=change.instances,
            command=tuple(words(change.instances)),
            reason=change.reason,
        )
        for change in changes_of(schedule)
    ]


def airflow_pool(schedule: CapacitySchedule, *, pool: str) -> list[TimedCommand]:
    """
    ``airflow pools set`` per change: slots of a pool, one run each.

    Tasks that run when a pool shrinks go on; Airflow only starts no new ones.
    """
    _check_name("pool", pool)
    text = "Set by the capacity schedule of aiops"
    return timed_commands(schedule, lambda n: ["airflow", "pools", "set", pool, str(n), text])


def prefect_work_pool(schedule: CapacitySchedule, *, work_pool: str) -> list[TimedCommand]:
    """``prefect work-pool set-concurrency-limit`` per change: flow runs at once, one each."""
    _check_name("work_pool", work_pool)
    return timed_commands(
        schedule,
        lambda n: ["prefect", "work-pool", "set-concurrency-limit", work_pool, str(n)],
    )


def crontab(commands: Sequence[TimedCommand]) -> str:
    """
    The commands as a crontab.

    A percent sign would end the command there, so it is escaped as crontab(5) asks.
    """
    lines = []
    if commands and commands[0].cron:
        lines.append(f"CRON_TZ={commands[0].timezone}")
    for timed in commands:
        line = shlex.join(timed.command)
        if timed.cron:
            escaped = line.replace("%", "\\%")
            lines += [f"# {timed.reason}", f"{timed.cron} {escaped}"]
        else:
            lines += [f"# {timed.reason}: run once", line]
    return "\n".join(lines) + "\n"


def _check_name(field: str, name: str) -> None:
    # A line break would end the line of the crontab, and what follows would be another command.
    if not name.strip() or not name.isprintable() or name.startswith("-"):
        raise DataError(
            "is no name of a pool",
            field=field,
            value=name,
            mend="Name the pool as its host lists it",
        )
