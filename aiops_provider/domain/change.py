"""What was changed in an installation, and what of it came just before a trouble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class ChangeKind(StrEnum):
    """What sort of thing was changed; a file of changes may name others."""

    DEPLOY = "deploy"
    CONFIG = "config"
    PLAN = "plan"
    PRICE = "price"
    SPOT = "spot"
    RESPONSE = "response"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """
    Something that was changed at a known moment.

    Attributes:
        at: When; with time zone.
        kind: A :class:`ChangeKind` or another short word.
        words: What happened, without the moment: ``task sales/load ran new code c0ffee``.
        attributes: What it concerns: ``{"dag": "sales", "task": "load"}``; empty: everything.
    """

    at: datetime
    kind: str
    words: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecedingChange:
    """
    A change that came shortly before the onset of a super-alarm.

    Attributes:
        change: What was changed.
        before_s: Seconds from the change to the onset, >= 0.
        concerns: Whether most of what is in alarm, and less of what is healthy, is what it concerns.
    """

    change: Change
    before_s: float
    concerns: bool

    def __str__(self) -> str:
        return f"{_span(self.before_s)} before: {self.change.words}"


def _span(seconds: float) -> str:
    """
    A time in one unit.

    >>> _span(12.0), _span(119.0), _span(3_600.0)
    ('12 s', '2 min', '60 min')
    """
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds / 60:.0f} min"
