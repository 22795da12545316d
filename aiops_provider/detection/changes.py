"""
What was changed shortly before a trouble.

That one thing came after another proves little, so a change never outweighs evidence: it stands beside the
super-alarm, and decides only between names for the very same observations.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from aiops_provider.detection.attributes import NEVER_AT_FAULT, SOFTWARE, has, kind_of
from aiops_provider.detection.evidence import Row
from aiops_provider.domain.alarm import Hypothesis, RootCause
from aiops_provider.domain.change import Change, PrecedingChange

# A task that runs once an hour shows only then what was changed before.
BEFORE_ONSET = timedelta(hours=1)
"""A change so long before an onset still stands with it."""

# More changes than these help nobody, and no installation is changed more often in the time that counts.
_TOLD = 3
_REMEMBERED = 2_000
# A change concerns a trouble when it concerns so much of what is in alarm …
_SHARE = 0.5
# … and this much more of it than of what is healthy.
_LIFT = 1.25

_Cause = tuple[tuple[str, str], ...]


class KnownChanges:
    """The changes of the time that counts, each once, the oldest first."""

    def __init__(self) -> None:
        self._known: dict[tuple[datetime, str, str, _Cause], Change] = {}

    def add(self, changes: Iterable[Change]) -> bool:
        """Take in changes; whether any of them was not known."""
        before = len(self._known)
        for one in changes:
            key = (one.at, one.kind, one.words, tuple(sorted(one.attributes.items())))
            self._known.setdefault(key, one)
        new = len(self._known) > before
        if new:
            ordered = sorted(self._known.items(), key=lambda item: item[0])
            self._known = dict(ordered[-_REMEMBERED:])
        return new

    def before(self, onset: datetime) -> list[Change]:
        """Those that came shortly before that moment."""
        return [one for one in self._known.values() if onset - BEFORE_ONSET <= one.at <= onset]

    def forget(self, until: datetime) -> None:
        """Drop those of before that moment."""
        self._known = {key: one for key, one in self._known.items() if one.at >= until}


def concerned(attributes: Mapping[str, str], change: Change) -> bool:
    """
    Whether an observation is of what a change concerns.

    In which version something ran is told by the end of an execution only: an observation that does not
    tell it is not refused for it.
    """
    wanted = change.attributes
    of_software = {name: value for name, value in wanted.items() if name in SOFTWARE}
    if len(of_software) == len(wanted):
        return bool(wanted) and has(attributes, wanted)
    return all(
        attributes.get(name, value if name in SOFTWARE else None) == value
        for name, value in wanted.items()
    )


def preceding_changes(
    changes: Iterable[Change], alarmed: Sequence[Row], healthy: Sequence[Row], *, onset: datetime
) -> tuple[PrecedingChange, ...]:
    """
    The changes that may have brought a trouble, the likeliest first.

    Args:
        changes: Of the time before the onset.
        alarmed: Observations of the trouble, at least one.
        healthy: Observations of the same time that are not in alarm.
        onset: When the trouble began.

    Returns:
        At most three: first those that concern what is in alarm more than what is healthy, then those that
        concern some of it or everything; each by closeness. Others are left out.
    """
    found = []
    for one in changes:
        bad, fine = _share(alarmed, one), _share(healthy, one)
        if not one.attributes or bad:
            concerns = bad >= _SHARE and bad >= _LIFT * fine
            before_s = (onset - one.at).total_seconds()
            found.append(PrecedingChange(change=one, before_s=before_s, concerns=concerns))
    found.sort(key=lambda one: (not one.concerns, one.before_s, one.change.words))
    return tuple(found[:_TOLD])


def preferring_changed(
    root_cause: RootCause,
    changes: Sequence[PrecedingChange],
    alarmed: Sequence[Row],
    healthy: Sequence[Row],
) -> RootCause:
    """
    The ranking in which a change decides between hypotheses that the evidence does not tell apart.

    Those of equal evidence change places. And if what was changed is observed wherever the best cause is, and
    nowhere else, then it is another name for the same observations, and is told first – no more sure.

    Args:
        root_cause: The ranking by evidence alone.
        changes: Those before the onset, the likeliest first.
        alarmed: Observations of the trouble.
        healthy: Observations of the same time that are not in alarm.
    """
    likely = [one.change for one in changes if one.concerns]
    if not likely or not root_cause.best.cause:
        return root_cause
    rows = [row.attributes for row in (*alarmed, *healthy)]
    ranked = _by_change(root_cause.hypotheses, likely, rows)
    best = ranked[0]
    if any(_names(best.cause, one) for one in likely):
        return RootCause(hypotheses=ranked)
    for change in likely:
        if _covers_the_same(best.cause, change, rows):
            cause = _told_of(change, [row for row in rows if has(row, best.cause)])
            if cause:
                # The name it had stands below: whoever doubts the change finds it.
                told = replace(best, cause=cause, kind=kind_of(cause), remedy="")
                others = [one for one in ranked if dict(one.cause) != cause]
                return RootCause(hypotheses=(told, *others))
    return RootCause(hypotheses=ranked)


def _by_change(
    hypotheses: Sequence[Hypothesis], likely: Sequence[Change], rows: Collection[Mapping[str, str]]
) -> tuple[Hypothesis, ...]:
    """Hypotheses in order, within each run of equal evidence those first that a change covers."""
    found: list[Hypothesis] = []
    left = list(hypotheses)
    while left:
        equal = [one for one in left if _evidence(one) == _evidence(left[0])]
        together = left[: len(equal)]
        if together != equal:  # others stand in between: their order says something
            found.append(left.pop(0))
            continue
        together.sort(key=lambda one: not any(_covers_the_same(one.cause, c, rows) for c in likely))
        found += together
        left = left[len(equal) :]
    return tuple(found)


def _evidence(one: Hypothesis) -> tuple[float, ...]:
    figures = (one.support, one.precision, one.lift, one.p_value)
    return (len(one.cause), *(round(figure, 9) for figure in figures))


def _covers_the_same(
    cause: Mapping[str, str], change: Change, rows: Collection[Mapping[str, str]]
) -> bool:
    return bool(cause) and all(has(row, cause) == concerned(row, change) for row in rows)


def _names(cause: Mapping[str, str], change: Change) -> bool:
    """Whether the cause is what was changed, or a part of its name."""
    return all(change.attributes.get(name) == value for name, value in cause.items())


def _told_of(change: Change, rows: Collection[Mapping[str, str]]) -> dict[str, str]:
    """What was changed, as far as all of these observations have it."""
    return {
        name: value
        for name, value in change.attributes.items()
        if name not in NEVER_AT_FAULT and all(row.get(name) == value for row in rows)
    }


def _share(rows: Sequence[Row], change: Change) -> float:
    return sum(concerned(row.attributes, change) for row in rows) / max(len(rows), 1)
