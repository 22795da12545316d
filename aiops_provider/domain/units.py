"""Units and time slots; every other module names its unit and converts here only."""

from __future__ import annotations

from datetime import UTC, datetime

BYTES_PER_GIB = 1024**3
SECONDS_PER_HOUR = 3600.0
HOURS_PER_WEEK = 168
HOURS_PER_MONTH = 730.0
"""As clouds turn prices of a month into prices of an hour: a twelfth of 8,760."""


def gib_from_bytes(size_bytes: float) -> float:
    """
    Convert bytes to GiB.

    >>> gib_from_bytes(2 * 1024**3)
    2.0
    """
    return size_bytes / BYTES_PER_GIB


def bytes_from_gib(size_gib: float) -> int:
    """
    Convert GiB to whole bytes.

    >>> bytes_from_gib(0.5)
    536870912
    """
    return int(size_gib * BYTES_PER_GIB)


def hour_of_week(moment: datetime) -> int:
    """
    Slot of the week in UTC: 0 is Monday 00:00–01:00, 167 is Sunday 23:00–24:00.

    >>> hour_of_week(datetime(2026, 1, 5, 1, 30, tzinfo=UTC))
    1
    """
    utc = moment.astimezone(UTC)
    return utc.weekday() * 24 + utc.hour


def utc_now() -> datetime:
    """The present moment, timezone-aware, in UTC."""
    return datetime.now(UTC)
