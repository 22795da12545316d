"""
Change points: are the places told where people see the series change, and how soon?

``python -m benchmarks.detection.change_points [--data FOLDER] [--peer LIBRARY=PYTHON …]`` on
``river_changepoints``, three series that five people annotated; peers are river and ruptures, each run
by the interpreter of an environment that has it. F1 as in the Turing Change Point Dataset, where the
annotations are from (van den Burg and Williams, 2020): precision against what anybody marked, recall the
mean over the people, five samples of margin, the begin of the series counted as a change.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from aiops_provider.detection.limits import WatchConfig
from aiops_provider.detection.rules_file import default_rules
from aiops_provider.detection.scoring.onset import onsets
from aiops_provider.detection.scoring.windows import Floats
from aiops_provider.detection.verdict import ALARM_P
from aiops_provider.detection.watch import Watch
from aiops_provider.domain.kpi import KpiSample
from benchmarks.command import Options, run
from benchmarks.detection.labelled_series import LabelledSeries
from benchmarks.detection.shipped_detectors import SEASONAL, STREAMING, shipped_p_values
from benchmarks.report import Report, at_least, at_most

LIBRARIES = ("river", "ruptures")
MARGIN = 5
# A change that was not told so many samples after it was not told.
_LATEST = 30
# Detections of one detector that follow within so many samples are one.
_REST = 10
# A change that so many of the five people marked, within the margin, has a delay.
_AGREED = 3
_ENGINE = "aiops engine, alarms raised"
_OFFLINE = "ruptures, PELT"
_COLUMNS = {
    "apple": ("Close", "Volume"),
    "occupancy": ("V1", "V2", "V3", "V4"),
    "run_log": ("Pace", "Distance"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotated:
    """
    A series of several columns with what people marked.

    Attributes:
        name: Of its file.
        times: Seconds since 1970, ascending.
        columns: By name.
        changes: First samples after a change, by who marked them.
    """

    name: str
    times: Floats
    columns: Mapping[str, Floats]
    changes: Mapping[str, Sequence[int]]


def measure(options: Options) -> Report:
    """All detectors on all series."""
    series = read(options.data / "river_changepoints")
    told: dict[str, dict[str, list[int]]] = {
        SEASONAL: {},
        STREAMING: {},
        _ENGINE: {one.name: by_engine(one) for one in series},
        "nothing told": {one.name: [] for one in series},
    }
    for one in series:
        for name, places in _by_p_values(one).items():
            told[name][one.name] = places
    asked = dict(one.split("=", 1) for one in options.extra.peer)
    versions = {}
    for library, python in asked.items():
        answer = _ask(library, python, series)
        versions[library] = answer["version"]
        told |= {
            name: {one: _apart(places) for one, places in found.items()}
            for name, found in answer["detectors"].items()
        }
    rng = np.random.default_rng(options.seed)
    told["random, as many as people marked"] = {
        one.name: sorted(
            rng.integers(
                len(one.times),
                size=round(np.mean([len(places) for places in one.changes.values()])),
            ).tolist()
        )
        for one in series
    }
    rows = [_row(name, series, places) for name, places in told.items()]
    rows += [{"peer": f"{name}: not run"} for name in LIBRARIES if name not in asked]
    by_name = {row["peer"]: row for row in rows}
    causal = [row for row in rows if row["peer"].startswith("river") and "F1" in row]
    return Report(
        bench="detection.change_points",
        data="river_changepoints",
        seed=options.seed,
        rows=rows,
        musts=(
            [
                at_least(
                    f"F1 of {STREAMING} less the best causal peer's",
                    by_name[STREAMING]["F1"] - max(row["F1"] for row in causal),
                    0.0,
                ),
                at_most(
                    f"delay of {STREAMING} less the best causal peer's, samples",
                    by_name[STREAMING]["delay"] - min(row["delay"] for row in causal),
                    0.0,
                ),
            ]
            if causal
            else []
        ),
        notes=[
            f"F1 with a margin of {MARGIN} samples, mean of the series; it counts the begin of a series as "
            "told, which is all that 'nothing told' has. An alarm that comes later than the margin is a "
            "false one by this measure, though it may be the same change.",
            f"Delay: mean samples from a change that {_AGREED} of five people marked to the first place told "
            f"at most {MARGIN} before it, {_LATEST} where none is within {_LATEST} after; found: share of "
            "these changes that were told by then.",
            f"Ours: the smallest p-value over a series' columns times their number, at or below {ALARM_P:g}, "
            f"or the alarms that the whole engine raises; the streaming detector warms up for 150 samples. "
            f"Places told within {_REST} samples are one, for all. Peers have their defaults and see columns "
            f"that were standardised over the whole series; {_OFFLINE} sees the whole series first.",
            "The limits were set on the streaming detector before anything was measured; which of its alarms the "
            "engine raises by itself, with no rule that asks for that detector, is its own row.",
            "Libraries: "
            + (", ".join(f"{name} {one}" for name, one in versions.items()) or "none")
            + ".",
        ],
    )


def read(folder: Path) -> list[Annotated]:
    """
    The annotated series.

    People saw every third day of ``apple``, from the second (622 of 1,867); so does who is measured.
    """
    changes = json.loads((folder / "annotations.json").read_text(encoding="utf-8"))
    found = []
    for name, columns in _COLUMNS.items():
        with gzip.open(folder / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        if name == "apple":
            rows = rows[1::3]
        moment = next(iter(rows[0]))
        found.append(
            Annotated(
                name=name,
                times=np.array(
                    [
                        datetime.fromisoformat(row[moment]).replace(tzinfo=UTC).timestamp()
                        for row in rows
                    ]
                ),
                columns={one: np.array([float(row[one]) for row in rows]) for one in columns},
                changes=changes[name],
            )
        )
    return found


def f1_of(told: Iterable[int], changes: Mapping[str, Sequence[int]]) -> float:
    """
    F1 of places told against the marks of several people.

    >>> round(f1_of([10, 52], {"a": [50], "b": [50, 90]}), 4)
    0.7407
    """
    places = {0, *told}
    everyone = {0}.union(*(set(one) for one in changes.values()))
    precision = _matched(everyone, places) / len(places)
    recall = np.mean(
        [_matched({0, *one}, places) / len({0, *one}) for one in changes.values()]
    ).item()
    return float(2.0 * precision * recall / (precision + recall))


def _matched(changes: set[int], told: set[int]) -> int:
    """How many changes have a place told within the margin, each place for one of them only."""
    left, count = set(told), 0
    for change in sorted(changes):
        near = [place for place in left if abs(place - change) <= MARGIN]
        if near:
            left.remove(min(near, key=lambda place: (abs(place - change), place)))
            count += 1
    return count


def agreed(changes: Mapping[str, Sequence[int]]) -> list[int]:
    """Changes that most people marked: the median of their marks, one for each."""
    marks = sorted(place for one in changes.values() for place in one)
    found: list[int] = []
    while marks:
        near = [place for place in marks if place - marks[0] <= MARGIN]
        if len(near) >= _AGREED:
            found.append(near[len(near) // 2])
        marks = marks[len(near) :] if len(near) >= _AGREED else marks[1:]
    return found


def _row(
    peer: str, series: Sequence[Annotated], told: Mapping[str, Sequence[int]]
) -> dict[str, Any]:
    delays = []
    for one in series:
        for change in agreed(one.changes):
            after = [
                place - change for place in told[one.name] if -MARGIN <= place - change <= _LATEST
            ]
            delays.append(max(min(after), 0) if after else None)
    scores = {one.name: f1_of(told[one.name], one.changes) for one in series}
    return {
        "peer": peer,
        **{f"F1 {name}": score for name, score in scores.items()},
        "F1": float(np.mean(list(scores.values()))),
        "told": sum(len(places) for places in told.values()),
        "changes": len(delays),
        "found": sum(delay is not None for delay in delays) / len(delays),
        "delay": float(np.mean([_LATEST if delay is None else delay for delay in delays])),
    }


def _by_p_values(series: Annotated) -> dict[str, list[int]]:
    """Places where a detector that ships finds any column improbable."""
    columns = [
        LabelledSeries(name=name, times=series.times, values=values, windows=())
        for name, values in series.columns.items()
    ]
    found = shipped_p_values(columns)
    return {
        name: np.flatnonzero(
            onsets(-np.min(found[name], axis=0) * len(columns), -ALARM_P, rest=_REST)
        ).tolist()
        for name in (SEASONAL, STREAMING)
    }


def by_engine(series: Annotated) -> list[int]:
    """Places at which the engine as it ships raises an alarm."""
    watch = Watch(WatchConfig(), default_rules())
    told = set()
    for place, moment in enumerate(series.times):
        at = datetime.fromtimestamp(float(moment), tz=UTC)
        watch.observe(
            KpiSample(name=name, observed_at=at, value=float(values[place]))
            for name, values in series.columns.items()
        )
        raised = watch.evaluate(at + timedelta(seconds=1)).alarms
        told |= {place for alarm in raised if alarm.observed_at == at}
    return _apart(sorted(told))


def _apart(places: Sequence[int]) -> list[int]:
    """Without those that follow another one closely."""
    kept: list[int] = []
    for place in places:
        if not kept or place > kept[-1] + _REST:
            kept.append(place)
    return kept


def _ask(library: str, python: str, series: Sequence[Annotated]) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 - the interpreter is the user's own
        [python, "-P", str(Path(__file__).with_name("change_point_libraries.py")), library],
        input=json.dumps(
            {
                one.name: [_standardised(column).tolist() for column in one.columns.values()]
                for one in series
            }
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{library} failed:\n{done.stderr[-3000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _standardised(column: Floats) -> Floats:
    found: Floats = (column - column.mean()) / column.std()
    return found


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        type=_peer,
        metavar="LIBRARY=PYTHON",
        help=f"interpreter of an environment with one of {', '.join(LIBRARIES)}; once for each",
    )


def _peer(text: str) -> str:
    library, found, _ = text.partition("=")
    if library not in LIBRARIES or not found:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not LIBRARY=PYTHON with one of {', '.join(LIBRARIES)}"
        )
    return text


if __name__ == "__main__":
    raise SystemExit(run("detection", measure, add_options=_options))
