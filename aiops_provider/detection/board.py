"""The alarm board: which series are in alarm, without flicker and without repetition."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

from aiops_provider.detection.attributes import SILENCE
from aiops_provider.detection.judge import Observation
from aiops_provider.domain.alarm import Alarm, AlarmState, Severity
from aiops_provider.domain.kpi import SeriesKey

# Ended alarms of a series that are remembered, for samples that arrive again or late.
_REMEMBERED = 8


@dataclass(slots=True)
class _Held:
    alarm: Alarm
    normal_in_a_row: int = 0


class AlarmBoard:
    """
    Raises, holds and clears alarms, one per series at a time.

    An alarm is raised by a sample that is significant, held while samples deviate at all, and
    resolved after *clear_after* normal ones in a row: a flapping series is one alarm. Its id comes
    from the series and the onset, so that the same samples seen again are the same alarm. A sample
    older than the newest one of its series changes nothing: what is known since then is newer.

    A series whose alarm was marked a false positive is mute until it is normal by itself.

    Args:
        clear_after: Normal samples in a row that resolve an alarm.
        give_up_after: Without any sample for so long an alarm is resolved.
    """

    def __init__(self, *, clear_after: int, give_up_after: timedelta) -> None:
        self._clear_after, self._give_up_after = clear_after, give_up_after
        self._held: dict[SeriesKey, _Held] = {}
        self._newest: dict[SeriesKey, datetime] = {}
        self._ended: dict[SeriesKey, list[Alarm]] = defaultdict(list)
        self._changed: dict[str, Alarm] = {}
        self._turned = False

    @property
    def open_alarms(self) -> dict[str, Alarm]:
        """Alarms whose series is not normal again, by id; without those that are mute."""
        return {
            held.alarm.id: held.alarm
            for held in self._held.values()
            if held.alarm.state is not AlarmState.FALSE_POSITIVE
        }

    @property
    def turned(self) -> bool:
        """Whether an alarm was raised or ended since the changes were last taken."""
        return self._turned

    @property
    def changed(self) -> list[Alarm]:
        """What was raised, held or cleared since the changes were last taken."""
        return list(self._changed.values())

    def take_changes(self) -> list[Alarm]:
        """What was raised, held or cleared since the last call, in its latest form."""
        changed, self._changed = list(self._changed.values()), {}
        self._turned = False
        return changed

    def restore(self, alarms: Iterable[Alarm]) -> None:
        """Take alarms over from an earlier process."""
        for alarm in alarms:
            if alarm.state is AlarmState.RESOLVED:
                self._remember(alarm)
            else:
                self._held[alarm.series] = _Held(alarm)
            seen = alarm.last_seen_at or alarm.observed_at
            self._newest[alarm.series] = max(self._newest.get(alarm.series, seen), seen)

    def update(self, observation: Observation) -> Alarm | None:
        """
        Take in an observation.

        Returns:
            The alarm that holds the sample, or ``None`` when it is none of an alarm's.
        """
        sample = observation.sample
        series, at = sample.series, sample.observed_at
        if observation.verdict is None:
            return None
        known = self._known(series, at)
        if known is not None and at <= self._newest.get(series, at):
            return None if known.state is AlarmState.FALSE_POSITIVE else known
        if at < self._newest.get(series, at):
            return None
        self._newest[series] = at
        held = self._held.get(series)
        if held is None:
            return self._raise(observation) if observation.alarmed else None
        if observation.deviating:
            return self._hold(held, observation)
        held.normal_in_a_row += 1
        if held.normal_in_a_row >= self._clear_after:
            self._end(held.alarm)
        return None

    def put(self, alarm: Alarm) -> None:
        """Replace an alarm that is open, after it was given to a super-alarm or marked."""
        held = self._held.get(alarm.series)
        if held is not None and held.alarm.id == alarm.id and held.alarm != alarm:
            held.alarm = alarm
            self._changed[alarm.id] = alarm

    def mute(self, alarm: Alarm) -> None:
        """Take note that a person marked the alarm a false positive."""
        self.put(replace(alarm, state=AlarmState.FALSE_POSITIVE))
        self._turned = True

    def clear(self, series: SeriesKey, why: str = "") -> None:
        """End the alarm of a series at once, if it has one; *why* is added to its reason."""
        held = self._held.get(series)
        if held is not None:
            reason = f"{held.alarm.reason}; {why}" if why else held.alarm.reason
            self._end(replace(held.alarm, reason=reason))

    def give_up(self, now: datetime) -> None:
        """Resolve alarms of series that have not been reported for long, unless just that is told."""
        for alarm in list(self.open_alarms.values()):
            if alarm.series.name == SILENCE:
                continue
            newest = self._newest.get(alarm.series, alarm.observed_at)
            if now - newest > self._give_up_after:
                self._end(alarm)

    def _raise(self, observation: Observation) -> Alarm:
        sample, verdict = observation.sample, observation.verdict
        assert verdict is not None  # noqa: S101 - update() let nothing else through
        alarm = Alarm(
            id=alarm_id(sample.series, sample.observed_at),
            series=sample.series,
            observed_at=sample.observed_at,
            value=sample.value,
            expected=verdict.expected,
            score=verdict.score,
            p_value=verdict.p_value,
            attributes=sample.attributes,
            severity=observation.ruling.effect.severity or Severity.WARNING,
            reason=verdict.reason,
            detector=verdict.detector,
            last_seen_at=sample.observed_at,
            remedy=observation.ruling.effect.remedy or "",
            owner=observation.ruling.effect.owner or "",
            alone=observation.ruling.effect.tell_alone or False,
            hold_downstream=observation.ruling.effect.hold_downstream or False,
        )
        self._held[sample.series] = _Held(alarm)
        self._changed[alarm.id] = alarm
        self._turned = True
        return alarm

    def _hold(self, held: _Held, observation: Observation) -> Alarm | None:
        held.normal_in_a_row = 0
        held.alarm = replace(held.alarm, last_seen_at=observation.sample.observed_at)
        self._changed[held.alarm.id] = held.alarm
        return None if held.alarm.state is AlarmState.FALSE_POSITIVE else held.alarm

    def _end(self, alarm: Alarm) -> None:
        self._turned = True
        del self._held[alarm.series]
        ended = replace(alarm, state=AlarmState.RESOLVED)
        self._remember(ended)
        if alarm.state is not AlarmState.FALSE_POSITIVE:  # what a person said stays in the store
            self._changed[ended.id] = ended

    def _remember(self, alarm: Alarm) -> None:
        ended = self._ended[alarm.series]
        ended.append(alarm)
        del ended[:-_REMEMBERED]

    def _known(self, series: SeriesKey, at: datetime) -> Alarm | None:
        """The alarm during which a sample of that moment was taken."""
        held = self._held.get(series)
        for alarm in (*([held.alarm] if held else []), *self._ended[series]):
            if alarm.observed_at <= at <= (alarm.last_seen_at or alarm.observed_at):
                return alarm
        return None


def alarm_id(series: SeriesKey, onset: datetime) -> str:
    """The same for the same series and onset, in every process."""
    text = f"{series.name}|{series.dimensions!r}|{onset.timestamp():.6f}"
    return f"alarm-{sha256(text.encode()).hexdigest()[:12]}"
