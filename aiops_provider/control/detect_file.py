"""Replays the KPIs of a file through the same engine that watches an installation."""

from __future__ import annotations

import csv
import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np

from aiops_provider.control.changes_file import read_changes_file
from aiops_provider.control.kpi_file import read_kpi_file
from aiops_provider.control.lineage_file import read_lineage_file
from aiops_provider.control.watch import read_rules, watch_config
from aiops_provider.detection.evaluation import Evaluation
from aiops_provider.detection.judge import Observation
from aiops_provider.detection.limits import FALSE_PER_WEEK, WatchConfig
from aiops_provider.detection.local_clock import ClockError
from aiops_provider.detection.streaming.ranking import abnormality
from aiops_provider.detection.verdict import ALARM_P
from aiops_provider.detection.watch import Watch
from aiops_provider.domain.alarm import Alarm, SuperAlarm
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.kpi import KpiSample, SeriesKey
from aiops_provider.errors import DataError
from aiops_provider.settings.engine_schema import DetectionSettings

# Samples that must have been taken by a moment, or later, for time to have come so far.
_WITNESSES = 3
# Share of a short file's time that a series must have reported for before it can be missed.
_SETTLED_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """
    What was found in a stream.

    Attributes:
        samples: Samples read.
        judged: Samples that had enough history before them to be judged.
        false_alarms_per_week: How many alarms chance alone is expected to raise in a week, at most;
            ``None`` where the file spans no time.
        false_super_alarms_per_week: The same of super-alarms, for the whole file.
        alarms: In order of onset.
        super_alarms: In order of onset.
    """

    samples: int
    judged: int
    false_alarms_per_week: float | None
    false_super_alarms_per_week: float
    alarms: tuple[Alarm, ...]
    super_alarms: tuple[SuperAlarm, ...]


def detect_file(
    file: Path,
    *,
    rules_file: str | None = None,
    settings: DetectionSettings | None = None,
    changes_file: Path | None = None,
    lineage_file: Path | None = None,
    scores_file: Path | None = None,
    ranked: bool = False,
) -> Detection:
    """
    Replay a file: each sample is judged by what came before it only.

    Responses are decided as in an installation whose clusters are those of the file, and applied
    to nothing.

    Args:
        file: CSV, JSON lines or Parquet.
        rules_file: Expert rules beside the shipped ones.
        settings: Limits; default: the usual ones.
        changes_file: What was changed when; what is later than a sample is not known to it.
        lineage_file: Which tasks use what others make.
        scores_file: Where to write the score of every sample, 0 where it could not be judged, for ``aiops score``.
        ranked: Write scores that put the moments of each series in order instead: all of a lasting
            trouble, the worst first. What raises an alarm is the same.

    Raises:
        DataError: The file cannot be used.
        RuleError: The rules cannot be used.
    """
    settings = settings or DetectionSettings()
    rules = read_rules(rules_file or settings.rules_file)
    samples = sorted(read_kpi_file(file), key=lambda sample: sample.observed_at)
    changes = read_changes_file(changes_file) if changes_file else []
    edges = read_lineage_file(lineage_file) if lineage_file else []
    config = _fitted(watch_config(settings), samples)
    try:
        watch = Watch(config, rules, clusters=_clusters(samples))
    except ClockError as error:
        raise DataError(
            str(error), field="detection", mend="Change detection.time_zone or detection.holidays."
        ) from error
    watch.tell_lineage(edges)
    alarms: dict[str, Alarm] = {}
    super_alarms: dict[str, SuperAlarm] = {}
    observations: list[Observation] = []
    judged = 0
    by_chance = 0.0

    def take(found: Evaluation) -> None:
        alarms.update({alarm.id: alarm for alarm in found.alarms})
        super_alarms.update({one.id: one for one in found.super_alarms})

    trusted = _trusted_until(samples)
    for batch in _periods(samples, config.period):
        for moment in _silent_moments(watch, min(batch[0].observed_at, trusted)):
            take(watch.evaluate(moment))
        observed = watch.observe(batch)
        if scores_file is not None:
            observations.extend(observed)
        now = batch[-1].observed_at
        known = bisect_right(changes, now, key=lambda one: one.at)
        watch.tell_changes(changes[:known])
        del changes[:known]
        found = watch.evaluate(now, complete=now <= trusted)
        judged += found.judged
        by_chance += found.by_chance
        take(found)
    if scores_file is not None:
        _write_scores(scores_file, observations, _ranked(observations) if ranked else None)
    return Detection(
        samples=len(samples),
        judged=judged,
        false_alarms_per_week=by_chance / weeks if (weeks := _weeks(samples)) else None,
        false_super_alarms_per_week=FALSE_PER_WEEK,
        alarms=tuple(sorted(alarms.values(), key=lambda one: (one.observed_at, one.id))),
        super_alarms=tuple(sorted(super_alarms.values(), key=lambda one: (one.opened_at, one.id))),
    )


