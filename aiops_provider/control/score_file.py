"""Scores the detections of a file against the labels of another."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from aiops_provider.control.row_file import Row, read_rows
from aiops_provider.detection.scoring.scoreboard import Scoreboard, ScoredSeries, score_all
from aiops_provider.detection.scoring.windows import Window, windows_between
from aiops_provider.errors import DataError

Spans = Mapping[str, list[tuple[float, float]]]

# What stands for the name where a file speaks of one series only.
_UNNAMED = ""


def score_file(
    detections: Path,
    labels: Path,
    *,
    threshold: float = 0.5,
    rest: int = 0,
    delay: int | None = None,
) -> Scoreboard:
    """
    Score a detector by files.

    Args:
        detections: One row per sample, CSV or JSON lines: ``observed_at``, ``score`` in [0, 1] and,
            where there are several series, ``series``.
        labels: ``begin``, ``end`` and ``series`` of each anomaly, or the samples with ``observed_at``,
            ``label`` (1 is an anomaly) and ``series``; or JSON ``{series: [[begin, end], …]}``, as
            NAB publishes it.
        threshold: Score from which on a sample counts as detected.
        rest: Samples of silence after each detection.
        delay: Latest detection that finds an anomaly, in samples after its begin.

    Raises:
        DataError: A file cannot be used; with file, line, column, value and mend.
    """
    if not 0.0 < threshold <= 1.0:
        raise DataError(
            "is outside (0, 1]", field="threshold", value=threshold, mend="0.5 is usual."
        )
    samples = _read_detections(detections)
    spans = _read_json(labels) if labels.suffix.lower() == ".json" else _read_labels(labels)
    unknown = sorted(set(spans) - set(samples))
    if unknown:
        raise DataError(
            "is labelled but was not scored",
            field="series",
            value=unknown[0],
            file=str(labels),
            mend=f"Score it, or name it as the detections do: {', '.join(sorted(samples)[:5])} …",
        )
    series = [_series(name, rows, spans.get(name, [])) for name, rows in samples.items()]
    return score_all(series, threshold=threshold, rest=rest, delay=delay)


def figures(found: Scoreboard) -> dict[str, Any]:
    """The result by name, as scripts get it."""
    return {
        "series": found.series,
        "samples": found.samples,
        "threshold": found.threshold,
        "nab_standard": found.nab_standard,
        "nab_low_fp": found.nab_low_fp,
        "nab_low_fn": found.nab_low_fn,
        "vus_pr": found.vus_pr,
        "event_f1": found.events.f1,
        "event_precision": found.events.precision,
        "event_recall": found.events.recall,
        "events": found.events.events,
        "alarms": found.events.alarms,
        "false_alarms": found.events.false_alarms,
        "false_alarms_per_series_week": found.events.false_alarms_per_series_week,
    }


def _series(
    name: str, rows: list[tuple[float, float]], spans: list[tuple[float, float]]
) -> ScoredSeries:
    ordered = np.array(sorted(rows))
    times, scores = ordered[:, 0], ordered[:, 1]
    windows: list[Window] = windows_between(times, spans)
    cadence_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    return ScoredSeries(name=name, scores=scores, windows=windows, cadence_s=cadence_s)


def _read_detections(file: Path) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in read_rows(file):
        score = row.number("score")
        if score is None or score > 1.0:
            raise row.wrong("score", "is no number in [0, 1]", "Give each sample its score.")
        found[row.text("series", _UNNAMED)].append((_moment(row, "observed_at"), score))
    if not found:
        raise DataError(
            "holds no samples", file=str(file), mend="Give it rows of observed_at, score, series."
        )
    return found


def _read_labels(file: Path) -> Spans:
    spans: dict[str, list[tuple[float, float]]] = defaultdict(list)
    points: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for row in read_rows(file):
        series = row.text("series", _UNNAMED)
        if "label" in row.values:
            label = row.whole("label")
            points[series].append((_moment(row, "observed_at"), bool(label)))
        else:
            begin, end = _moment(row, "begin"), _moment(row, "end")
            if end < begin:
                raise row.wrong("end", "is before its begin", "Swap the two.")
            spans[series].append((begin, end))
    for series, labelled in points.items():
        spans[series].extend(_runs(sorted(labelled)))
    return spans


def _runs(points: Iterable[tuple[float, bool]]) -> list[tuple[float, float]]:
    """Ranges of successive samples that are labelled."""
    found: list[tuple[float, float]] = []
    inside = False
    for moment, labelled in points:
        if labelled and inside:
            found[-1] = (found[-1][0], moment)
        elif labelled:
            found.append((moment, moment))
        inside = labelled
    return found


def _read_json(file: Path) -> Spans:
    mend = 'Write {"series": [["2026-01-05T06:30:00", "2026-01-05T07:00:00"]]}.'
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"cannot be read as JSON: {error}", file=str(file), mend=mend) from error
    if not isinstance(content, dict):
        raise DataError("is no JSON object", file=str(file), mend=mend)
    found: dict[str, list[tuple[float, float]]] = {}
    for series, spans in content.items():
        try:
            found[series] = [(_seconds(begin), _seconds(end)) for begin, end in spans]
        except (TypeError, ValueError, OverflowError) as error:
            raise DataError(
                f"is no list of begin and end: {error}",
                field=series,
                value=spans,
                file=str(file),
                mend=mend,
            ) from error
        reversed_one = next((span for span in found[series] if span[1] < span[0]), None)
        if reversed_one is not None:
            place = found[series].index(reversed_one)
            raise DataError(
                "ends before it begins",
                field=series,
                value=spans[place],
                file=str(file),
                mend="Swap the two moments.",
            )
    return found


def _moment(row: Row, field: str) -> float:
    cell = row.values.get(field)
    try:
        moment = _seconds(cell)
    except (TypeError, ValueError, OverflowError):
        moment = math.nan
    if not math.isfinite(moment):
        raise row.wrong(field, "is no moment", "Write it as 2026-11-24T14:03:00Z.")
    return moment


def _seconds(cell: Any) -> float:
    """Seconds since 1970; without time zone it is UTC."""
    moment = datetime.fromisoformat(cell)
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).timestamp()
