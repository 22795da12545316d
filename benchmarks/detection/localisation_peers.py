"""
Published methods of localisation, re-implemented from their papers in short form.

Each maps a cube to a set of conjunctions. They are *like* the originals: same idea and constants, not
the same code, and without the speed-ups of a compiled language.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np

from aiops_provider.detection.localisation.cube import Cube, Floats
from aiops_provider.detection.localisation.search import localise
from benchmarks.detection.localisation_cases import Causes, Conditions

Method = Callable[[Cube], Causes]
_MOST = 3


def ours(cube: Cube) -> Causes:
    """The package's search."""
    return frozenset(frozenset(one.conditions.items()) for one in localise(cube))


def adtributor(cube: Cube) -> Causes:
    """Bhagwan et al., NSDI 2014: explanatory power and surprise, one dimension only."""
    total = cube.actual.sum() - cube.expected.sum()
    best: tuple[float, Causes] = (-1.0, frozenset())
    for dim, name in enumerate(cube.dimensions):
        actual = np.bincount(cube.codes[:, dim], weights=cube.actual)
        expected = np.bincount(cube.codes[:, dim], weights=cube.expected)
        p, q = expected / max(expected.sum(), 1e-12), actual / max(actual.sum(), 1e-12)
        middle = np.maximum((p + q) / 2.0, 1e-300)
        surprise = 0.5 * (_plog(p, middle) + _plog(q, middle))
        power = (actual - expected) / (total or 1e-12)
        chosen, explained, told = [], 0.0, 0.0
        for value in np.argsort(-surprise):
            if power[value] > 0.1:
                chosen.append(int(value))
                explained += power[value]
                told += surprise[value]
                if explained > 0.67:
                    break
        if explained > 0.67 and told > best[0]:
            elements = frozenset(frozenset({(name, cube.values[dim][value])}) for value in chosen)
            best = (told, elements)
    return best[1]


def _plog(p: Floats, middle: Floats) -> Floats:
    return np.where(p > 0.0, p * np.log(np.maximum(p, 1e-300) / middle), 0.0)


def _deviation(cube: Cube) -> Floats:
    total = cube.actual + cube.expected
    return np.divide(
        2.0 * (cube.expected - cube.actual), total, out=np.zeros_like(total), where=total > 0.0
    )


def squeeze(cube: Cube) -> Causes:
    """Li et al., ISSRE 2019: clusters of deviation scores, then the best cuboid by GPS and size."""
    score = _deviation(cube)
    abnormal = np.abs(score) > _knee(np.abs(score))
    if not abnormal.any():
        return frozenset()
    counts, edges = np.histogram(score[abnormal], bins=max(int(np.sqrt(abnormal.sum())), 10))
    smooth = np.convolve(counts, np.ones(3) / 3.0, mode="same")
    cuts = [
        edges[i]
        for i in range(1, len(smooth) - 1)
        if smooth[i] <= smooth[i - 1]
        and smooth[i] < smooth[i + 1]
        and smooth[i] < 0.2 * smooth.max()
    ]
    group = np.digitize(score, cuts)
    found: set[Conditions] = set()
    for label in np.unique(group[abnormal]):
        members = abnormal & (group == label)
        if members.sum() >= 3:
            found |= _squeeze_cluster(cube, members)
    return frozenset(found)


def _knee(values: Floats) -> float:
    ordered = np.sort(values)
    place = np.linspace(0.0, 1.0, len(ordered))
    height = ordered / max(ordered[-1], 1e-12)
    return float(ordered[int(np.argmax(place - height))])


def _squeeze_cluster(cube: Cube, members: np.ndarray) -> set[Conditions]:
    best: tuple[float, set[Conditions]] = (-np.inf, set())
    for count in range(1, _MOST + 1):
        for dims in combinations(range(len(cube.dimensions)), count):
            key, inverse, leaves = _elements(cube, dims)
            inside = np.bincount(inverse, weights=members.astype(float))
            order = np.argsort(-inside / leaves)[: min(len(leaves), 20)]
            for size in range(1, len(order) + 1):
                chosen = order[:size]
                mask = np.isin(inverse, chosen)
                score = _gps(cube, mask, members) - 0.02 * size * count
                if score > best[0]:
                    best = (score, {_named(cube, dims, key[value]) for value in chosen})
    return best[1]


def _gps(cube: Cube, mask: np.ndarray, members: np.ndarray) -> float:
    """Generalised potential score over the cluster and the leaves that the elements cover."""
    del members
    expected = float(cube.expected[mask].sum())
    ratio = float(cube.actual[mask].sum()) / max(expected, 1e-12)
    rippled = np.abs(cube.actual[mask] - cube.expected[mask] * ratio).mean()
    plain = np.abs(cube.actual[mask] - cube.expected[mask]).mean()
    outside = ~mask
    other = np.abs(cube.actual[outside] - cube.expected[outside]).mean() if outside.any() else 0.0
    return float(1.0 - (rippled + other) / max(plain + other, 1e-12) - other / max(plain, 1e-12))