def _weeks(samples: Sequence[KpiSample]) -> float:
    return (samples[-1].observed_at - samples[0].observed_at) / timedelta(weeks=1)


def _silent_moments(watch: Watch, before: datetime) -> Iterator[datetime]:
    """Moments between two batches at which someone who waits would miss a series."""
    moment = watch.next_silence(before)
    while moment is not None:
        yield moment
        moment = watch.next_silence(before)


def _trusted_until(samples: Sequence[KpiSample]) -> datetime:
    """
    Until when time has passed for sure.

    Time passes by samples here, and one clock that is years ahead must not make all others silent.
    """
    return samples[-min(_WITNESSES, len(samples))].observed_at


def _ranked(observations: Sequence[Observation]) -> list[float]:
    """In [0, 1), in the order of the observations; those of a series are in order of time."""
    places: dict[SeriesKey, list[int]] = defaultdict(list)
    for place, one in enumerate(observations):
        places[one.sample.series].append(place)
    scores = [0.0] * len(observations)
    for mine in places.values():
        told = [observations[place] for place in mine]
        found = abnormality(
            np.array([one.sample.observed_at.timestamp() for one in told]),
            np.array([one.sample.value for one in told]),
            np.array([one.verdict.p_value if one.verdict else math.nan for one in told]),
        )
        for place, score in zip(mine, found, strict=True):
            scores[place] = float(score / (score - math.log10(ALARM_P)))
    return scores


def _write_scores(
    file: Path, observations: Sequence[Observation], ranked: Sequence[float] | None
) -> None:
    try:
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(("observed_at", "score", "series"))
            for place, one in enumerate(observations):
                score = one.verdict.score if one.verdict is not None else 0.0
                score = score if ranked is None else ranked[place]
                at = one.sample.observed_at.isoformat()
                writer.writerow((at, f"{score:.6f}", one.sample.series))
    except OSError as error:
        raise DataError(
            f"cannot be written: {error.strerror}", file=str(file), mend="Name another file."
        ) from error


def _fitted(config: WatchConfig, samples: Sequence[KpiSample]) -> WatchConfig:
    """Limits that suit how often the file's series are observed; nothing is applied."""
    cadence, span = _cadence(samples), samples[-1].observed_at - samples[0].observed_at
    return replace(
        config,
        # One incident may reach some series a sampling period later than others.
        merge_gap=max(config.merge_gap, 2 * cadence),
        keep_evidence=max(config.keep_evidence, 3 * cadence),
        # Of a file that spans hours nobody wants to wait for a day.
        silence_after=min(config.silence_after, _SETTLED_SHARE * span),
        dry_run=True,
    )


def _cadence(samples: Sequence[KpiSample]) -> timedelta:
    """Usual time between two samples of a series."""
    moments: dict[object, list[datetime]] = defaultdict(list)
    for sample in samples:
        moments[sample.series].append(sample.observed_at)
    gaps = [
        (later - earlier).total_seconds()
        for series in moments.values()
        for earlier, later in pairwise(series)
        if later > earlier
    ]
    return timedelta(seconds=median(gaps)) if gaps else timedelta(0)


def _clusters(samples: Iterable[KpiSample]) -> tuple[ClusterSpec, ...]:
    """The clusters that a file speaks of; nothing is known of their machines."""
    found: dict[str, ClusterSpec] = {}
    for sample in samples:
        name = sample.context.get("cluster")
        if name is not None and name not in found:
            found[name] = ClusterSpec(
                name=name,
                kind="unknown",
                provider=sample.context.get("provider", ""),
                region=sample.context.get("region", ""),
                pools=(),
            )
    return tuple(found.values())


def _periods(samples: Sequence[KpiSample], period: timedelta) -> Iterator[list[KpiSample]]:
    batch: list[KpiSample] = []
    for sample in samples:
        if batch and sample.observed_at - batch[0].observed_at >= period:
            yield batch
            batch = []
        batch.append(sample)
    if batch:
        yield batch
