"""
Local clocks: fewer alarms after a change of summer time and on holidays, as many of real faults?

``python -m benchmarks.detection.local_clock [--data FOLDER]``. The series is ``nab/realKnownCause/nyc_taxi``:
passengers of New York's taxis each half hour, by New York's clock, over one end of summer time and eight
public holidays. The seasonal detector replays it by UTC, by New York's clock, and with the holidays of the
United States. Faults are put in at random half hours, one at a time: the value falls to a share of itself.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from aiops_provider.detection.baseline import Baseline
from aiops_provider.detection.local_clock import LocalClock
from aiops_provider.detection.seasonal import SeasonalDetector
from aiops_provider.detection.verdict import ALARM_P
from aiops_provider.domain.kpi import KpiSample
from benchmarks.command import Options, run
from benchmarks.report import Report, at_least, at_most

_ZONE = ZoneInfo("America/New_York")
_CHANGE = date(2014, 11, 2)
_AFTER = timedelta(days=14)
_WARM_UP = timedelta(days=28)
_HOLIDAYS = tuple(
    date.fromisoformat(day)
    for day in (
        "2014-07-04", "2014-09-01", "2014-10-13", "2014-11-11",
        "2014-11-27", "2014-12-25", "2015-01-01", "2015-01-19",
    )
)  # fmt: skip
_STORM = (date(2015, 1, 24), date(2015, 1, 29))  # as NAB labels it
_ODD_P = 0.01
_FAULTS, _LEFT = 300, 0.4  # faults put in, and what they leave of the value

_Point = tuple[datetime, float]


def measure(options: Options) -> Report:
    """Replay the series by each clock."""
    points = _read(options.data / "nab" / "realKnownCause" / "nyc_taxi.csv.gz")
    rng = np.random.default_rng(options.seed)
    judged = [n for n, (at, _) in enumerate(points) if at >= points[0][0] + _WARM_UP]
    faults = {int(n) for n in rng.choice(judged, size=_FAULTS, replace=False)}
    clocks = {
        "UTC (default)": LocalClock(),
        "America/New_York": LocalClock("America/New_York"),
        "America/New_York, holidays US": LocalClock("America/New_York", "US"),
    }
    rows = [_row(name, clock, points, faults) for name, clock in clocks.items()]
    utc, local, rested = rows
    return Report(
        bench="detection.local_clock",
        data="nab/realKnownCause/nyc_taxi",
        seed=options.seed,
        rows=rows,
        musts=[
            at_most(
                "alarms in the fortnight after the change of the clock, over those by UTC",
                local["alarms, fortnight after the change"]
                / max(utc["alarms, fortnight after the change"], 1),
                0.5,
            ),
            at_most(
                "alarms on public holidays, over those by UTC",
                rested["alarms, holidays"] / max(utc["alarms, holidays"], 1),
                0.5,
            ),
            at_least(
                "share of the faults found, less that by UTC",
                rested["faults found"] - utc["faults found"],
                -0.02,
            ),
        ],
        notes=[
            f"An alarm is a half hour with p <= {ALARM_P}; each is judged by all values before it. The "
            f"first {_WARM_UP.days} days are not judged.",
            f"Faults: {_FAULTS} half hours, one at a time, in which {_LEFT:.0%} of the value is left.",
            "The hour that came twice on the day of the change is one doubled value in the file; half of "
            "it is taken for each.",
            "Of the fortnight the limit was set on alarms, of which there is none by any clock; half hours "
            f"with p <= {_ODD_P} were counted when that was seen.",
            "The snow storm is a true anomaly. NAB labels the New York marathon, Thanksgiving, Christmas and the new year as "
            "anomalies too; who configures holidays says that those days are none.",
        ],
    )


def _row(
    name: str, clock: LocalClock, points: Sequence[_Point], faults: set[int]
) -> dict[str, Any]:
    detector = SeasonalDetector(8, clock)
    history = Baseline(limit=20_000)
    alarms: list[date] = []
    odd: list[date] = []
    found = 0
    for number, (at, value) in enumerate(points):
        if at >= points[0][0] + _WARM_UP:
            day, p_value = at.astimezone(_ZONE).date(), _p_value(detector, history, at, value)
            alarms += [day] * (p_value <= ALARM_P)
            odd += [day] * (p_value <= _ODD_P)
            if number in faults:
                found += _p_value(detector, history, at, value * _LEFT) <= ALARM_P
        history.add(at, value)
    first = (points[0][0] + _WARM_UP).astimezone(_ZONE).date()
    holidays = [day for day in _HOLIDAYS if day >= first]
    return {
        "peer": name,
        "half hours": len(points),
        "alarms, fortnight after the change": _count(
            alarms, lambda day: _is_after_change(day) and day not in holidays
        ),
        f"p <= {_ODD_P}, fortnight after the change": _count(
            odd, lambda day: _is_after_change(day) and day not in holidays
        ),
        "alarms, holidays": _count(alarms, lambda day: day in holidays),
        "alarms, snow storm": _count(alarms, _is_in_storm),
        "alarms, other days": _count(
            alarms,
            lambda day: not (day in holidays or _is_after_change(day) or _is_in_storm(day)),
        ),
        "faults": len(faults),
        "faults found": found / len(faults),
    }


def _p_value(detector: SeasonalDetector, history: Baseline, at: datetime, value: float) -> float:
    verdict = detector.score(KpiSample(name="taxi", observed_at=at, value=value), history)
    return 1.0 if verdict is None else verdict.p_value


def _is_after_change(day: date) -> bool:
    return _CHANGE < day <= _CHANGE + _AFTER


def _is_in_storm(day: date) -> bool:
    return _STORM[0] <= day <= _STORM[1]


def _count(days: Sequence[date], wanted: Callable[[date], bool]) -> int:
    return sum(map(wanted, days))


def _read(file: Path) -> list[_Point]:
    """Moments in UTC and values; the hour that comes twice in local time is told apart."""
    with gzip.open(file, "rt", encoding="utf-8") as stream:
        rows = [
            (datetime.fromisoformat(row["timestamp"]), float(row["value"]))
            for row in csv.DictReader(stream)
        ]
    found: list[_Point] = []
    for shown, value in rows:
        first, second = (shown.replace(tzinfo=_ZONE, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first < second:
            found += [(first, value / 2.0), (second, value / 2.0)]
        else:
            found.append((first, value))
    return sorted(found)


if __name__ == "__main__":
    raise SystemExit(run("detection", measure))
