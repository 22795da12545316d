"""
The engine of one installation: samples in; alarms, super-alarms and responses out.

It lives in memory and can be rebuilt at any time from what a store remembers (:meth:`Watch.prime`,
:meth:`Watch.restore`). Requirements: one thread; samples in order of arrival; ``observe`` any
number of times, then ``evaluate``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aiops_provider.detection.board import AlarmBoard
from aiops_provider.detection.discovery import Discoveries
from aiops_provider.detection.investigation import Investigation, lifted
from aiops_provider.detection.judge import Judge, Observation
from aiops_provider.detection.limits import WatchConfig
from aiops_provider.detection.memory import Memory
from aiops_provider.detection.rules import RuleSet
from aiops_provider.detection.verdict import Detector
from aiops_provider.domain.alarm import Alarm, AlarmState, Response, SuperAlarm
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.kpi import KpiSample, SeriesKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """
    What changed since the last evaluation, each in its latest form.

    Attributes:
        alarms: Raised, held, grouped or cleared.
        super_alarms: Opened, grown or closed, with their response.
        responses: To apply or to lift; those that do nothing are not among them.
        samples: Samples observed.
        judged: Samples that had enough history to be judged.
    """

    alarms: tuple[Alarm, ...] = ()
    super_alarms: tuple[SuperAlarm, ...] = ()
    responses: tuple[Response, ...] = ()
    samples: int = 0
    judged: int = 0


class Watch:
    """
    Watches all series of an installation.

    Args:
        config: Limits and periods.
        rules: Expert rules.
        clusters: The clusters of the installation, for responses.
        detectors: Detectors beside the built-in ones.
    """

    def __init__(
        self,
        config: WatchConfig,
        rules: RuleSet,
        *,
        clusters: Sequence[ClusterSpec] = (),
        detectors: Iterable[Detector] = (),
    ) -> None:
        self._period = config.period
        self._judge = Judge(rules, minimum_history=config.minimum_history, detectors=detectors)
        self._memory = Memory(config.adapt_after)
        self._discoveries = Discoveries(config.false_discovery_rate, config.period)
        self._board = AlarmBoard(clear_after=config.clear_after, give_up_after=config.give_up_after)
        self._investigation = Investigation(config, clusters)
        self._samples = self._judged = 0
        self._news = False

    def knows(self, series: SeriesKey) -> bool:
        """Whether the series was primed or observed before."""
        return series in self._memory

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
        self._memory.prime(history, alarms)

    def learn(self, samples: Iterable[KpiSample]) -> None:
        """Take in samples from long ago as normal, without judging them."""
        for sample in samples:
            self._memory.learn(sample)

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
            super_alarms: Open ones with their members.
            samples: What was observed lately and is accounted for already, for comparison.
        """
        self._board.restore(sorted(alarms, key=lambda alarm: alarm.observed_at))
        for super_alarm, members in super_alarms:
            self._investigation.super_alarms.restore(super_alarm, members)
        by_series: dict[SeriesKey, list[Alarm]] = defaultdict(list)
        for alarm in alarms:
            if alarm.state is not AlarmState.FALSE_POSITIVE:
                by_series[alarm.series].append(alarm)
        for sample in samples:
            holder = _holder(sample, by_series.get(sample.series, ()))
            expected = holder.expected if holder else None
            self._investigation.evidence.add(
                sample, expected=expected, alarm=holder.id if holder else None
            )
        self._news = True

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
                self._memory.accept(alarm.series)
                self._news = True
            elif stored[alarm.id].state is not alarm.state:
                self._board.put(replace(alarm, state=stored[alarm.id].state))
        told = {one.id: one for one in super_alarms}
        mine = self._investigation.super_alarms
        for key, one in mine.open_ones.items():
            if key not in told:
                mine.forget(key)
            elif (told[key].state, told[key].response) != (one.state, one.response):
                mine.put(replace(one, state=told[key].state, response=told[key].response))

    def observe(self, samples: Iterable[KpiSample]) -> list[Observation]:
        """Judge samples and update the alarm board; the samples of a period face one test."""
        observations = []
        for batch in _by_period(samples, self._period):
            observations.extend(self._observe_together(batch))
        self._samples += len(observations)
        self._judged += sum(one.verdict is not None for one in observations)
        return observations

    def evaluate(
        self, now: datetime, *, unavailable: Mapping[str, str] | None = None
    ) -> Evaluation:
        """
        Group alarms, find causes, decide responses.

        Args:
            now: The present moment.
            unavailable: Clusters that cannot be counted on now, with why.
        """
        self._board.give_up(now)
        if self._news or self._board.changed:
            self._fold(now)
            self._news = False
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
        )
        self._samples = self._judged = 0
        return done

    def _observe_together(self, samples: Sequence[KpiSample]) -> list[Observation]:
        verdicts = [
            self._judge.verdict(sample, self._memory.past(sample.series)) for sample in samples
        ]
        judged = list(zip(samples, verdicts, strict=True))
        threshold_p = self._discoveries.threshold(
            [
                (sample.observed_at, verdict.p_value)
                for sample, verdict in judged
                if verdict is not None and not verdict.event
            ]
        )
        observations = [
            self._judge.observation(sample, verdict, threshold_p=threshold_p)
            for sample, verdict in judged
        ]
        for observation in observations:
            self._note(observation)
        return observations

    def _note(self, observation: Observation) -> None:
        sample, verdict = observation.sample, observation.verdict
        alarm = self._board.update(observation)
        if alarm is not None:
            self._memory.set_aside(sample)
        else:
            self._memory.learn(sample)
        if verdict is not None:  # of what cannot be judged nobody knows whether it is healthy
            self._investigation.evidence.add(
                sample, expected=verdict.expected, alarm=alarm.id if alarm else None
            )
            self._news = True

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
