"""Changes of a week as few cron expressions: the same change on several days is one line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from aiops_provider.profiling.capacity_schedule import CapacitySchedule, ScaleEvent

_DAY_MINUTES = 24 * 60
_WEEK_MINUTES = 7 * _DAY_MINUTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """
    A change that comes back on some days of the week.

    Attributes:
        minute: Of the day.
        weekdays: 0 is Monday, rising.
        instances: From then on.
        reason: Of the first of them.
    """

    minute: int
    weekdays: tuple[int, ...]
    instances: int
    reason: str

    @property
    def cron(self) -> str:
        """As five fields, days numbered from Sunday as cron does."""
        return cron_of(self.minute, self.weekdays)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """
    A span above the least level that comes back on some days of the week.

    Attributes:
        start_minute: Of the day on which it begins.
        start_weekdays: 0 is Monday.
        end_minute: Of the day on which it ends.
        end_weekdays: 0 is Monday.
        instances: Within it.
    """

    start_minute: int
    start_weekdays: tuple[int, ...]
    end_minute: int
    end_weekdays: tuple[int, ...]
    instances: int


def changes_of(schedule: CapacitySchedule) -> list[Change]:
    """The events of a week, the same time of day and level taken together."""
    by_time: dict[tuple[int, int], list[ScaleEvent]] = defaultdict(list)
    for event in schedule.events:
        by_time[event.minute_of_week % _DAY_MINUTES, event.instances].append(event)
    return [
        Change(
            minute=minute,
            weekdays=tuple(sorted(e.minute_of_week // _DAY_MINUTES for e in events)),
            instances=instances,
            reason=events[0].reason,
        )
        for (minute, instances), events in sorted(by_time.items())
    ]


def windows_of(schedule: CapacitySchedule) -> list[Window]:
    """The spans above the least level; those of a day or longer stand alone."""
    grouped: dict[tuple[int, int, int, int], list[int]] = defaultdict(list)
    events = schedule.events
    for event, following in zip(events, events[1:] + events[:1], strict=True):
        if event.instances == schedule.smallest:
            continue
        length = (following.minute_of_week - event.minute_of_week) % _WEEK_MINUTES
        # Taken together, windows of a day and more would run into each other.
        alone = event.minute_of_week if length >= _DAY_MINUTES else -1
        key = (event.minute_of_week % _DAY_MINUTES, event.instances, length, alone)
        grouped[key].append(event.minute_of_week)
    found = []
    for (minute, instances, length, _), starts in sorted(grouped.items()):
        ends = [(start + length) % _WEEK_MINUTES for start in starts]
        found.append(
            Window(
                start_minute=minute,
                start_weekdays=_days(starts),
                end_minute=ends[0] % _DAY_MINUTES,
                end_weekdays=_days(ends),
                instances=instances,
            )
        )
    return found


def cron_of(minute: int, weekdays: Iterable[int]) -> str:
    """
    Five fields of cron.

    >>> cron_of(8 * 60 + 30, [0, 1, 2, 3, 4])
    '30 8 * * 1,2,3,4,5'
    """
    days = sorted((day + 1) % 7 for day in weekdays)
    said = "*" if len(days) == 7 else ",".join(map(str, days))
    return f"{minute % 60} {minute // 60} * * {said}"


def _days(minutes: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(minute // _DAY_MINUTES for minute in minutes))
