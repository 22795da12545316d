"""
A strict reader of five-field cron expressions, and the hours of the week in which they fire.

Standard fields only (minute, hour, day of month, month, day of week; lists, ranges, steps, English
names, ``@daily`` and its kin), in UTC. No extension of a particular scheduler: what is not standard
is refused rather than guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from aiops_provider.domain.units import HOURS_PER_WEEK

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
# Four years have each date as often as the calendar does, but for the turn of three centuries.
_CYCLE_START = datetime(2024, 1, 1, tzinfo=UTC)
_CYCLE_DAYS = 4 * 365 + 1


class CronError(ValueError):
    """The expression is no five-field cron expression; the message names the field."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    first_name: int = 0


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS, 1),
    _Field("day of week", 0, 7, _DAYS, 0),
)


@dataclass(frozen=True, slots=True)
class Cron:
    """
    The moments at which an expression fires.

    Attributes:
        minutes: 0–59.
        hours: 0–23.
        days: 1–31.
        months: 1–12.
        weekdays: 0 is Monday, as in ``datetime``.
        either_day: Whether a day matches by date *or* by weekday (both are restricted).
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    def fires_on(self, day: datetime) -> bool:
        """Whether it fires at all on that day."""
        if day.month not in self.months:
            return False
        by_date, by_weekday = day.day in self.days, day.weekday() in self.weekdays
        return (by_date or by_weekday) if self.either_day else (by_date and by_weekday)


def parse_cron(expression: str) -> Cron:
    """
    Read an expression.

    A day matches by date *or* weekday when both are restricted, as in every cron since Vixie's.

    Raises:
        CronError: With the field and what it allows.

    >>> parse_cron("30 6 * * mon-fri").weekdays == {0, 1, 2, 3, 4}
    True
    """
    text = _MACROS.get(expression.strip().lower(), expression)
    words = text.lower().split()
    if len(words) != len(_FIELDS):
        raise CronError(
            f"{expression!r} has {len(words)} fields; cron has five: minute hour day month weekday"
        )
    sets = [_read(word, field) for word, field in zip(words, _FIELDS, strict=True)]
    minutes, hours, days, months, weekdays = sets
    return Cron(
        minutes=minutes,
        hours=hours,
        days=days,
        months=months,
        # cron counts from Sunday, which is both 0 and 7; Python from Monday.
        weekdays=frozenset((day + 6) % 7 for day in weekdays),
        either_day=not words[2].startswith("*") and not words[4].startswith("*"),
    )


@lru_cache(maxsize=1024)
def starts_of_cron(expression: str) -> tuple[float, ...]:
    """
    Expected number of times an expression fires in each hour of the week, Monday 00 UTC first.

    Expressions that look at dates are averaged over four years of weeks.

    Raises:
        CronError: If it cannot be read.

    >>> starts = starts_of_cron("0,30 6 * * mon")
    >>> starts[6], sum(starts)
    (2.0, 2.0)
    """
    cron = parse_cron(expression)
    fired, seen = [0] * 7, [0] * 7
    for offset in range(_CYCLE_DAYS):
        day = _CYCLE_START + timedelta(days=offset)
        seen[day.weekday()] += 1
        fired[day.weekday()] += cron.fires_on(day)
    starts = [0.0] * HOURS_PER_WEEK
    for weekday in range(7):
        for hour in cron.hours:
            starts[weekday * 24 + hour] = len(cron.minutes) * fired[weekday] / seen[weekday]
    return tuple(starts)


def _read(word: str, field: _Field) -> frozenset[int]:
    values: set[int] = set()
    for part in word.split(","):
        span, slash, step_text = part.partition("/")
        step = _number(step_text, field, part) if slash else 1
        if step < 1:
            raise CronError(f"{field.name}: the step of {part!r} must be at least 1")
        if span == "*":
            low, high = field.low, field.high
        else:
            first, dash, last = span.partition("-")
            low = _value(first, field, part)
            # "5/15" means from 5 on, as Vixie's cron reads it.
            high = _value(last, field, part) if dash else field.high if slash else low
        if low > high:
            raise CronError(f"{field.name}: {part!r} runs backwards")
        values.update(range(low, high + 1, step))
    return frozenset(values)


def _value(text: str, field: _Field, part: str) -> int:
    if text in field.names:
        return field.names.index(text) + field.first_name
    value = _number(text, field, part)
    if not field.low <= value <= field.high:
        raise CronError(f"{field.name}: {part!r} is outside {field.low}–{field.high}")
    return value


def _number(text: str, field: _Field, part: str) -> int:
    # str.isdigit alone accepts superscripts, which int() refuses.
    if not (text.isascii() and text.isdigit()):
        raise CronError(f"{field.name}: {part!r} cannot be read")
    return int(text)
