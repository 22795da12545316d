"""
How long places stay and how long they are away, learned from when they went and came back.

Spells are taken as exponential, so one figure each is all there is to learn; a spell that has not
ended counts with the time it has lasted so far. Nothing later than the moment asked about is used.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

_Place = TypeVar("_Place", bound=Hashable)

# What was never lost may be lost all the same: before anything is known a loss a day is expected. That
# weighs as much as a quarter of a loss, so that a place that keeps going is soon known for it.
_UP_BEFORE_S, _LOSSES_BEFORE = 21_600.0, 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Uptime:
    """
    What the past of one place says.

    Attributes:
        is_up: Whether it is there now.
        mean_up_s: Mean time until it goes, in seconds.
        mean_down_s: Mean time until it is back, in seconds; ``None``: it never came back so far.
    """

    is_up: bool
    mean_up_s: float
    mean_down_s: float | None

    @property
    def share_up(self) -> float:
        """Share of the time that it is there in the long run."""
        if self.mean_down_s is None:
            return 1.0 if self.is_up else 0.0
        return self.mean_up_s / (self.mean_up_s + self.mean_down_s)

    def chance_up_within(self, seconds: float) -> float:
        """Chance that it is there at some moment of the next so many seconds."""
        if self.is_up:
            return 1.0
        if self.mean_down_s is None:
            return 0.0
        return -math.expm1(-max(seconds, 0.0) / self.mean_down_s)


@dataclass(slots=True)
class _Spells:
    is_up: bool
    since_s: float
    up_s: float = 0.0
    down_s: float = 0.0
    losses: float = 0
    returns: float = 0


class AvailabilityHistory(Generic[_Place]):
    """
    When places went and came back, as it became known; a place never heard of has always been there.

    The means are those of exponential spells with the last one censored; the one of the time until a
    loss has a gamma prior of one loss in a day.
    """

    def __init__(self) -> None:
        self._spells: dict[_Place, _Spells] = {}

    def restore(
        self,
        place: _Place,
        *,
        is_up: bool,
        now_s: float,
        up_s: float,
        down_s: float,
        losses: float,
        returns: float,
    ) -> None:
        """
        Replace what is known of a place by what others have learned.

        Args:
            place: Which.
            is_up: Whether it is there.
            now_s: Up to when they have counted, on the clock of :meth:`observe`.
            up_s: Time for which it was there.
            down_s: Time for which it was away.
            losses: How often it went.
            returns: How often it came back.
        """
        self._spells[place] = _Spells(is_up, now_s, up_s, down_s, losses, returns)

    def observe(self, place: _Place, *, is_up: bool, now_s: float) -> None:
        """
        Note how a place is; only a change is news.

        Args:
            place: Which.
            is_up: Whether it is there.
            now_s: On a clock that never goes back; not before an earlier observation of the place.
        """
        spells = self._spells.get(place)
        if spells is None:
            self._spells[place] = _Spells(is_up, now_s)
            if not is_up:
                self._spells[place].losses = 1
            return
        if spells.is_up is is_up:
            return
        lasted_s = max(now_s - spells.since_s, 0.0)
        if is_up:
            spells.down_s += lasted_s
            spells.returns += 1
        else:
            spells.up_s += lasted_s
            spells.losses += 1
        spells.is_up, spells.since_s = is_up, now_s

    def of(self, place: _Place, *, now_s: float) -> Uptime:
        """What is known about a place by now."""
        spells = self._spells.get(place)
        if spells is None:
            return Uptime(is_up=True, mean_up_s=_UP_BEFORE_S / _LOSSES_BEFORE, mean_down_s=None)
        lasted_s = max(now_s - spells.since_s, 0.0)
        up_s = spells.up_s + (lasted_s if spells.is_up else 0.0)
        down_s = spells.down_s + (0.0 if spells.is_up else lasted_s)
        return Uptime(
            is_up=spells.is_up,
            mean_up_s=(_UP_BEFORE_S + up_s) / (_LOSSES_BEFORE + spells.losses),
            mean_down_s=down_s / spells.returns if spells.returns and down_s > 0 else None,
        )
