"""
Journey B, after ingest: new samples become alarms, super-alarms, root causes and responses.

One process of an installation does this at a time, under the cycle's lease. Everything it needs can
be rebuilt from the store, and the cursor is moved last, so that a crash repeats work instead of
losing it; ids are derived from what they name, so that repeated work changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from aiops_provider.detection.limits import WatchConfig
from aiops_provider.detection.rules_file import default_rules, load_rules
from aiops_provider.detection.watch import Evaluation, Watch
from aiops_provider.domain.alarm import Alarm, ResponseAction
from aiops_provider.domain.cluster import HealthState
from aiops_provider.domain.kpi import KpiSample
from aiops_provider.errors import RuleError
from aiops_provider.settings.schema import DetectionSettings

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation
    from aiops_provider.detection.rules import RuleSet
    from aiops_provider.store import Store

log = logging.getLogger(__name__)

CURSOR = "detection:cursor"

_BATCH = 5_000
# Samples before the cursor that a restarted process looks through for evidence.
_LOOK_BACK_SAMPLES = 20_000


@dataclass(slots=True)
class WatchState:
    """
    What one process remembers between two looks; may be lost at any time.

    Attributes:
        watch: The engine, built at the first look.
        alarms: Recent alarms, so that baselines leave out what they held.
    """

    watch: Watch | None = None
    alarms: tuple[Alarm, ...] = ()


def watch_once(installation: Installation, state: WatchState, now: datetime) -> Evaluation:
    """
    Look at what is new.

    Args:
        installation: With a store.
        state: Of this process.
        now: The present moment.

    Returns:
        What changed; it is stored already.

    Raises:
        StoreError: If the store does not answer; the next look starts where this one did.
        RuleError: If the rules file cannot be used.
    """
    store = installation.require_store()
    detection = installation.settings.detection
    config = watch_config(detection)
    cursor = int(store.get_state(CURSOR) or 0)
    if state.watch is None:
        state.watch, state.alarms = _rebuilt(installation, config, cursor, now)
    watch = state.watch
    watch.sync(store.alarms(open_only=True), store.super_alarms(open_only=True))
    since = now - timedelta(days=detection.history_days)
    try:
        for samples, following in _new_samples(store, cursor):
            # What was imported from long ago is history, and nobody can act on it any more.
            fresh = [each for each in samples if each.observed_at >= now - config.keep_evidence]
            late = [each for each in samples if each.observed_at < now - config.keep_evidence]
            watch.learn(each for each in late if watch.knows(each.series))
            _prime(store, watch, fresh, state.alarms, since=since)
            watch.observe(fresh)
            cursor = following
        evaluation = watch.evaluate(now, unavailable=_unavailable(store))
        _remember(store, evaluation)
        store.set_state(CURSOR, cursor)
    except Exception:
        # The engine may have taken in what the store did not: it is rebuilt at the next look.
        state.watch = None
        raise
    return evaluation


def watch_config(detection: DetectionSettings) -> WatchConfig:
    """The engine's limits as configured."""
    return WatchConfig(
        false_discovery_rate=detection.false_discovery_rate,
        minimum_history=detection.minimum_history,
        period=timedelta(seconds=detection.period_s),
        # Default 60 s each: who looks more often also tells an incident from what ran just before.
        lead=timedelta(seconds=detection.period_s),
        quarantine=timedelta(seconds=detection.quarantine_s),
        hold_after_clusters=detection.hold_after_clusters,
        dry_run=detection.dry_run,
    )


def rules_of(detection: DetectionSettings) -> RuleSet:
    """
    The shipped rules, overridden by the user's.

    Raises:
        RuleError: If the file cannot be read or used.
    """
    rules = default_rules()
    if detection.rules_file is None:
        return rules
    file = Path(detection.rules_file)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise RuleError(
            f"the rules file cannot be read: {error.strerror}",
            field="detection.rules_file",
            value=str(file),
            mend="Name an existing file, or leave the key out",
        ) from error
    return rules.overridden_by(load_rules(text, str(file)))


def _rebuilt(
    installation: Installation, config: WatchConfig, cursor: int, now: datetime
) -> tuple[Watch, tuple[Alarm, ...]]:
    store = installation.require_store()
    detection = installation.settings.detection
    watch = Watch(config, rules_of(detection), clusters=installation.clusters)
    lately = store.alarms(since=now - config.keep_evidence)
    alarms = {alarm.id: alarm for alarm in (*lately, *store.alarms(open_only=True))}
    super_alarms = [
        (each, store.alarms(super_alarm=each.id)) for each in store.super_alarms(open_only=True)
    ]
    seen = (
        sample
        for sample in _accounted_for(store, cursor)
        if sample.observed_at >= now - config.keep_evidence
    )
    watch.restore(list(alarms.values()), super_alarms, seen)
    past = store.alarms(since=now - timedelta(days=detection.history_days))
    return watch, tuple(past)


def _new_samples(store: Store, cursor: int) -> Iterator[tuple[list[KpiSample], int]]:
    while True:
        samples, following = store.samples_after(cursor, _BATCH)
        if not samples:
            return
        yield samples, following
        cursor = following


def _accounted_for(store: Store, cursor: int) -> Iterator[KpiSample]:
    """Samples up to the cursor, the latest of them, in order of arrival."""
    position = max(0, cursor - _LOOK_BACK_SAMPLES)
    while position < cursor:
        samples, position = store.samples_after(position, min(_BATCH, cursor - position))
        if not samples:
            return
        yield from samples


def _prime(
    store: Store,
    watch: Watch,
    samples: Sequence[KpiSample],
    alarms: Sequence[Alarm],
    *,
    since: datetime,
) -> None:
    """Take in the past of series that are met for the first time; nothing from their future."""
    unknown = {each.series: each for each in reversed(samples) if not watch.knows(each.series)}
    if not unknown:
        return
    earliest = min(each.observed_at for each in unknown.values())
    history = store.history(list(unknown), since=since, before=earliest)
    known = [alarm for alarm in alarms if alarm.series in unknown]
    watch.prime(history, known)


def _unavailable(store: Store) -> dict[str, str]:
    return {
        name: health.detail or "it does not answer"
        for name, health in store.health().items()
        if health.state is HealthState.UNREACHABLE
    }


def _remember(store: Store, evaluation: Evaluation) -> None:
    if evaluation.alarms:
        store.save_alarms(evaluation.alarms)
    if evaluation.super_alarms:
        store.save_super_alarms(evaluation.super_alarms)
    for response in evaluation.responses:
        store.save_response(response)
        if response.action is not ResponseAction.NOTHING:
            log.warning("%s: %s", response.action.value, response.reason)