def riskloc(cube: Cube) -> Causes:
    """Kalander, RiskLoc, 2022: weighted leaves beyond a cut, risk of an element, one after another."""
    score = _deviation(cube)
    if cube.actual.sum() > cube.expected.sum():
        score = -score
    # Bounded, or the wild relative deviations of sparse counts would leave nothing beyond the cut.
    cut = min(max(-float(np.quantile(score, 0.005)), 0.05), 0.5)
    weight = np.where(np.abs(score) < cut, 1.0 - np.abs(score), np.abs(score))
    high = score > cut
    total = float(np.where(high, np.abs(cube.actual - cube.expected), 0.0).sum())
    left = np.ones(len(score), dtype=bool)
    found: set[Conditions] = set()
    for _ in range(8):
        best: tuple[float, Conditions, np.ndarray] | None = None
        for count in range(1, _MOST + 1):
            for dims in combinations(range(len(cube.dimensions)), count):
                candidate = _riskiest(cube, dims, weight, high, left)
                if candidate[0] >= 0.5 and (best is None or candidate[0] > best[0]):
                    gain = np.abs(cube.actual - cube.expected)[candidate[2] & high & left].sum()
                    if gain >= 0.15 * total:
                        best = candidate
            if best is not None:
                break
        if best is None:
            break
        found.add(best[1])
        left &= ~best[2]
    return frozenset(found)


def _riskiest(
    cube: Cube, dims: tuple[int, ...], weight: Floats, high: np.ndarray, left: np.ndarray
) -> tuple[float, Conditions, np.ndarray]:
    key, inverse, _ = _elements(cube, dims)
    on = np.bincount(inverse, weights=np.where(high & left, weight, 0.0))
    off = np.bincount(inverse, weights=np.where(~high & left, weight, 0.0))
    actual = np.bincount(inverse, weights=np.where(left, cube.actual, 0.0))
    expected = np.bincount(inverse, weights=np.where(left, cube.expected, 0.0))
    ratio = np.divide(actual, expected, out=np.ones_like(actual), where=expected > 0.0)
    rippled = np.bincount(
        inverse, weights=np.where(left, np.abs(cube.actual - cube.expected * ratio[inverse]), 0.0)
    )
    plain = np.bincount(inverse, weights=np.where(left, np.abs(cube.actual - cube.expected), 0.0))
    risk = on / (on + off + 1.0) - rippled / np.maximum(plain + rippled, 1e-12) * 0.5
    power = np.bincount(
        inverse, weights=np.where(left & high, np.abs(cube.actual - cube.expected), 0.0)
    )
    value = int(np.argmax(np.where(risk >= 0.5, power, -1.0)))
    return float(risk[value]), _named(cube, dims, key[value]), inverse == value


def pattern_lift(cube: Cube) -> Causes:
    """
    FP-growth with lift, as Meta's fast dimensional analysis (Lin et al., SIGMETRICS 2020).

    Leaves beyond 2.5 robust deviations are failures; of the itemsets with enough support and lift
    those stay that no smaller one explains as well. Itemsets are counted by arrays: the result is
    that of FP-growth.
    """
    score = _deviation(cube)
    spread = 1.4826 * float(np.median(np.abs(score - np.median(score)))) + 1e-9
    failed = np.abs(score - np.median(score)) > 2.5 * spread
    if not failed.any():
        return frozenset()
    base = float(failed.mean())
    kept: list[tuple[float, float, Conditions, np.ndarray]] = []
    for count in range(1, _MOST + 1):
        for dims in combinations(range(len(cube.dimensions)), count):
            key, inverse, leaves = _elements(cube, dims)
            hits = np.bincount(inverse, weights=failed.astype(float))
            lift = hits / leaves / base
            support = hits / failed.sum()
            for value in np.flatnonzero((support >= 0.05) & (hits / leaves >= 0.5) & (lift > 2.0)):
                named = _named(cube, dims, key[value])
                if any(other[2] < named and other[0] >= 0.9 * lift[value] for other in kept):
                    continue
                kept.append((float(lift[value]), float(support[value]), named, inverse == value))
    kept.sort(key=lambda one: (-one[0] * one[1], len(one[2])))
    left = failed.copy()
    found: set[Conditions] = set()
    for _, _, named, mask in kept:
        if (left & mask).sum() >= 0.05 * failed.sum():
            found.add(named)
            left &= ~mask
    return frozenset(found)


def chance(cube: Cube) -> Causes:
    """One element of one dimension at random."""
    rng = np.random.default_rng(len(cube.actual))
    dim = int(rng.integers(len(cube.dimensions)))
    value = cube.values[dim][int(rng.integers(len(cube.values[dim])))]
    return frozenset({frozenset({(cube.dimensions[dim], value)})})


def _elements(cube: Cube, dims: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes of the elements, the element of each leaf, and leaves per element."""
    key, inverse, leaves = np.unique(
        cube.codes[:, list(dims)], axis=0, return_inverse=True, return_counts=True
    )
    return key, inverse.ravel(), leaves


def _named(cube: Cube, dims: tuple[int, ...], codes: np.ndarray) -> Conditions:
    return frozenset(
        (cube.dimensions[dim], cube.values[dim][code])
        for dim, code in zip(dims, codes, strict=True)
    )


METHODS: dict[str, Method] = {
    "aiops": ours,
    "RiskLoc-like": riskloc,
    "Squeeze-like": squeeze,
    "Adtributor-like": adtributor,
    "FP-growth + lift": pattern_lift,
    "random": chance,
}
