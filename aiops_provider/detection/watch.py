"""
The engine of one installation: samples in; alarms, super-alarms and responses out.

It lives in memory and can be rebuilt at any time from what a store remembers (:meth:`Watch.prime`,
:meth:`Watch.restore`). Requirements: one thread; samples in order of arrival; ``observe`` any
number of times, then ``evaluate``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from aiops_provider.detection.board import AlarmBoard
from aiops_provider.detection.discovery import Discoveries
from aiops_provider.detection.evaluation import Evaluation
from aiops_provider.detection.investigation import Investigation, lifted
from aiops_provider.detection.judge import Judge, Observation
from aiops_provider.detection.limits import WatchConfig
from aiops_provider.detection.lineage import Lineage
from aiops_provider.detection.local_clock import LocalClock
from aiops_provider.detection.memory import Memory
from aiops_provider.detection.rules import RuleSet
from aiops_provider.detection.silence import (
    WEIGHT,
    Silences,
    Silent,
    silence_of,
    silent_series,
)
from aiops_provider.detection.verdict import ALARM_P, Detector, Verdict
from aiops_provider.domain.alarm import Alarm, AlarmState, Response, SuperAlarm
from aiops_provider.domain.change import Change
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.kpi import KpiSample, SeriesKey
from aiops_provider.domain.task import TaskKey


class Watch:
    """
    Watches all series of an installation.

    Args:
        config: Limits and periods.
        rules: Expert rules.
        clusters: The clusters of the installation, for responses.
        detectors: Detectors beside the built-in ones.

    Raises:
        ClockError: The configured time zone or holidays cannot be used.
    """

    def __init__(
        self,
        config: WatchConfig,
        rules: RuleSet,
        *,
        clusters: Sequence[ClusterSpec] = (),
        detectors: Iterable[Detector] = (),
    ) -> None:
        self._period, self._merge_gap = config.period, config.merge_gap
        clock = LocalClock(config.time_zone, config.holidays)
        self._judge = Judge(
            rules, minimum_history=config.minimum_history, detectors=detectors, clock=clock
        )
        self._memory = Memory(config.adapt_after)
        self._silences = Silences(
            minimum=config.minimum_history,
            settle=config.silence_after,
            missed=config.ended_after_missed,
            give_up=config.give_up_after,
            hour_of_week=clock.hour_of_week,
        )
        self._discoveries = Discoveries(config.false_discovery_rate, config.period, beside=WEIGHT)
        self._board = AlarmBoard(clear_after=config.clear_after, give_up_after=config.give_up_after)
        self._investigation = Investigation(config, clusters)
        self._samples = self._judged = 0
        self._by_chance = 0.0
        self._news = False
        self._spread_at: datetime | None = None  # an alarm was last seen where it was not before

    def knows(self, series: SeriesKey) -> bool:
        """Whether the series was primed or observed before."""
        return series in self._memory

    @property
    def has_open(self) -> bool:
        """Whether any alarm or super-alarm is open."""
        return bool(self._board.open_alarms or self._investigation.super_alarms.open_ones)

    def prime(
        self,
        history: Mapping[SeriesKey, Sequence[tuple[datetime, float]]],
        alarms: Iterable[Alarm] = (),
    ) -> None:
        """
        Take in the past of series.

        Args:
            history: Moments and values of each, oldest first.
            alarms: Alarms of that time: what they hold is not normal, unless it lasted long or a
                person said that it was a false alarm.
        """
        alarms = list(alarms)
        self._memory.prime(history, alarms)
        outages: dict[SeriesKey, list[tuple[datetime, datetime]]] = defaultdict(list)
        for alarm in alarms:
            silent = silent_series(alarm.series)
            if silent is not None and alarm.state is not AlarmState.FALSE_POSITIVE:
                span = (alarm.observed_at, alarm.last_seen_at or alarm.observed_at)
                outages[silent].append(span)
        for series, values in history.items():
            self._silences.prime(series, [at for at, _ in values], outages.get(series, ()))

    def learn(self, samples: Iterable[KpiSample]) -> None:
        """Take in samples from long ago as normal, without judging them."""
        for sample in samples:
            self._memory.learn(sample)
            self._silences.arrived(sample, live=False)

    def resume(self, now: datetime) -> None:
        """
        Nobody listened for a while: what was not heard until now says nothing about who is silent.

        Args:
            now: From then on a silence counts.
        """
        self._silences.resume(now)

    def next_silence(self, before: datetime) -> datetime | None:
        """When to evaluate, before that moment, because a silence can be odd; ``None``: need not."""
        return self._silences.next_look(before)

    def restore(
        self,
        alarms: Sequence[Alarm],
        super_alarms: Iterable[tuple[SuperAlarm, Sequence[Alarm]]],
        samples: Iterable[KpiSample],
    ) -> None:
        """
        Go on where an earlier process ended.

        Args:
            alarms: Open ones, and those that ended lately.
            super_alarms: Open ones, and those that ended within an hour, with their members.
            samples: What was observed lately and is accounted for already, for comparison.
        """
        self._board.restore(sorted(alarms, key=lambda alarm: alarm.observed_at))
        for super_alarm, members in super_alarms:
            self._investigation.super_alarms.restore(super_alarm, members)
        by_series: dict[SeriesKey, list[Alarm]] = defaultdict(list)
        for alarm in alarms:
            if alarm.state is not AlarmState.FALSE_POSITIVE:
                by_series[alarm.series].append(alarm)
        for sample in sorted(samples, key=lambda sample: sample.observed_at):
            verdict = self._judge.verdict(sample, self._memory.past(sample.series))
            self._keep(sample, verdict, _holder(sample, by_series.get(sample.series, ())))
            self._silences.arrived(sample, live=False)
        for alarm in alarms:
            silent = silent_series(alarm.series)
            if silent is not None and alarm.state is not AlarmState.RESOLVED:
                self._silences.told(silent, alarm.observed_at)
                if alarm.state is AlarmState.FALSE_POSITIVE:
                    self._silences.accept(silent)

    def recall(self, super_alarms: Iterable[SuperAlarm]) -> None:
        """Remember these super-alarms that are over, which later ones are compared with; the newest last."""
        self._investigation.super_alarms.recall(super_alarms)

    def tell_changes(self, changes: Iterable[Change]) -> None:
        """Take note of what was changed lately; the same may be told again and again."""
        if self._investigation.changes.add(changes):
            self._news = True

    def tell_lineage(self, edges: Iterable[tuple[TaskKey, TaskKey]]) -> None:
        """
        Say which tasks use what others make, in place of what was said before.

        Args:
            edges: Pairs of a task and one that is directly downstream of it.
        """
        self._investigation.lineage = Lineage(edges)
        self._news = True

    @property
    def dags_in_alarm(self) -> frozenset[str]:
        """DAGs of which anything is in alarm, or in an open super-alarm."""
        told = self._investigation.super_alarms
        alarms = [*self._board.open_alarms.values()]
        alarms += [one for key in told.open_ones for one in told.members(key).values()]
        return frozenset(one.attributes["dag"] for one in alarms if "dag" in one.attributes)

    def sync(self, alarms: Iterable[Alarm], super_alarms: Iterable[SuperAlarm]) -> None:
        """
        Take note of what people did to alarms meanwhile.

        Args:
            alarms: All that are open in the store.
            super_alarms: All that are open in the store.
        """
        stored = {alarm.id: alarm for alarm in alarms}
        for alarm in self._board.open_alarms.values():
            if alarm.id not in stored:
                self._board.mute(alarm)
                silent = silent_series(alarm.series)
                if silent is None:
                    self._memory.accept(alarm.series)
                else:
                    self._silences.accept(silent)
                self._news = True
            elif stored[alarm.id].state is not alarm.state:
                self._board.put(replace(alarm, state=stored[alarm.id].state))
        told = {one.id: one for one in super_alarms}
        mine = self._investigation.super_alarms
        for key, one in mine.open_ones.items():
            if key not in told:
                mine.forget(key)
            elif _marks(told[key]) != _marks(one):
                state, response, note, real_cause = _marks(told[key])
                mine.put(
                    replace(one, state=state, response=response, note=note, real_cause=real_cause)
                )

    def observe(self, samples: Iterable[KpiSample]) -> list[Observation]:
        """Judge samples and update the alarm board; the samples of a period face one test."""
        observations = []
        for batch in _by_period(samples, self._period):
            observations.extend(self._observe_together(batch))
        self._samples += len(observations)
        self._judged += sum(one.verdict is not None for one in observations)
        return observations

    def evaluate(
        self,
        now: datetime,
        *,
        unavailable: Mapping[str, str] | None = None,
        complete: bool = True,
    ) -> Evaluation:
        """
        Group alarms, find causes, decide responses.

        Args:
            now: The present moment.
            unavailable: Clusters that cannot be counted on now, with why.
            complete: Whether all that was reported until now was observed. If not, nobody is silent.
        """
        self._board.give_up(now)
        if complete:
            self._listen(now)
        else:
            self._silences.resume(now)
        if self._news or self._board.turned:
            self._fold(now)
            self._news = False
        self._investigation.super_alarms.settle(now)
        responses = self._investigation.respond(now, unavailable or {})
        super_alarms = self._investigation.super_alarms.take_changes()
        responses.extend(lifted(super_alarms, now))
        self._investigation.forget(self._board.open_alarms, now)
        done = Evaluation(
            alarms=tuple(self._board.take_changes()),
            super_alarms=tuple(super_alarms),
            responses=tuple(responses),
            samples=self._samples,
            judged=self._judged,
            by_chance=self._by_chance,
        )
        self._samples = self._judged = 0
        self._by_chance = 0.0
        return done

    def _observe_together(self, samples: Sequence[KpiSample]) -> list[Observation]:
        verdicts = [
            self._judge.verdict(sample, self._memory.past(sample.series)) for sample in samples
        ]
        judged = list(zip(samples, verdicts, strict=True))
        tested = [
            (sample.observed_at, verdict.p_value)
            for sample, verdict in judged
            if verdict is not None and not verdict.event and verdict.detector != "threshold"
        ]
        threshold_p = self._discoveries.threshold(tested)
        self._by_chance += self._discoveries.by_chance(len(tested), ALARM_P)
        observations = [
            self._judge.observation(sample, verdict, threshold_p=threshold_p)
            for sample, verdict in judged
        ]
        for observation in observations:
            self._note(observation)
            self._silences.arrived(observation.sample)
        return observations

    def _listen(self, now: datetime) -> None:
        """Series that stopped to report are in alarm, those that report again no more."""
        for series, why in self._silences.over(now):
            self._board.clear(silence_of(series), why)
        overdue = self._silences.overdue(now)
        if not overdue:
            return
        threshold_p = self._discoveries.threshold([(now, one.verdict.p_value) for one in overdue])
        held = [self._hear(silent, threshold_p, now) for silent in overdue]
        if any(held):
            self._news = True
            # Their neighbours may be late for the same reason, though it is not sure yet.
            self._investigation.evidence.withdraw(self._silences.late(now))

    def _hear(self, silent: Silent, threshold_p: float, now: datetime) -> bool:
        """Judge a silence; whether an alarm holds it."""
        sample, series = silent.sample, silent_series(silent.sample.series)
        assert series is not None  # noqa: S101 - it is a silence
        verdict = self._judge.with_threshold(sample, silent.verdict) or silent.verdict
        # Maintenance may have begun after the sample was due, and may be over by now.
        for at in (now, sample.observed_at):
            observation = self._judge.observation(
                replace(sample, observed_at=at), verdict, threshold_p=threshold_p
            )
            if observation.ruling.ignored_by is not None:
                self._silences.excuse(series, now)
                self._board.clear(
                    sample.series, f"normal by rule {observation.ruling.ignored_by.name}"
                )
                return False
        alarm = self._board.update(observation)
        if alarm is None:
            return False
        self._silences.told(series, alarm.observed_at)
        self._investigation.evidence.add(sample, expected=verdict.expected, alarm=alarm.id)
        self._spread_at = now
        return True

    def _note(self, observation: Observation) -> None:
        self._keep(observation.sample, observation.verdict, self._board.update(observation))

    def _keep(self, sample: KpiSample, verdict: Verdict | None, alarm: Alarm | None) -> None:
        if alarm is not None:
            self._memory.set_aside(sample)
        else:
            self._memory.learn(sample)
        if verdict is None:  # of what cannot be judged nobody knows whether it is healthy
            return
        spread = self._investigation.evidence.add(
            sample, expected=verdict.expected, alarm=alarm.id if alarm else None
        )
        if spread:
            self._spread_at = sample.observed_at
        # Healthy observations matter while an incident is young; later they change nothing.
        recent = (
            self._spread_at is not None and sample.observed_at - self._spread_at <= self._merge_gap
        )
        self._news = self._news or recent

    def _fold(self, now: datetime) -> None:
        open_alarms = self._board.open_alarms
        super_alarms = self._investigation.super_alarms
        if not open_alarms and not super_alarms.open_ones:
            return
        self._investigation.fold(open_alarms, self._board.changed, now)
        for alarm in open_alarms.values():
            holder = super_alarms.holder_of(alarm.id)
            if holder is not None and alarm.super_alarm != holder:
                self._board.put(replace(alarm, super_alarm=holder))


def _marks(one: SuperAlarm) -> tuple[AlarmState, Response | None, str, Mapping[str, str]]:
    """What people can change of a super-alarm."""
    return one.state, one.response, one.note, one.real_cause


def _by_period(samples: Iterable[KpiSample], period: timedelta) -> Iterator[list[KpiSample]]:
    batch: list[KpiSample] = []
    for sample in sorted(samples, key=lambda sample: sample.observed_at):
        if batch and sample.observed_at - batch[0].observed_at >= period:
            yield batch
            batch = []
        batch.append(sample)
    if batch:
        yield batch


def _holder(sample: KpiSample, alarms: Iterable[Alarm]) -> Alarm | None:
    """The alarm of its series during which a sample was taken."""
    at = sample.observed_at
    return next(
        (one for one in alarms if one.observed_at <= at <= (one.last_seen_at or one.observed_at)),
        None,
    )
