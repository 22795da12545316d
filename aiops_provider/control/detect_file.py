"""What ``aiops detect`` does: replay a file of KPIs through the engine, in the file's own time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from aiops_provider.control.row_file import Row, read_rows
from aiops_provider.control.watch import read_rules, watch_config
from aiops_provider.detection.watch import Watch
from aiops_provider.domain.alarm import Alarm, Response, ResponseAction, SuperAlarm
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.kpi import KpiSample, split_dimensions
from aiops_provider.errors import DataError
from aiops_provider.settings.schema import DetectionSettings

_OWN_COLUMNS = frozenset({"observed_at", "name", "value", "label", "labels"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """
    What a replay found.

    Attributes:
        samples: Samples read.
        judged: Samples that had enough history to be judged.
        alarms: All that were raised, in order of their onset.
        super_alarms: All that were opened, in order of their onset.
    """

    samples: int
    judged: int
    alarms: tuple[Alarm, ...]
    super_alarms: tuple[SuperAlarm, ...]

    def as_json(self) -> dict[str, Any]:
        """The documented form of ``aiops detect --output json``."""
        return {
            "samples": self.samples,
            "judged": self.judged,
            "alarms": [_alarm(alarm) for alarm in self.alarms],
            "super_alarms": [_super_alarm(one) for one in self.super_alarms],
        }


def detect_file(
    path: Path, detection: DetectionSettings, *, clusters: Sequence[ClusterSpec] = ()
) -> Replay:
    """
    Replay a file.

    Args:
        path: CSV, JSON lines or Parquet with the columns ``observed_at`` (ISO 8601 with time zone),
            ``name``, ``value`` and any dimension columns; a column ``label`` is passed over.
        detection: Limits, periods and the rules file.
        clusters: For responses; without any, nothing can be quarantined.

    Raises:
        DataError: A row or cell cannot be used; named by file, line and column.
        RuleError: The rules file cannot be used.
    """
    samples = sorted(read_samples(path), key=lambda sample: sample.observed_at)
    # A file has its own clock: a period is at least the usual distance of its samples.
    period = max(timedelta(seconds=detection.period_s), _usual_step(samples))
    config = replace(watch_config(detection), period=period, merge_gap=15 * period, lead=period)
    watch = Watch(config, read_rules(detection.rules_file), clusters=clusters)
    alarms: dict[str, Alarm] = {}
    super_alarms: dict[str, SuperAlarm] = {}
    judged = 0
    for end, batch in _periods(samples, period):
        watch.observe(batch)
        done = watch.evaluate(end)
        judged += done.judged
        alarms |= {alarm.id: alarm for alarm in done.alarms}
        super_alarms |= {one.id: one for one in done.super_alarms}
    return Replay(
        samples=len(samples),
        judged=judged,
        alarms=tuple(sorted(alarms.values(), key=lambda one: (one.observed_at, one.id))),
        super_alarms=tuple(sorted(super_alarms.values(), key=lambda one: (one.opened_at, one.id))),
    )


def read_samples(path: Path) -> Iterator[KpiSample]:
    """
    Samples of a file, in its order.

    Raises:
        DataError: A row or cell cannot be used.
    """
    for row in _rows(path):
        observed_at = row.moment("observed_at")
        if observed_at is None:
            raise row.wrong("observed_at", "is missing", "Every sample needs a moment.")
        name = row.text("name", "")
        if not name:
            raise row.wrong("name", "is missing", "Every sample needs the name of its KPI.")
        labels = {
            key: str(value)
            for key, value in row.values.items()
            if key not in _OWN_COLUMNS and value is not None
        }
        dimensions, context = split_dimensions(labels)
        yield KpiSample(
            name=name,
            observed_at=observed_at,
            value=_value(row),
            dimensions=dimensions,
            context=context,
        )


def _value(row: Row) -> float:
    given = row.values.get("value")
    try:
        value = math.nan if given is None or isinstance(given, bool) else float(given)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise row.wrong("value", "is no finite number", "Leave the row out: a gap is no value.")
    return value


def _rows(path: Path) -> Iterator[Row]:
    if path.suffix.lower() != ".parquet":
        yield from read_rows(path)
        return
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise DataError(
            "reading Parquet needs pyarrow, which is not installed",
            file=str(path),
            mend="pip install pyarrow, or save the file as CSV",
        ) from error
    try:
        records = pyarrow.parquet.read_table(path).to_pylist()
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(
            f"this is not valid Parquet: {error}", file=str(path), mend="Write it again."
        ) from error
    for number, record in enumerate(records, start=1):
        moment = record.get("observed_at")
        if isinstance(moment, datetime):
            record["observed_at"] = moment.isoformat()
        yield Row(str(path), number, record)


def _usual_step(samples: Sequence[KpiSample]) -> timedelta:
    """The median distance of the moments at which anything was observed; zero for one moment."""
    moments = sorted({sample.observed_at for sample in samples})
    steps = sorted(later - earlier for earlier, later in pairwise(moments))
    return steps[len(steps) // 2] if steps else timedelta(0)


def _periods(
    samples: Sequence[KpiSample], period: timedelta
) -> Iterator[tuple[datetime, list[KpiSample]]]:
    batch: list[KpiSample] = []
    for sample in samples:
        if batch and sample.observed_at - batch[0].observed_at >= period:
            yield batch[0].observed_at + period, batch
            batch = []
        batch.append(sample)
    if batch:
        yield batch[0].observed_at + period, batch


def _alarm(alarm: Alarm) -> dict[str, Any]:
    return {
        "id": alarm.id,
        "observed_at": alarm.observed_at,
        "name": alarm.series.name,
        "dimensions": {key: value for key, value in alarm.attributes.items() if key != "kpi"},
        "value": alarm.value,
        "expected": alarm.expected,
        "score": alarm.score,
        "p_value": alarm.p_value,
        "severity": alarm.severity,
        "reason": alarm.reason,
        "super_alarm": alarm.super_alarm,
    }


def _super_alarm(one: SuperAlarm) -> dict[str, Any]:
    return {
        "id": one.id,
        "summary": one.summary,
        "opened_at": one.opened_at,
        "closed_at": one.closed_at,
        "severity": one.severity,
        "size": len(one.alarms),
        "cause": dict(one.root_cause.best.cause),
        "hypotheses": [
            {
                "cause": dict(each.cause),
                "support": each.support,
                "lift": each.lift,
                "confidence": each.confidence,
                "counter_evidence": each.counter_evidence,
                "next_check": each.next_check,
            }
            for each in one.root_cause.hypotheses
        ],
        "response": _response(one.response),
    }


def _response(response: Response | None) -> dict[str, Any] | None:
    if response is None:
        return None
    said: dict[str, Any] = {"action": response.action, "reason": response.reason}
    if response.action is ResponseAction.QUARANTINE:
        said["clusters"] = list(response.clusters)
    if response.task is not None:
        said["task"] = str(response.task)
    return said
