"""
Change points by river and ruptures, run by the interpreter of an environment that has one of them.

``PYTHON change_point_libraries.py LIBRARY < series.json``: series by name, each a list of columns that were
standardised over the whole series, which favours these detectors; the answer on standard output is the
version and, by detector and series, the places told.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np

Find = Callable[[list[list[float]]], list[int]]


def main() -> int:
    """See the module."""
    library = sys.argv[1]
    series = json.load(sys.stdin)
    found = {
        name: {one: find(columns) for one, columns in series.items()}
        for name, find in _LIBRARIES[library]().items()
    }
    print(json.dumps({"version": metadata.version(library), "detectors": found}))
    return 0


def river() -> dict[str, Find]:
    """Detectors of single columns with their defaults; a place told of any column counts."""
    from river import drift

    def by(make: Callable[[], Any]) -> Find:
        def find(columns: list[list[float]]) -> list[int]:
            told = set()
            for column in columns:
                detector = make()
                for place, value in enumerate(column):
                    detector.update(value)
                    if detector.drift_detected:
                        told.add(place)
            return sorted(told)

        return find

    return {
        "river, ADWIN": by(drift.ADWIN),
        "river, Page-Hinkley": by(drift.PageHinkley),
        "river, KSWIN": by(lambda: drift.KSWIN(seed=0)),
    }


def ruptures() -> dict[str, Find]:
    """PELT over all columns with a penalty as of the Bayesian information criterion."""
    import ruptures

    def find(columns: list[list[float]]) -> list[int]:
        table = np.array(columns).T
        penalty = 2.0 * math.log(len(table)) * table.shape[1]
        return [
            int(one) for one in ruptures.Pelt(model="l2", jump=1).fit_predict(table, penalty)[:-1]
        ]

    return {"ruptures, PELT": find}


_LIBRARIES = {"river": river, "ruptures": ruptures}


if __name__ == "__main__":
    raise SystemExit(main())
