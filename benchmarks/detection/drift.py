"""
Drift: false alarms on stable data at any number of rows, delay on data that drift.

``python -m benchmarks.detection.drift [--data FOLDER] [--resamples N]`` on ``nannyml_car_loan``: stable
comparisons are resampled from its reference period; the analysis period drifts from its middle on.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aiops_provider.detection.drift.numeric import numeric_drift, sketch_drift
from aiops_provider.detection.drift.sketch import Floats, Sketch, value_of
from benchmarks.command import Options, run
from benchmarks.report import Report, at_most

LEVEL = 0.01
_ROWS = (100, 1_000, 10_000, 100_000)
_FEATURES = ("car_value", "debt_to_income_ratio", "driver_tenure")
_CHUNK = 250
# From so many rows on the comparisons go by sketches, whose counts can be drawn at once.
_BY_SKETCH = 10_000

Test = Callable[[Floats, Floats], bool]


def ours(reference: Floats, current: Floats) -> bool:
    """The package's test: p-value and effect."""
    return numeric_drift(reference, current, level=LEVEL).drifted


def ours_without_effect(reference: Floats, current: Floats) -> bool:
    """The package's p-value alone."""
    return numeric_drift(reference, current, level=LEVEL, least_effect=0.0).drifted


def population_stability(reference: Floats, current: Floats) -> bool:
    """PSI over deciles of the reference beyond 0.2, the usual rule."""
    edges = np.unique(np.quantile(reference, np.linspace(0.0, 1.0, 11)))[1:-1]
    before = np.bincount(np.searchsorted(edges, reference), minlength=len(edges) + 1)
    now = np.bincount(np.searchsorted(edges, current), minlength=len(edges) + 1)
    p, q = (np.maximum(one / one.sum(), 1e-4) for one in (before, now))
    return float(((p - q) * np.log(p / q)).sum()) > 0.2


def wasserstein_threshold(reference: Floats, current: Floats) -> bool:
    """Wasserstein distance beyond a tenth of the reference's standard deviation, as Evidently's rule."""
    from scipy import stats

    return float(stats.wasserstein_distance(reference, current) / reference.std()) > 0.1


def kolmogorov(reference: Floats, current: Floats) -> bool:
    """Asymptotic two-sample KS at 1 %, no effect size, as alibi-detect's and nannyml's method."""
    from scipy import stats

    return bool(stats.ks_2samp(reference, current, method="asymp").pvalue <= LEVEL)


TESTS: dict[str, Test] = {
    "aiops": ours,
    "aiops, p-value alone": ours_without_effect,
    "KS (asymptotic)": kolmogorov,
    "PSI > 0.2": population_stability,
    "Wasserstein > 0.1 deviations": wasserstein_threshold,
}


def measure(options: Options) -> Report:
    """Stable resamples at every size, then the drifting period."""
    folder = options.data / "nannyml_car_loan"
    reference = _read(folder / "synthetic_car_loan_reference.csv.gz")
    analysis = _read(folder / "synthetic_car_loan_analysis.csv.gz")
    rows, worst = [], {}
    for size in _ROWS:
        for row in _stable(reference["car_value"], size, options):
            rows.append(row)
            if row["peer"].startswith("aiops"):
                worst[row["peer"]] = max(worst.get(row["peer"], 0.0), row["95 % low"])
    delays = {}
    for name, test in [*TESTS.items(), ("random at 1 %", _chance(options.seed))]:
        row = _delay(name, test, reference, analysis)
        rows.append(row)
        delays[name] = row["delay, chunks"]
    others = [value for name, value in delays.items() if not name.startswith(("aiops", "random"))]
    return Report(
        bench="detection.drift",
        data="nannyml_car_loan",
        seed=options.seed,
        rows=rows,
        musts=[
            at_most("false-alarm rate, lower 95 % bound, at its worst size", worst["aiops"], LEVEL),
            at_most("the same without the effect size", worst["aiops, p-value alone"], LEVEL),
            at_most("delay less the best peer's, chunks", delays["aiops"] - min(others), 0.0),
        ],
        notes=[
            f"Level {LEVEL}. Stable: both samples drawn with replacement from the reference period's "
            f"car_value; from {_BY_SKETCH:,} rows on as sketches (counts drawn at once), where peers "
            "that need samples are not run. Intervals are Wilson's.",
            f"Delay: {_FEATURES[0]} in chunks of {_CHUNK} rows against the whole reference period; chunks "
            "from the middle of the analysis period to the first one told. False: chunks told before, "
            f"over the features {', '.join(_FEATURES)}.",
        ],
    )


def _stable(column: Floats, size: int, options: Options) -> list[dict[str, Any]]:
    rng = np.random.default_rng([options.seed, size])
    count = options.extra.resamples
    if size < _BY_SKETCH:
        told = dict.fromkeys(TESTS, 0)
        for _ in range(count):
            left, right = rng.choice(column, size=size), rng.choice(column, size=size)
            for name, test in TESTS.items():
                told[name] += test(left, right)
        return [_rate(name, size, hits, count) for name, hits in told.items()]
    sketch = Sketch.of(column)
    numbers = sorted(sketch.counts, key=value_of)
    shares = np.array([sketch.counts[number] for number in numbers]) / sketch.rows
    plain = with_effect = 0
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
        plain += found.p_value <= LEVEL
        with_effect += found.drifted
    return [
        _rate("aiops", size, with_effect, count),
        _rate("aiops, p-value alone", size, plain, count),
    ]


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


def _delay(
    name: str, test: Test, reference: dict[str, Floats], analysis: dict[str, Floats]
) -> dict[str, Any]:
    chunks = len(analysis[_FEATURES[0]]) // _CHUNK
    middle = chunks // 2
    told = [
        test(reference[_FEATURES[0]], _chunk(analysis[_FEATURES[0]], number))
        for number in range(middle, chunks)
    ]
    false = sum(
        test(reference[feature], _chunk(analysis[feature], number))
        for feature in _FEATURES
        for number in range(middle)
    )
    return {
        "peer": f"{name}, drifting",
        "rows": _CHUNK,
        "comparisons": middle * len(_FEATURES),
        "false-alarm rate": false / (middle * len(_FEATURES)),
        "delay, chunks": float(told.index(True)) if any(told) else float(len(told)),
        "told after": sum(told) / len(told),
    }


def _chunk(column: Floats, number: int) -> Floats:
    return column[number * _CHUNK : (number + 1) * _CHUNK]


def _chance(seed: int) -> Test:
    rng = np.random.default_rng(seed)
    return lambda _reference, _current: bool(rng.random() < LEVEL)


def _read(file: Path) -> dict[str, Floats]:
    with gzip.open(file, "rt", encoding="utf-8", newline="") as stream:
        rows: Sequence[dict[str, str]] = list(csv.DictReader(stream))
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in _FEATURES}


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--resamples", type=int, default=2_000, metavar="N")


if __name__ == "__main__":
    raise SystemExit(run("detection", measure, add_options=_options))
