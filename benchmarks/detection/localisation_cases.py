"""Cases of localisation: real ones, and a seeded generator in the manner of Squeeze's and RiskLoc's."""

from __future__ import annotations

import ast
import csv
import gzip
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from aiops_provider.detection.localisation.cube import Cube, Floats, expected_share, make_cube

Conditions = frozenset[tuple[str, str]]
Causes = frozenset[Conditions]

_FORECAST_MINUTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """
    A deviating cube with its labelled causes.

    Attributes:
        group: Cases that are told in one row.
        name: Of the case.
        cube: The cube.
        causes: What is at fault: a set of conjunctions.
    """

    group: str
    name: str
    cube: Cube
    causes: Causes


def read_robustspot(folder: Path) -> Iterator[Case]:
    """Real cases: stalling viewers of a live stream; expected is the mean of the four minutes before."""
    for entry in yaml.safe_load((folder / "anomaly.yaml").read_text(encoding="utf-8")):
        stem = re.sub(r"[ :+]", "_", str(entry["data"]))
        cause = entry["cause"]
        labelled = ast.literal_eval(cause) if isinstance(cause, str) else cause
        cases = labelled if isinstance(labelled, list) else [labelled]
        yield Case(
            group="robustspot_rs",
            name=stem,
            cube=_real_cube(folder / f"{stem}.csv.gz", int(entry["timestamp"])),
            causes=frozenset(frozenset((str(k), str(v)) for k, v in one.items()) for one in cases),
        )


def _real_cube(file: Path, at: int) -> Cube:
    now: dict[tuple[str, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
    before: dict[tuple[str, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
    with gzip.open(file, "rt", encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        names = [n for n in reader.fieldnames or () if n not in {"min", "value", "cnt"}]
        for row in reader:
            age = (at - int(row["min"])) // 60
            if not 0 <= age <= _FORECAST_MINUTES:
                continue
            sums = (now if age == 0 else before)[tuple(row[name] for name in names)]
            sums[0] += float(row["value"])
            sums[1] += float(row["cnt"])
    leaves = sorted(now)
    actual = np.array([now[leaf] for leaf in leaves])
    past = np.array([before.get(leaf, [0.0, 0.0]) for leaf in leaves]) / _FORECAST_MINUTES
    columns = {name: [leaf[i] for leaf in leaves] for i, name in enumerate(names)}
    return make_cube(columns, actual[:, 0], expected_share(actual[:, 1], past[:, 0], past[:, 1]))


# Fixed before any detector was run on it: sizes as in Squeeze's cubes, noise and magnitudes as in
# RiskLoc's generator.
_SIZES = {"a": 10, "b": 12, "c": 10, "d": 8}
_GROUPS = {
    "one element": (1, False, 0.05),
    "one to three elements": (3, False, 0.05),
    "one to three, noise 20 %": (3, False, 0.20),
    "one to three, derived": (3, True, 0.05),
}


def generate(seed: int, cases: int) -> Iterator[Case]:
    """So many cases of every group; element sizes of one to three conditions at random."""
    for group, (most, derived, noise) in _GROUPS.items():
        for number in range(cases):
            # The name of a group must seed alike in every process.
            rng = np.random.default_rng([seed, sum(map(ord, group)), number])
            yield _generated(group, number, rng, most=most, derived=derived, noise=noise)


def _generated(
    group: str, number: int, rng: np.random.Generator, *, most: int, derived: bool, noise: float
) -> Case:
    names = list(_SIZES)
    grid = np.stack(
        np.meshgrid(*[np.arange(size) for size in _SIZES.values()], indexing="ij"), axis=-1
    ).reshape(-1, len(names))
    grid = grid[rng.random(len(grid)) > 0.1]  # some combinations do not occur
    volume = rng.lognormal(3.0, 1.0, size=len(grid))
    actual_ratio = np.full(len(grid), 0.1) if derived else np.ones(len(grid))
    factor = np.ones(len(grid))
    causes: set[Conditions] = set()
    dims = rng.choice(len(names), size=rng.integers(1, 4), replace=False)
    magnitude = rng.uniform(0.3, 0.9)
    for _ in range(int(rng.integers(1, most + 1))):
        picked = grid[rng.integers(len(grid))]
        inside = np.all(grid[:, dims] == picked[dims], axis=1)
        # Elements of one case are off by about the same, as one fault makes them.
        off = magnitude * rng.uniform(0.9, 1.1)
        factor[inside] = 1.0 + off if derived else 1.0 - min(off, 0.95)
        causes.add(frozenset((names[dim], f"{names[dim]}{picked[dim]}") for dim in dims))
    expected = volume * actual_ratio
    actual = expected * factor * (1.0 + noise * rng.normal(size=len(grid)))
    columns = {name: [f"{name}{value}" for value in grid[:, i]] for i, name in enumerate(names)}
    actual = np.maximum(actual, 0.0)
    if derived:
        moved = volume * rng.uniform(0.7, 1.4)  # the denominator moves as well
        actual = actual / volume * moved
        told: Floats = expected_share(moved, expected, volume)
        return Case(
            group=group,
            name=str(number),
            cube=make_cube(columns, actual, told),
            causes=frozenset(causes),
        )
    return Case(
        group=group,
        name=str(number),
        cube=make_cube(columns, actual, expected),
        causes=frozenset(causes),
    )
