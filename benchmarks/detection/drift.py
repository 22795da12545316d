"""
Drift: false alarms on stable data at any number of rows, delay on data that drift.

``python -m benchmarks.detection.drift [--data FOLDER] [--resamples N] [--peer LIBRARY=PYTHON …]`` on
``nannyml_car_loan``: stable comparisons are resampled from its reference period; the analysis period
drifts from its middle on. Peers are the libraries themselves, each run by the interpreter of an environment
that has it: ``--peer evidently=/there/bin/python``, and so nannyml, alibi-detect, frouros, river.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import math
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from aiops_provider.detection.drift.numeric import numeric_drift, sketch_drift
from aiops_provider.detection.drift.sketch import Floats, Sketch, value_of
from benchmarks.command import Options, run
from benchmarks.report import Report, at_most

LEVEL = 0.01
LIBRARIES = ("evidently", "nannyml", "alibi-detect", "frouros", "river")
_ROWS = (100, 1_000, 10_000, 100_000)
_FEATURES = ("car_value", "debt_to_income_ratio", "driver_tenure")
_CHUNKS = (250, 25)
# From so many rows on ours compares sketches, whose counts can be drawn at once.
_BY_SKETCH = 10_000

Test = Callable[[Floats, Floats], bool]


def ours(reference: Floats, current: Floats) -> bool:
    """The package's test: p-value and effect."""
    return numeric_drift(reference, current, level=LEVEL).drifted


def ours_without_effect(reference: Floats, current: Floats) -> bool:
    """The package's p-value alone."""
    return numeric_drift(reference, current, level=LEVEL, least_effect=0.0).drifted


OURS: dict[str, Test] = {"aiops": ours, "aiops, p-value alone": ours_without_effect}


def measure(options: Options) -> Report:
    """Stable resamples at every size, then the drifting period."""
    folder = options.data / "nannyml_car_loan"
    reference = _read(folder / "synthetic_car_loan_reference.csv.gz")
    analysis = _read(folder / "synthetic_car_loan_analysis.csv.gz")
    asked = dict(one.split("=", 1) for one in options.extra.peer)
    absent = [name for name in LIBRARIES if name not in asked]
    with ThreadPoolExecutor(options.extra.jobs) as pool:
        answers = pool.map(
            lambda one: _ask(*one, reference, analysis, options), list(asked.items())
        )
        stable, told = _ours(reference, analysis, options)
    versions = {}
    for library, answer in zip(asked, answers, strict=True):
        versions[library] = answer["version"]
        for name, found in answer["detectors"].items():
            for size, one in found["stable"].items():
                stable[name, int(size)] = (one["hits"], one["comparisons"])
            for rows, one in found["told"].items():
                told[name, int(rows)] = one
    rates = [
        _rate(name, size, *stable[name, size])
        for size in _ROWS
        for name in dict.fromkeys(name for name, _ in stable)
    ]
    delays = [_delay(name, rows, found) for (name, rows), found in told.items()]
    return Report(
        bench="detection.drift",
        data="nannyml_car_loan",
        seed=options.seed,
        rows=[*rates, *delays, *({"peer": f"{name}: not run"} for name in absent)],
        musts=[
            *(
                at_most(
                    f"false-alarm rate{said}, lower 95 % bound, at its worst size",
                    max(one["95 % low"] for one in rates if one["peer"] == name),
                    LEVEL,
                )
                for name, said in (("aiops", ""), ("aiops, p-value alone", " without the effect"))
            ),
            *(
                at_most(
                    f"delay less the best peer's, chunks of {rows} rows",
                    _best(delays, rows, ours=True) - _best(delays, rows, ours=False),
                    0.0,
                )
                for rows in _CHUNKS
                if asked
            ),
        ],
        notes=[
            f"Level {LEVEL}. Stable: both samples drawn with replacement from the reference period's "
            f"car_value; ours from {_BY_SKETCH:,} rows on as sketches (counts drawn at once). Intervals "
            f"are Wilson's. A peer ends at {options.extra.limit_s:g} s of CPU at a size, after fewer "
            "comparisons then.",
            "nannyml compares chunks of so many rows with a longer reference that is drawn as well, anew "
            "for every 200 chunks. ADWIN is fed with one sample, then with the other; an alarm is a drift "
            "told during the other.",
            f"Drifting: {_FEATURES[0]} in chunks against the whole reference period; delay is the number of "
            "chunks from the middle of the analysis period to the first one told. False alarms: chunks "
            f"told before, over the features {', '.join(_FEATURES)}.",
            "Libraries, each in an environment of its own: "
            + (", ".join(f"{name} {one}" for name, one in versions.items()) or "none")
            + ".",
        ],
    )


def _ours(
    reference: Mapping[str, Floats], analysis: Mapping[str, Floats], options: Options
) -> tuple[dict[tuple[str, int], tuple[int, int]], dict[tuple[str, int], dict[str, list[bool]]]]:
    """Hits and comparisons by size, chunks told by their rows."""
    stable = {
        (name, size): found
        for size in _ROWS
        for name, found in _stable(reference["car_value"], size, options).items()
    }
    told = {
        (name, rows): _told(test, reference, analysis, rows)
        for rows in _CHUNKS
        for name, test in [*OURS.items(), ("random at 1 %", _chance(options.seed))]
    }
    return stable, told


