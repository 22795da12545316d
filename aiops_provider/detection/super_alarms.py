"""The life of super-alarms: opened once, growing, closed when all is normal again, reopened if it comes back."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from aiops_provider.detection.feedback import weigh_by_feedback
from aiops_provider.detection.fold import Fold
from aiops_provider.detection.similar import REMEMBERED, similar_incidents, with_remedy
from aiops_provider.detection.summary import impact_of, shared_attributes, summarise_alarms
from aiops_provider.domain.alarm import (
    Alarm,
    AlarmState,
    Response,
    ResponseAction,
    RootCause,
    Severity,
    SuperAlarm,
)

_OPEN = (AlarmState.OPEN, AlarmState.ACKNOWLEDGED)
# The same trouble within this after its end is no other one.
REOPENED_WITHIN = timedelta(hours=1)
_URGENCY = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}


@dataclass(slots=True)
class _Told:
    """A super-alarm with its members as they were last seen."""

    super_alarm: SuperAlarm
    members: dict[str, Alarm] = field(default_factory=dict)
    clusters: frozenset[str] = frozenset()
    grown_at: datetime | None = None


class SuperAlarms:
    """
    Open super-alarms of an installation.

    A group of alarms that shares members with an open super-alarm, or has its cause, is that
    super-alarm grown. Two that turn out to be one become one: the older keeps its id, the younger
    is resolved. Members stay members after they have cleared. What comes back within an hour after its
    end, with the same cause on one of the same series, goes on under its id.

    Args:
        period: So long after alarms were added it is growing.
    """

    def __init__(self, period: timedelta = timedelta(minutes=1)) -> None:
        self._period = period
        self._closed: dict[str, _Told] = {}
        self._told: dict[str, _Told] = {}
        self._changed: dict[str, SuperAlarm] = {}
        self._past: deque[SuperAlarm] = deque(maxlen=REMEMBERED)

    @property
    def open_ones(self) -> dict[str, SuperAlarm]:
        """Super-alarms with members that are not normal again, by id."""
        return {key: told.super_alarm for key, told in self._told.items()}

    def members(self, super_alarm_id: str) -> Mapping[str, Alarm]:
        """Members of an open super-alarm, by id."""
        return self._told[super_alarm_id].members

    def clusters(self, super_alarm_id: str) -> frozenset[str]:
        """Clusters on which its members were observed."""
        return self._told[super_alarm_id].clusters

    def holder_of(self, alarm_id: str) -> str | None:
        """Id of the open super-alarm that holds the alarm."""
        return next((key for key, told in self._told.items() if alarm_id in told.members), None)

    def take_changes(self) -> list[SuperAlarm]:
        """What was opened, changed or closed since the last call, in its latest form."""
        changed, self._changed = list(self._changed.values()), {}
        return changed

    def restore(self, super_alarm: SuperAlarm, members: Iterable[Alarm]) -> None:
        """Take one over from an earlier process, open or over a short while ago."""
        told = _Told(super_alarm, {alarm.id: alarm for alarm in members})
        told.grown_at = super_alarm.updated_at if super_alarm.growing else None
        told.clusters = frozenset(
            alarm.attributes["cluster"]
            for alarm in told.members.values()
            if "cluster" in alarm.attributes
        )
        into = self._told if super_alarm.state in _OPEN else self._closed
        into[super_alarm.id] = told

    def recall(self, past: Iterable[SuperAlarm]) -> None:
        """Remember these super-alarms that are over, and no others, for comparison; the newest last."""
        self._past.clear()
        self._past.extend(one for one in past if one.id not in self._told)
        for one in self._past:
            if one.id in self._closed:
                self._closed[one.id].super_alarm = one

    def put(self, super_alarm: SuperAlarm) -> None:
        """Replace an open one after its response was decided or a person marked it."""
        told = self._told.get(super_alarm.id)
        if told is not None and told.super_alarm != super_alarm:
            told.super_alarm = super_alarm
            self._changed[super_alarm.id] = super_alarm

    def forget(self, super_alarm_id: str) -> None:
        """A person said that it was false: nothing is added to it any more."""
        told = self._told.pop(super_alarm_id, None)
        if told is not None:
            self._past.append(replace(told.super_alarm, state=AlarmState.FALSE_POSITIVE))

    def update(self, folds: Sequence[Fold], alarms: Mapping[str, Alarm], now: datetime) -> None:
        """
        Fit the groups found now into what is open.

        Args:
            folds: Groups of one cause each.
            alarms: Alarms by id as they are now: the open ones, and any others in *folds*.
            now: The present moment.
        """
        self._closed = {
            key: told
            for key, told in self._closed.items()
            if told.super_alarm.closed_at is not None
            and now - told.super_alarm.closed_at <= REOPENED_WITHIN
        }
        claimed: set[str] = set()
        folds = [replace(one, root_cause=self._weighed(one)) for one in folds]
        for fold in sorted(folds, key=self._claim):
            members = {key: alarms[key] for key in sorted(fold.alarms) if key in alarms}
            if members:
                claimed.add(self._grow(fold, members, claimed, now))
        self._unite(now)
        for told in list(self._told.values()):
            self._refresh(told, alarms, now)

    def _weighed(self, fold: Fold) -> RootCause:
        kpis = {row.series.name for row in fold.rows}
        return weigh_by_feedback(fold.root_cause, kpis, self._past)

    def _claim(self, fold: Fold) -> tuple[bool, int]:
        """
        Order in which groups choose among the open super-alarms.

        First those whose cause is told already, or one that grows faster would take the name and
        the response of another; then the largest, so that a small one cannot take its name.
        """
        return self._of_cause(fold, self._told.values()) is None, -len(fold.alarms)

    @staticmethod
    def _of_cause(fold: Fold, told: Iterable[_Told]) -> _Told | None:
        cause = fold.root_cause.best.cause
        return next(
            (one for one in told if cause and one.super_alarm.root_cause.best.cause == cause), None
        )

    def _grow(self, fold: Fold, members: dict[str, Alarm], claimed: set[str], now: datetime) -> str:
        known = {*self._told}
        told = self._match(fold, members, claimed)
        for other in list(self._told.values()):
            if other is not told:
                self._move(other, told, members, now)
        if told.super_alarm.id in known and members.keys() - told.members.keys():
            told.grown_at = now
        told.members |= members
        told.clusters |= fold.clusters
        told.super_alarm = replace(
            told.super_alarm,
            root_cause=fold.root_cause,
            # What was changed is known for a while only; what was told of it stays.
            changes=fold.changes or told.super_alarm.changes,
        )
        return told.super_alarm.id

    def _unite(self, now: datetime) -> None:
        """Super-alarms that came to name the same cause are one: the oldest keeps its id."""
        oldest: dict[tuple[tuple[str, str], ...], _Told] = {}
        for told in sorted(
            self._told.values(), key=lambda told: (told.super_alarm.opened_at, told.super_alarm.id)
        ):
            cause = tuple(sorted(told.super_alarm.root_cause.best.cause.items()))
            first = oldest.setdefault(cause, told) if cause else told
            if first is not told:
                members = dict(told.members)
                self._move(told, first, members, now)
                first.members |= members
                first.clusters |= told.clusters

    def _match(self, fold: Fold, members: Mapping[str, Alarm], claimed: set[str]) -> _Told:
        free = [told for key, told in self._told.items() if key not in claimed]
        same = self._of_cause(fold, free)
        if same is not None:
            return same
        shared = [(len(members.keys() & told.members.keys()), told) for told in free]
        most = max((count for count, _ in shared), default=0)
        if most:
            # Of several that overlap as much, the one that was told first.
            best = [told for count, told in shared if count == most]
            return min(best, key=lambda told: told.super_alarm.opened_at)
        again = self._reopened(fold)
        if again is not None:
            return again
        opened = _opened(fold, members, taken=self._told.keys())
        self._told[opened.super_alarm.id] = opened
        return opened

    def _reopened(self, fold: Fold) -> _Told | None:
        """The one that was over and is back, if there is one."""
        told = self._of_cause(fold, self._closed.values())
        series = {row.series for row in fold.rows}
        if told is None or series.isdisjoint(one.series for one in told.members.values()):
            return None
        before = told.super_alarm
        told.super_alarm = replace(
            before,
            state=AlarmState.OPEN,
            closed_at=None,
            reopened=before.reopened + 1,
            response=_ended(before),
        )
        # It has come back, which is more to know than that it is larger now.
        told.grown_at = None
        self._told[before.id] = self._closed.pop(before.id)
        past = [one for one in self._past if one.id != before.id]
        self._past.clear()
        self._past.extend(past)
        return told

    def settle(self, now: datetime) -> None:
        """Those to which nothing was added for a period are not growing any more."""
        for told in self._told.values():
            still = told.grown_at is not None and now - told.grown_at < self._period
            if told.super_alarm.growing and not still:
                self.put(replace(told.super_alarm, growing=False, updated_at=now))

    def _move(self, other: _Told, told: _Told, members: Mapping[str, Alarm], now: datetime) -> None:
        """Alarms that belong elsewhere now leave; who has none left is closed."""
        leaving = other.members.keys() & members.keys()
        if not leaving:
            return
        same_cause = len(leaving) == len(other.members)
        for key in leaving:
            del other.members[key]
        if same_cause:
            merged = replace(
                other.super_alarm,
                state=AlarmState.RESOLVED,
                closed_at=now,
                updated_at=now,
                summary=f"Part of {told.super_alarm.id}. {other.super_alarm.summary}",
            )
            self._changed[merged.id] = merged
            del self._told[merged.id]

    def _refresh(self, told: _Told, alarms: Mapping[str, Alarm], now: datetime) -> None:
        """Bring what is told up to date with the members, and close it when all are normal."""
        told.members = {key: alarms.get(key, alarm) for key, alarm in told.members.items()}
        if told.grown_at is not None and now - told.grown_at >= self._period:
            told.grown_at = None
        before = told.super_alarm
        after = _described(told, self._past)
        if not any(alarm.state in _OPEN for alarm in told.members.values()):
            after = replace(after, state=AlarmState.RESOLVED, closed_at=now, growing=False)
            self._closed[after.id] = self._told.pop(after.id)
            self._past.append(after)
        if after != before or after.id in self._changed or before.updated_at == _NEVER:
            told.super_alarm = replace(after, updated_at=now)
            self._changed[after.id] = told.super_alarm


def _ended(over: SuperAlarm) -> Response | None:
    """
    The response that goes on when its super-alarm comes back.

    A quarantine has not ended with it, and what a person released before stays released; a hold that
    ended with it is decided anew.
    """
    response, end = over.response, over.closed_at
    if response is None or end is None or response.action is ResponseAction.QUARANTINE:
        return response
    if response.released_at is not None and response.released_at < end:
        return response
    return None


_NEVER = datetime.min.replace(tzinfo=UTC)


def _opened(fold: Fold, members: Mapping[str, Alarm], taken: Collection[str]) -> _Told:
    ordered = sorted(members.values(), key=lambda alarm: (alarm.observed_at, alarm.id))
    # Named after its first alarm, so that every process gives it the same name, unless that alarm
    # gave its name to another super-alarm that it belonged to before.
    names = [f"super-{sha256(alarm.id.encode()).hexdigest()[:12]}" for alarm in ordered]
    first = ordered[0]
    return _Told(
        SuperAlarm(
            id=next((name for name in names if name not in taken), f"{names[0]}-2"),
            summary="",
            opened_at=first.observed_at,
            severity=first.severity,
            alarms=(),
            representative=first.id,
            root_cause=fold.root_cause,
            updated_at=_NEVER,
        )
    )


def _described(told: _Told, past: Sequence[SuperAlarm]) -> SuperAlarm:
    members = sorted(told.members.values(), key=lambda alarm: (alarm.observed_at, alarm.id))
    root_cause = RootCause(
        hypotheses=tuple(
            with_remedy(one, members, past) for one in told.super_alarm.root_cause.hypotheses
        )
    )
    kpis = sorted({alarm.series.name for alarm in members})
    return replace(
        told.super_alarm,
        root_cause=root_cause,
        kpis=tuple(kpis),
        similar=similar_incidents(root_cause.best.cause, kpis, len(members), past),
        summary=summarise_alarms(members, root_cause.best, told.super_alarm.changes),
        opened_at=members[0].observed_at,
        severity=max((alarm.severity for alarm in members), key=_URGENCY.__getitem__),
        alarms=tuple(alarm.id for alarm in members),
        growing=told.grown_at is not None,
        representative=min(members, key=lambda alarm: alarm.p_value).id,
        impact=impact_of(members, told.clusters),
        attributes=shared_attributes(members),
        owners=tuple(sorted({alarm.owner for alarm in members} - {""})),
    )
