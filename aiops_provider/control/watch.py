"""
Journey B after ingest: new samples are judged, alarms grouped, explained and answered.

The engine lives in memory; what it has concluded lies in the store. The order of writing makes a
crash harmless at any point: alarms, responses, super-alarms, and last the position up to which
samples are accounted for. Whoever starts anew reads the same samples again and comes to the same
ids. Only one process of an installation may do this at a time (the cycle holds a lease for it).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from aiops_provider.control.alarms import FEEDBACK
from aiops_provider.control.known_changes import ChangeReader
from aiops_provider.control.out_of_use import clusters_out_of_use
from aiops_provider.control.stored_lineage import LineageReader
from aiops_provider.control.watch_position import Position
from aiops_provider.detection.candidates import preload
from aiops_provider.detection.evaluation import Evaluation
from aiops_provider.detection.limits import WatchConfig
from aiops_provider.detection.local_clock import ClockError, LocalClock
from aiops_provider.detection.rules import RuleSet
from aiops_provider.detection.rules_file import default_rules, load_rules
from aiops_provider.detection.silence import silent_series
from aiops_provider.detection.similar import REMEMBERED
from aiops_provider.detection.super_alarms import REOPENED_WITHIN
from aiops_provider.detection.watch import Watch
from aiops_provider.domain.alarm import Alarm, AlarmState, SuperAlarm
from aiops_provider.domain.kpi import KpiSample, SeriesKey
from aiops_provider.errors import RuleError
from aiops_provider.settings.engine_schema import DetectionSettings

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation
    from aiops_provider.store import Store

log = logging.getLogger(__name__)

# Samples read at once, and reads of one round; the rest waits for the next round.
_READ = 5_000
_READS = 40
_EVERYTHING = 1_000_000

# A sample that is so much older than the last round is a back-fill: learned, never an alarm.
_BACKFILL = timedelta(hours=1)

# Rounds further apart than so many periods: nobody listened meanwhile, and silence says nothing.
_PAUSE = 3
# Series that have not reported since this process began are met with their past, so many a round, if
# they were heard of in this time.
_MET = 200
_LATELY = timedelta(days=60)


@dataclass(slots=True)
class WatchState:
    """
    What one process keeps between rounds; can be thrown away at any time.

    Attributes:
        watch: The engine, ``None`` before the first round and after a failure.
        position: Up to where samples are accounted for.
        past_alarms: Alarms of before this process, which say what of the past was not normal.
        rules_read: When the rules file was last changed, as read.
        feedback_read: When somebody last said what a real cause was, as read.
        unmet: Last samples of series that this process has not heard of yet, the newest first.
        changes: What was changed, as far as it was read.
        lineage: Of the DAGs in alarm.
    """

    watch: Watch | None = None
    position: Position = field(default_factory=Position)
    past_alarms: Sequence[Alarm] = ()
    rules_read: float | None = None
    feedback_read: str | None = None
    unmet: Sequence[KpiSample] = ()
    changes: ChangeReader = field(default_factory=ChangeReader)
    lineage: LineageReader = field(default_factory=LineageReader)


def watch_once(installation: Installation, state: WatchState, now: datetime) -> Evaluation:
    """
    Take in what was reported since the last round, and conclude.

    Args:
        installation: With a store.
        state: Of this process; rebuilt from the store when another process did a round since.
        now: The present moment.

    Returns:
        What changed.

    Raises:
        StoreError: The store does not answer; the next round starts from what it holds.
    """
    store = installation.require_store()
    saved = Position.read(store)
    rules_at = _changed_at(installation.settings.detection)
    if state.watch is None or saved.cursor != state.position.cursor or state.rules_read != rules_at:
        state.watch = None
        _rebuild(installation, state, saved, now)
        state.rules_read = rules_at
    watch = state.watch
    assert watch is not None  # noqa: S101 - just rebuilt
    told_at = store.get_state(FEEDBACK)
    if state.feedback_read != told_at:
        _recall(store, watch)
        state.feedback_read = told_at
    try:
        evaluation = _round(installation, watch, state, now)
        state.position.write(store, saved)
    except BaseException:
        # Memory may be ahead of the store now; the next round starts from the store.
        state.watch = None
        raise
    return evaluation


def _round(
    installation: Installation, watch: Watch, state: WatchState, now: datetime
) -> Evaluation:
    store = installation.require_store()
    _sync(store, watch)
    backfill = (state.position.watched_at or now) - _BACKFILL
    cursor = state.position.cursor
    _notice_pause(watch, state, now, period=installation.settings.detection.period_s)
    complete = False
    for _ in range(_READS):
        samples, cursor = store.samples_after(cursor, _READ)
        if samples:
            _observe(installation, watch, state, samples, backfill=backfill, now=now)
        complete = len(samples) < _READ
        if complete:
            break
    if complete:
        _meet(installation, watch, state, now)
    edges = state.lineage.news(store, watch.dags_in_alarm, now)
    if edges is not None:
        watch.tell_lineage(edges)
    watch.tell_changes(state.changes.read(installation, now))
    evaluation = watch.evaluate(
        now, unavailable=clusters_out_of_use(store, now).reasons, complete=complete
    )
    _persist(store, evaluation)
    state.position = state.position.moved(cursor, now, by_chance=evaluation.by_chance)
    return evaluation


def _notice_pause(watch: Watch, state: WatchState, now: datetime, *, period: float) -> None:
    """That our own process was away is nobody's silence."""
    position = state.position
    longest = _PAUSE * max(timedelta(seconds=period), timedelta(minutes=1))
    if position.watched_at is None or now - position.watched_at > longest:
        state.position = replace(position, resumed_at=now)
        watch.resume(now)


