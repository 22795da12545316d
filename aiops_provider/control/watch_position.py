"""Up to where the detection has accounted for the samples in the store."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from aiops_provider.store import Store

_KEY = "detection"

# Samples that arrived within this time are read again by whoever takes over, for comparison.
_WINDOW = timedelta(hours=2)
# The moment of the last round is written this often, even when nothing arrived.
_STAMP = timedelta(minutes=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """
    A place in the order of arrival.

    Attributes:
        cursor: Of the last sample that is accounted for.
        window: A place before it, from which samples explain what is open.
        window_at: When that place was reached.
        watched_at: When the last round was; ``None`` before the first.
        next_window: The place that becomes the window when it is old enough.
        next_window_at: When that place was reached.
        resumed_at: Since when rounds follow each other without a pause; before it nobody listened.
        false_alarms_per_week: How many alarms chance alone is expected to raise in a week, at most, by
            what was judged on the last day; ``None`` before the second round.
    """

    cursor: int = 0
    window: int = 0
    window_at: datetime | None = None
    watched_at: datetime | None = None
    next_window: int = 0
    next_window_at: datetime | None = None
    resumed_at: datetime | None = None
    false_alarms_per_week: float | None = None

    def moved(self, cursor: int, now: datetime, *, by_chance: float = 0.0) -> Self:
        """
        After a round.

        Args:
            cursor: Up to where it read.
            now: When it was.
            by_chance: Alarms that chance alone is expected to have raised since the round before.
        """
        window, window_at = self.window, self.window_at
        following, following_at = self.next_window, self.next_window_at
        # Two places are enough: the window is between one and two times as long as asked.
        if following_at is None or now - following_at >= _WINDOW:
            window, window_at = following, following_at
            following, following_at = self.cursor, now
        return replace(
            self,
            cursor=cursor,
            window=window,
            window_at=window_at,
            watched_at=now,
            next_window=following,
            next_window_at=following_at,
            false_alarms_per_week=self._expected(now, by_chance),
        )

    def _expected(self, now: datetime, by_chance: float) -> float | None:
        """A mean over the last day: one lasting round says as much as many short ones."""
        if self.watched_at is None or now <= self.watched_at:
            return self.false_alarms_per_week
        passed = now - self.watched_at
        rate = by_chance / (passed / timedelta(weeks=1))
        if self.false_alarms_per_week is None:
            return rate
        kept = math.exp(-(passed / _DAY))
        return kept * self.false_alarms_per_week + (1.0 - kept) * rate

    @classmethod
    def read(cls, store: Store) -> Self:
        """As the store has it."""
        found: dict[str, Any] = store.get_state(_KEY) or {}
        return cls(
            cursor=int(found.get("cursor", 0)),
            window=int(found.get("window", 0)),
            window_at=_moment(found.get("window_at")),
            watched_at=_moment(found.get("watched_at")),
            next_window=int(found.get("next_window", 0)),
            next_window_at=_moment(found.get("next_window_at")),
            resumed_at=_moment(found.get("resumed_at")),
            false_alarms_per_week=found.get("false_alarms_per_week"),
        )

    def write(self, store: Store, kept: Position) -> None:
        """Keep it, if it says more than what is kept already."""
        stamped = (
            kept.watched_at is not None
            and self.watched_at is not None
            and self.watched_at - kept.watched_at < _STAMP
        )
        if self.cursor == kept.cursor and stamped:
            return
        store.set_state(
            _KEY,
            {
                name: value.isoformat() if isinstance(value, datetime) else value
                for name, value in ((slot, getattr(self, slot)) for slot in self.__slots__)
            },
        )


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