def _best(delays: Sequence[Mapping[str, Any]], rows: int, *, ours: bool) -> float:
    """Shortest delay of the peers, or that of ours."""
    return min(
        float(one["delay, chunks"])
        for one in delays
        if one["rows"] == rows
        and not one["peer"].startswith("random")
        and (one["peer"] == "aiops, drifting" if ours else not one["peer"].startswith("aiops"))
    )


def _ask(
    library: str,
    python: str,
    reference: Mapping[str, Floats],
    analysis: Mapping[str, Floats],
    options: Options,
) -> dict[str, Any]:
    """What the detectors of a library make of the very data."""
    with tempfile.TemporaryDirectory() as folder:
        columns = []
        for feature in _FEATURES:
            files = {
                period: str(Path(folder) / f"{feature}-{period}.npy")
                for period in ("reference", "analysis")
            }
            np.save(files["reference"], reference[feature])
            np.save(files["analysis"], analysis[feature])
            columns.append({"name": feature, **files})
        request = {
            "features": columns,
            "sizes": _ROWS,
            "chunks": _CHUNKS,
            "resamples": options.extra.resamples,
            "limit_s": options.extra.limit_s,
            "seed": options.seed,
            "level": LEVEL,
        }
        done = subprocess.run(  # noqa: S603 - the interpreter is the user's own
            [python, "-P", str(Path(__file__).with_name("drift_libraries.py")), library],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
        )
    if done.returncode:
        raise RuntimeError(f"{library} failed:\n{done.stderr[-3000:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _stable(column: Floats, size: int, options: Options) -> dict[str, tuple[int, int]]:
    """Hits and comparisons of ours."""
    rng = np.random.default_rng([options.seed, size])
    count = options.extra.resamples
    told = dict.fromkeys(OURS, 0)
    if size < _BY_SKETCH:
        for _ in range(count):
            left, right = rng.choice(column, size=size), rng.choice(column, size=size)
            for name, test in OURS.items():
                told[name] += test(left, right)
        return {name: (hits, count) for name, hits in told.items()}
    sketch = Sketch.of(column)
    numbers = sorted(sketch.counts, key=value_of)
    shares = np.array([sketch.counts[number] for number in numbers]) / sketch.rows
    for _ in range(count):
        pair = [
            Sketch(
                {
                    n: int(c)
                    for n, c in zip(numbers, rng.multinomial(size, shares), strict=True)
                    if c
                }
            )
            for _ in range(2)
        ]
        found = sketch_drift(*pair, level=LEVEL)
        told["aiops"] += found.drifted
        told["aiops, p-value alone"] += found.p_value <= LEVEL
    return {name: (hits, count) for name, hits in told.items()}


def _rate(name: str, size: int, hits: int, count: int) -> dict[str, Any]:
    low, high = _wilson(hits, count)
    return {
        "peer": name,
        "rows": size,
        "comparisons": count,
        "false-alarm rate": hits / count,
        "95 % low": low,
        "95 % high": high,
    }


def _wilson(hits: int, count: int) -> tuple[float, float]:
    z, share = 1.96, hits / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = (
        z
        * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
        / (1 + z * z / count)
    )
    return max(middle - half, 0.0), middle + half


def _told(
    test: Test, reference: Mapping[str, Floats], analysis: Mapping[str, Floats], rows: int
) -> dict[str, list[bool]]:
    """Which chunks of each feature a test tells."""
    return {
        feature: [
            test(reference[feature], column[place * rows : (place + 1) * rows])
            for place in range(len(column) // rows)
        ]
        for feature, column in analysis.items()
    }


def _delay(name: str, rows: int, told: Mapping[str, Sequence[bool]]) -> dict[str, Any]:
    chunks = len(told[_FEATURES[0]])
    middle = chunks // 2
    after = told[_FEATURES[0]][middle:]
    false = sum(sum(one[:middle]) for one in told.values())
    return _rate(f"{name}, drifting", rows, false, middle * len(told)) | {
        "delay, chunks": float(after.index(True)) if any(after) else float(len(after)),
        "told after": sum(after) / len(after),
    }


def _chance(seed: int) -> Test:
    rng = np.random.default_rng(seed)
    return lambda _reference, _current: bool(rng.random() < LEVEL)


def _read(file: Path) -> dict[str, Floats]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as stream:
        rows: Sequence[dict[str, str]] = list(csv.DictReader(stream))
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in _FEATURES}


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--resamples", type=int, default=2_000, metavar="N")
    parser.add_argument(
        "--peer",
        action="append",
        default=[],
        type=_peer,
        metavar="LIBRARY=PYTHON",
        help=f"interpreter of an environment with one of {', '.join(LIBRARIES)}; once for each",
    )
    parser.add_argument(
        "--limit-s",
        type=float,
        default=70.0,
        metavar="S",
        help="CPU seconds that one detector of a peer may spend on one size",
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="libraries that run at the same time"
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