def _meet(installation: Installation, watch: Watch, state: WatchState, now: datetime) -> None:
    """Make the engine know series that do not report, or it would never miss them."""
    waiting = [sample for sample in state.unmet if not watch.knows(sample.series)]
    met, state.unmet = waiting[:_MET], waiting[_MET:]
    _prime(installation, watch, met, alarms=state.past_alarms, now=now)
    watch.learn(met)


def _observe(
    installation: Installation,
    watch: Watch,
    state: WatchState,
    samples: Sequence[KpiSample],
    *,
    backfill: datetime,
    now: datetime,
) -> None:
    watch.learn(
        sample for sample in samples if sample.observed_at < backfill and watch.knows(sample.series)
    )  # of series not known yet the store has them all
    fresh = [sample for sample in samples if sample.observed_at >= backfill]
    _prime(installation, watch, fresh, alarms=state.past_alarms, now=now)
    watch.observe(fresh)


def _prime(
    installation: Installation,
    watch: Watch,
    samples: Iterable[KpiSample],
    *,
    alarms: Sequence[Alarm],
    now: datetime,
) -> None:
    """Read the past of series that the engine meets for the first time."""
    first: dict[SeriesKey, datetime] = {}
    for sample in samples:
        if not watch.knows(sample.series):
            known = first.get(sample.series, sample.observed_at)
            first[sample.series] = min(known, sample.observed_at)
    if not first:
        return
    days = installation.settings.detection.history_days
    history = installation.require_store().history(
        list(first), since=now - timedelta(days=days), before=max(first.values())
    )
    watch.prime(
        {
            series: [one for one in history.get(series, ()) if one[0] < begin]
            for series, begin in first.items()
        },
        [
            alarm
            for alarm in alarms
            if alarm.series in first or silent_series(alarm.series) in first
        ],
    )


def _rebuild(installation: Installation, state: WatchState, saved: Position, now: datetime) -> None:
    preload()
    store = installation.require_store()
    config = _with_known_clock(watch_config(installation.settings.detection))
    watch = Watch(config, _rules(installation.settings.detection), clusters=installation.clusters)
    lately = store.alarms(since=now - config.adapt_after, limit=_EVERYTHING)
    open_ones = store.alarms(open_only=True, limit=_EVERYTHING)
    alarms = list({alarm.id: alarm for alarm in (*lately, *open_ones)}.values())
    since = (saved.watched_at or now) - config.keep_evidence
    samples = [
        sample
        for sample in _between(store, saved.window, saved.cursor)
        if sample.observed_at >= since
    ]
    _prime(installation, watch, samples, alarms=alarms, now=now)
    watch.restore(
        alarms,
        [
            (one, store.alarms(super_alarm=one.id, limit=_EVERYTHING))
            for one in [
                *store.super_alarms(open_only=True, limit=_EVERYTHING),
                *_over_lately(store, saved.watched_at or now),
            ]
        ],
        samples,
    )
    _recall(store, watch)
    if saved.resumed_at is not None:
        watch.resume(saved.resumed_at)
    state.watch, state.position, state.past_alarms = watch, saved, alarms
    state.changes, state.lineage = ChangeReader(), LineageReader()
    state.unmet = store.last_samples(since=now - _LATELY)


