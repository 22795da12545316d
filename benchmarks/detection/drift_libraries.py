"""
Drift detectors of other libraries, run by the interpreter of an environment that has one of them.

``PYTHON drift_libraries.py LIBRARY < request.json``, with one of evidently, nannyml, alibi-detect, frouros
and river installed, and nothing of ours. The request names the columns (``.npy`` files), sizes, resamples,
seed, level, chunks and the CPU seconds that one detector may spend on one size; the answer is JSON on
standard output, by detector: hits and comparisons at every size, and chunks told by feature.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Any

import numpy as np

Test = Callable[[np.ndarray, np.ndarray], bool]

# Chunks that nannyml compares with one reference, before it is fitted to another one.
_CHUNKS_PER_FIT = 200
# The reference has at least so many chunks, and a table never more rows than this.
_LEAST_CHUNKS, _MOST_ROWS = 20, 2_000_000


def main() -> int:
    """See the module."""
    library = sys.argv[1]
    request = json.load(sys.stdin)
    os.environ["DO_NOT_TRACK"] = os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(sys.stderr):  # some of them print
        found = _LIBRARIES[library](request)
    print(json.dumps({"version": metadata.version(library), "detectors": found}))
    return 0


def evidently(request: dict[str, Any]) -> dict[str, Any]:
    """Its default, KS at the level, PSI."""
    import pandas as pd
    from evidently.legacy.calculations.stattests import get_stattest
    from evidently.legacy.core import ColumnType

    def by(method: str | None, threshold: float | None) -> Test:
        def test(reference: np.ndarray, current: np.ndarray) -> bool:
            left, right = pd.Series(reference), pd.Series(current)
            chosen = get_stattest(left, right, ColumnType.Numerical, method)
            return bool(chosen(left, right, ColumnType.Numerical, threshold).drifted)

        return test

    return _pairwise(
        request,
        {
            "evidently, default (KS p < 0.05, Wasserstein 0.1 above 1,000 rows)": by(None, None),
            f"evidently, KS p < {request['level']}": by("ks", request["level"]),
            "evidently, PSI": by("psi", None),
        },
    )


def alibi_detect(request: dict[str, Any]) -> dict[str, Any]:
    """KS and Cramér and von Mises at the level."""
    from alibi_detect.cd import CVMDrift, KSDrift

    def by(detector: Any) -> Test:
        def test(reference: np.ndarray, current: np.ndarray) -> bool:
            found = detector(reference, p_val=request["level"]).predict(current)
            return bool(found["data"]["is_drift"])

        return test

    level = request["level"]
    return _pairwise(
        request,
        {
            f"alibi-detect, KS p < {level}": by(KSDrift),
            f"alibi-detect, CVM p < {level}": by(CVMDrift),
        },
    )


def frouros(request: dict[str, Any]) -> dict[str, Any]:
    """KS at the level, PSI beyond 0.2."""
    from frouros.detectors.data_drift import PSI, KSTest

    def kolmogorov(reference: np.ndarray, current: np.ndarray) -> bool:
        detector = KSTest()
        detector.fit(X=reference)
        return bool(detector.compare(X=current)[0].p_value <= request["level"])

    def stability(reference: np.ndarray, current: np.ndarray) -> bool:
        detector = PSI()
        detector.fit(X=reference)
        return bool(detector.compare(X=current)[0].distance > 0.2)

    return _pairwise(
        request,
        {f"frouros, KS p <= {request['level']}": kolmogorov, "frouros, PSI > 0.2": stability},
    )


def river(request: dict[str, Any]) -> dict[str, Any]:
    """ADWIN with its default: fed with the reference, then with what is to be compared."""
    from river import drift

    def fresh(reference: np.ndarray) -> Any:
        detector = drift.ADWIN()
        for value in reference.tolist():
            detector.update(value)
        return detector

    def told(detector: Any, current: np.ndarray) -> bool:
        found = False
        for value in current.tolist():
            detector.update(value)
            found = found or detector.drift_detected
        return found

    stable = {
        str(size): _stable(request, size, lambda left, right: told(fresh(left), right))
        for size in request["sizes"]
    }
    by_chunk: dict[str, dict[str, list[bool]]] = {}
    for rows in request["chunks"]:
        by_chunk[str(rows)] = {}
        for feature, reference, analysis in _features(request):
            detector = fresh(reference)
            by_chunk[str(rows)][feature] = [told(detector, one) for one in _chunks(analysis, rows)]
    return {"river, ADWIN (default)": {"stable": stable, "told": by_chunk}}


def nannyml(request: dict[str, Any]) -> dict[str, Any]:
    """KS, Jensen and Shannon, Wasserstein, each by its default: 3 deviations of the reference's chunks."""
    import pandas as pd
    from nannyml import UnivariateDriftCalculator

    methods = {"kolmogorov_smirnov": "KS", "jensen_shannon": "JS", "wasserstein": "Wasserstein"}

    def fitted(column: np.ndarray, method: str, rows: int) -> Any:
        calculator = UnivariateDriftCalculator(
            column_names=["x"], continuous_methods=[method], chunk_size=rows
        )
        return calculator.fit(pd.DataFrame({"x": column}))

    def alerts(calculator: Any, method: str, column: np.ndarray) -> list[bool]:
        found = calculator.calculate(pd.DataFrame({"x": column})).filter(period="analysis")
        return [bool(one) for one in found.to_df()[("x", method, "alert")]]

    def stable(method: str, size: int) -> dict[str, int]:
        column = np.load(request["features"][0]["reference"])
        rng = np.random.default_rng([request["seed"], size])
        hits = count = 0
        begun = time.process_time()
        while count < request["resamples"] and time.process_time() - begun < request["limit_s"]:
            rows = max(len(column), _LEAST_CHUNKS * size)
            calculator = fitted(rng.choice(column, size=rows), method, size)
            left = min(_CHUNKS_PER_FIT, request["resamples"] - count)
            while left:
                chunks = min(left, max(_MOST_ROWS // size, 1))
                told = alerts(calculator, method, rng.choice(column, size=chunks * size))
                hits, count, left = hits + sum(told), count + len(told), left - chunks
        return {"hits": hits, "comparisons": count}

    found = {}
    for method, short in methods.items():
        told: dict[str, dict[str, list[bool]]] = {str(rows): {} for rows in request["chunks"]}
        for rows in request["chunks"]:
            for feature, reference, analysis in _features(request):
                calculator = fitted(reference, method, rows)
                told[str(rows)][feature] = alerts(calculator, method, analysis)
        sizes = {str(size): stable(method, size) for size in request["sizes"]}
        found[f"nannyml, {short} (default)"] = {"stable": sizes, "told": told}
    return found


def _pairwise(request: dict[str, Any], tests: dict[str, Test]) -> dict[str, Any]:
    return {
        name: {
            "stable": {str(size): _stable(request, size, test) for size in request["sizes"]},
            "told": {
                str(rows): {
                    feature: [test(reference, one) for one in _chunks(analysis, rows)]
                    for feature, reference, analysis in _features(request)
                }
                for rows in request["chunks"]
            },
        }
        for name, test in tests.items()
    }


def _stable(request: dict[str, Any], size: int, test: Test) -> dict[str, int]:
    """Pairs drawn from one column, as many as asked for or as the time allows."""
    column = np.load(request["features"][0]["reference"])
    rng = np.random.default_rng([request["seed"], size])
    hits = count = 0
    begun = time.process_time()
    while count < request["resamples"] and time.process_time() - begun < request["limit_s"]:
        hits += test(rng.choice(column, size=size), rng.choice(column, size=size))
        count += 1
    return {"hits": hits, "comparisons": count}


def _features(request: dict[str, Any]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    for one in request["features"]:
        yield one["name"], np.load(one["reference"]), np.load(one["analysis"])


def _chunks(column: np.ndarray, rows: int) -> list[np.ndarray]:
    return [
        column[place * rows : (place + 1) * rows] for place in range(math.floor(len(column) / rows))
    ]


_LIBRARIES = {
    "evidently": evidently,
    "nannyml": nannyml,
    "alibi-detect": alibi_detect,
    "frouros": frouros,
    "river": river,
}


if __name__ == "__main__":
    raise SystemExit(main())
