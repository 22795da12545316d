"""
Finds the elements of a cube that explain its deviation, the strongest first.

An element is a conjunction of values such as ``os=ios, version=3.2``. If it is the cause, all its leaves
are off by about the same factor (the ripple effect, Sun et al., HotSpot, 2018). How well that explains
the deviations is a matched filter: with the excess ``d = actual - expected`` of each leaf and its noise
``w = 1 / expected^q``, the element explains ``G = (Σ w·expected·d)² / Σ w·expected²`` of ``Σ w·d²``. A wider
element than the true one adds leaves that are not off and lowers G, a narrower one leaves some out and
lowers it as well. That takes two sums per element, for all elements of a set of dimensions at once.
The leaves of the best element are set aside and the rest is explained again, until what is left is no
more than noise, or is small beside what was found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import log, prod

import numpy as np
from numpy.typing import NDArray

from aiops_provider.detection.localisation.cube import Cube, Floats

_MOST_ELEMENTS = 8
# An element that explains this share less for each condition fewer is told instead.
_SIMPLER = 0.25
# Beside the first element another must explain this share of it …
_BESIDE_FIRST = 0.10
# … and be off by this share of the first one's factor: faint echoes are noise.
_AS_FAR = 0.25
# … and hold this share of the first one's excess: tiny leaves are wild in relative terms.
_AS_MUCH = 0.05
# Chi-square of one degree of freedom that chance hardly exceeds over all elements of a cube.
_SIGNIFICANT = 20.0
# Sets of dimensions with more possible elements than a code can tell apart are left out.
_CODES = 2**62
_SPARSE = 4
_FEW_PLACES = 1024
# Leaves times sets of dimensions that are summed in one go.
_TOGETHER = 2**13


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """
    A combination of values that is off.

    Attributes:
        conditions: Dimension to value.
        actual: Measured, summed over its leaves.
        expected: Expected, summed over its leaves.
        leaves: How many.
        explained: Share of the whole (weighted) deviation that it explains, in [0, 1].
        deviation_share: Share of the total's excess that lies in it; may exceed 1.
    """

    conditions: Mapping[str, str]
    actual: float
    expected: float
    leaves: int
    explained: float
    deviation_share: float


@dataclass(frozen=True, slots=True)
class _Found:
    dimensions: tuple[int, ...]
    inside: NDArray[np.bool_]
    gain: float


def localise(cube: Cube, *, most_conditions: int = 3) -> list[Element]:
    """
    Explain a deviation.

    Args:
        cube: Its leaves.
        most_conditions: Conditions of an element at most.

    Returns:
        Elements in order of what they explain; none where nothing but noise is off.
    """
    floor = 1e-3 * float(np.mean(np.maximum(cube.expected, cube.actual))) + 1e-12
    base = np.maximum(cube.expected, floor)
    excess = cube.actual - cube.expected
    weight = base ** -_noise_exponent(base, excess)
    noise = _noise(weight, excess)
    exact = _mostly_exact(cube)
    elements = _Elements(cube, most_conditions)
    signal, power = weight * base * excess, weight * base**2
    left = np.ones(len(base), dtype=np.bool_)
    whole = float((weight * excess**2).sum())
    found: list[Element] = []
    first_gain = first_factor = first_excess = 0.0
    for _ in range(_MOST_ELEMENTS):
        best = elements.best(np.where(left, signal, 0.0), np.where(left, power, 0.0), noise)
        if best is None:
            break
        inside = best.inside & left
        if exact and not found:
            # No leaf but those that are off could tell what noise is, so they must not.
            noise = min(noise, _noise(weight[left & ~inside], excess[left & ~inside]))
        if best.gain < max(_SIGNIFICANT * noise, _BESIDE_FIRST * first_gain):
            break
        held = abs(float(excess[inside].sum()))
        factor = held / max(float(base[inside].sum()), 1e-12)
        if not found:
            first_gain, first_factor, first_excess = best.gain, factor, held
        left &= ~inside
        # What a cause spoiled is no noise.
        noise = min(noise, _noise(weight[left], excess[left])) if left.any() else noise
        if factor >= _AS_FAR * first_factor and held >= _AS_MUCH * first_excess:
            found.append(_element(cube, best, inside, best.gain / max(whole, 1e-300)))
    return found


class _Elements:
    """
    All elements of a cube, and which of them each leaf belongs to, for every set of dimensions.

    The elements of several sets are numbered on, so that one sum over leaves serves all of them: a cube of a
    hundred leaves would spend its time on the calls otherwise. As many go together as stay in the cache.

    Args:
        cube: The cube.
        most: Dimensions of a set at most.
    """

    def __init__(self, cube: Cube, most: int) -> None:
        self._sets: list[tuple[int, ...]] = []
        keys: list[NDArray[np.intp]] = []
        sizes: list[int] = []
        for dims, key, size in _keys(cube, most):
            self._sets.append(dims)
            keys.append(key)
            sizes.append(size)
        together = max(_TOGETHER // max(len(cube.codes), 1), 1)
        self._blocks = [
            _Block(keys[at : at + together], sizes[at : at + together])
            for at in range(0, len(keys), together)
        ]

    def best(self, signal: Floats, power: Floats, noise: float) -> _Found | None:
        """
        The simplest of the elements that explain about the most.

        Args:
            signal: ``w·expected·d`` of each leaf, zero of those set aside.
            power: ``w·expected²``, likewise.
            noise: Weighted variance of a leaf that is as usual.
        """
        gains: list[float] = []
        for block in self._blocks:
            # The more elements there are to choose from, the larger the best is by chance.
            gains += [
                gain - 2.0 * noise * log(max(filled, 1))
                for gain, filled in block.explain(signal, power)
            ]
        most = max(gains, default=0.0)
        if most <= 0.0:
            return None
        conditions = len(self._sets[gains.index(most)])
        place = min(
            (
                place
                for place, gain in enumerate(gains)
                if gain >= (1.0 - _SIMPLER) ** max(conditions - len(self._sets[place]), 0) * most
            ),
            key=lambda place: (len(self._sets[place]), -gains[place]),
        )
        which, row = divmod(place, len(self._blocks[0]))
        return _Found(self._sets[place], self._blocks[which].leaves_of_best(row), gains[place])


class _Block:
    """
    Elements of some sets of dimensions.

    Args:
        keys: For each set, the element of each leaf.
        sizes: For each set, one more than the largest.
    """

    def __init__(self, keys: Sequence[NDArray[np.intp]], sizes: Sequence[int]) -> None:
        self._starts = np.concatenate(([0], np.cumsum(sizes[:-1]))).astype(np.intp)
        self._size = sum(sizes)
        self._keys = keys[0][None] if len(keys) == 1 else np.stack(keys) + self._starts[:, None]
        self._gains = np.zeros(self._size)

    def __len__(self) -> int:
        return len(self._keys)

    def explain(self, signal: Floats, power: Floats) -> Iterator[tuple[float, int]]:
        """For each set what its best element explains, and how many of its elements have leaves left."""
        flat = self._keys.ravel()
        up = np.bincount(flat, _repeated(signal, len(self)), self._size)
        total = np.bincount(flat, _repeated(power, len(self)), self._size)
        filled = total > 0.0
        self._gains = np.divide(up**2, total, out=np.zeros_like(up), where=filled)
        yield from zip(
            np.maximum.reduceat(self._gains, self._starts).tolist(),
            np.add.reduceat(filled.view(np.int8), self._starts, dtype=np.intp).tolist(),
            strict=True,
        )

    def leaves_of_best(self, row: int) -> NDArray[np.bool_]:
        """The leaves of the element that explained most in the set of that row."""
        start = int(self._starts[row])
        end = int(self._starts[row + 1]) if row + 1 < len(self._starts) else self._size
        best = start + int(self._gains[start:end].argmax())
        inside: NDArray[np.bool_] = self._keys[row] == best
        return inside


def _repeated(values: Floats, times: int) -> Floats:
    return values if times == 1 else np.tile(values, times)


def _keys(cube: Cube, most: int) -> Iterator[tuple[tuple[int, ...], NDArray[np.intp], int]]:
    """For every set of dimensions, which element each leaf belongs to, and how many there may be."""
    sizes = [len(values) for values in cube.values]
    columns = np.ascontiguousarray(cube.codes.T)
    known: dict[tuple[int, ...], NDArray[np.intp]] = {}
    for count in range(1, min(most, len(sizes)) + 1):
        for dims in combinations(range(len(sizes)), count):
            possible = prod(sizes[dim] for dim in dims)
            if possible > _CODES:
                continue
            key = columns[dims[0]]
            if count > 1:
                key = known[dims[:-1]] * sizes[dims[-1]] + columns[dims[-1]]
            known[dims] = key
            # Sorting costs more than places for elements without a leaf, unless those are many.
            if possible <= max(_SPARSE * len(key), _FEW_PLACES):
                yield dims, key, possible
            else:
                distinct, key = np.unique(key, return_inverse=True)
                yield dims, key.astype(np.intp, copy=False), len(distinct)


def _noise_exponent(base: Floats, excess: Floats) -> float:
    """
    How noise grows with size: 1 as counts do (variance = mean), 2 as a constant percentage does.

    From the median absolute excess of the smaller and the larger half of the leaves: medians do not
    see the few leaves that are really off.
    """
    middle = _median(base)
    small, large = base <= middle, base > middle
    if not small.any() or not large.any():
        return 1.0
    noise = [_median(np.abs(excess[half])) for half in (small, large)]
    sizes = [_median(base[half]) for half in (small, large)]
    if min(noise) <= 0.0 or sizes[1] <= sizes[0]:
        return 1.0
    slope = np.log(noise[1] / noise[0]) / np.log(sizes[1] / sizes[0])
    return float(np.clip(2.0 * slope, 1.0, 2.0))


def _noise(weight: Floats, excess: Floats) -> float:
    """Weighted variance of a leaf that is as usual."""
    squares = weight * excess**2
    robust = _median(squares) / 0.4549  # the median of chi-square with one degree
    # Where most leaves are exactly as expected (sparse counts) the trimmed mean stands in.
    kept = max(int(0.9 * len(squares)), 1)
    trimmed = float(np.partition(squares, kept - 1)[:kept].mean())
    return max(robust, trimmed, 1e-300)


def _mostly_exact(cube: Cube) -> bool:
    """Whether most leaves of which anything was measured or expected are just as expected."""
    off = cube.actual != cube.expected
    some = (cube.actual > 0.0) | (cube.expected > 0.0)
    return bool(2 * int(off.sum()) < int(some.sum()))


def _median(values: Floats) -> float:
    """Without what ``numpy.median`` spends on its call, which is more than a hundred values take."""
    half = len(values) // 2
    if len(values) % 2:
        return float(np.partition(values, half)[half])
    parted = np.partition(values, (half - 1, half))
    return float((parted[half - 1] + parted[half]) / 2.0)


def _element(cube: Cube, best: _Found, inside: NDArray[np.bool_], explained: float) -> Element:
    leaf = int(np.flatnonzero(inside)[0])
    total = float(cube.actual.sum() - cube.expected.sum())
    actual, expected = float(cube.actual[inside].sum()), float(cube.expected[inside].sum())
    return Element(
        conditions={
            cube.dimensions[dim]: cube.values[dim][cube.codes[leaf, dim]] for dim in best.dimensions
        },
        actual=actual,
        expected=expected,
        leaves=int(inside.sum()),
        explained=min(max(explained, 0.0), 1.0),
        deviation_share=(actual - expected) / total if total else 0.0,
    )