def _over_lately(store: Store, at: datetime) -> list[SuperAlarm]:
    """Those that would be reopened if they came back."""
    return [
        one
        for one in store.super_alarms(limit=REMEMBERED)
        if one.state is AlarmState.RESOLVED
        and one.closed_at is not None
        and at - one.closed_at <= REOPENED_WITHIN
    ]


def _recall(store: Store, watch: Watch) -> None:
    over = (AlarmState.RESOLVED, AlarmState.FALSE_POSITIVE)
    earlier = [one for one in store.super_alarms(limit=REMEMBERED) if one.state in over]
    watch.recall(reversed(earlier))


def _between(store: Store, cursor: int, end: int) -> Iterator[KpiSample]:
    """Samples after one place and not after another."""
    limit = _READ
    while cursor < end and limit:
        batch, reached = store.samples_after(cursor, limit)
        if reached > end:
            limit = len(batch) // 2  # places have gaps: only by trying is the end found
        elif batch:
            yield from batch
            cursor = reached
        else:
            return


def _sync(store: Store, watch: Watch) -> None:
    """What people marked meanwhile holds."""
    if watch.has_open:
        watch.sync(
            store.alarms(open_only=True, limit=_EVERYTHING),
            store.super_alarms(open_only=True, limit=_EVERYTHING),
        )


def _persist(store: Store, evaluation: Evaluation) -> None:
    if evaluation.alarms:
        store.save_alarms(evaluation.alarms)
    # Before the super-alarms: those say what was decided, and it is not decided twice.
    for response in evaluation.responses:
        if response.released_at is None:
            store.save_response(response)
        else:
            store.release_response(response.id, response.released_at)
    if evaluation.super_alarms:
        store.save_super_alarms(evaluation.super_alarms)
    for one in evaluation.super_alarms:
        log.info("%s is %s: %s", one.id, one.state.value, one.summary)


def watch_config(settings: DetectionSettings) -> WatchConfig:
    """The engine's limits as the settings say."""
    usual = WatchConfig()
    return WatchConfig(
        false_discovery_rate=settings.false_discovery_rate,
        minimum_history=settings.minimum_history,
        # Rounds may be seconds apart; too few samples face one test then.
        period=max(timedelta(seconds=settings.period_s), usual.period),
        # Whoever looks every few seconds also tells an incident from what was fine just before it.
        lead=timedelta(seconds=settings.period_s),
        quarantine=timedelta(seconds=settings.quarantine_s),
        hold_after_clusters=settings.hold_after_clusters,
        dry_run=settings.dry_run,
        time_zone=settings.time_zone,
        holidays=settings.holidays or "",
    )


def _with_known_clock(config: WatchConfig) -> WatchConfig:
    try:
        LocalClock(config.time_zone, config.holidays)
    except ClockError as error:
        # As with rules: watching by UTC beats not watching.
        log.error("Comparable moments are counted in UTC: %s", error)  # noqa: TRY400 - no traceback: it names the setting's value
        return replace(config, time_zone="", holidays="")
    return config


def read_rules(file: str | None) -> RuleSet:
    """
    The shipped rules, overridden by those of a file.

    Raises:
        RuleError: The file is missing or wrong; the message names line, field, value and mend.
    """
    if file is None:
        return default_rules()
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise RuleError(
            f"cannot be read: {reason}", file=file, mend="Name a readable YAML file."
        ) from error
    return default_rules().overridden_by(load_rules(text, file))


def _rules(settings: DetectionSettings) -> RuleSet:
    try:
        return read_rules(settings.rules_file)
    except RuleError as error:
        # Watching with the shipped rules beats not watching; the file is read again when it changes.
        log.error("The shipped rules hold alone: %s", error)  # noqa: TRY400 - no traceback: it names the line
        return default_rules()


def _changed_at(settings: DetectionSettings) -> float | None:
    """When the rules file was last changed; ``None`` without one."""
    if settings.rules_file is None:
        return None
    try:
        return Path(settings.rules_file).stat().st_mtime
    except OSError:
        return -1.0
