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

from collections.abc import Iterator, Mapping
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
    code: int
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
    keys = dict(_keys(cube, most_conditions))
    left = np.ones(len(base), dtype=np.bool_)
    whole = float((weight * excess**2).sum())
    found: list[Element] = []
    first_gain = first_factor = first_excess = 0.0
    for _ in range(_MOST_ELEMENTS):
        best = _best(keys, weight * base * excess, weight * base**2, left, noise)
        if best is None or best.gain < max(_SIGNIFICANT * noise, _BESIDE_FIRST * first_gain):
            break
        inside = (keys[best.dimensions] == best.code) & left
        held = abs(float(excess[inside].sum()))
        factor = held / max(float(base[inside].sum()), 1e-12)
        if not found:
            first_gain, first_factor, first_excess = best.gain, factor, held
        left &= ~inside
        if factor >= _AS_FAR * first_factor and held >= _AS_MUCH * first_excess:
            found.append(_element(cube, best, inside, best.gain / max(whole, 1e-300)))
    return found


def _keys(cube: Cube, most: int) -> Iterator[tuple[tuple[int, ...], NDArray[np.intp]]]:
    """For every set of dimensions, which element each leaf belongs to."""
    sizes = [len(values) for values in cube.values]
    for count in range(1, min(most, len(sizes)) + 1):
        for dims in combinations(range(len(sizes)), count):
            possible = prod(sizes[dim] for dim in dims)
            if possible > _CODES:
                continue
            key = np.zeros(len(cube.codes), dtype=np.intp)
            for dim in dims:
                key = key * sizes[dim] + cube.codes[:, dim]
            # Sorting costs more than places for elements without a leaf, unless those are many.
            sparse = possible > _SPARSE * len(key)
            yield dims, np.unique(key, return_inverse=True)[1] if sparse else key


def _best(
    keys: Mapping[tuple[int, ...], NDArray[np.intp]],
    signal: Floats,
    power: Floats,
    left: NDArray[np.bool_],
    noise: float,
) -> _Found | None:
    """The simplest of the elements that explain about the most."""
    found: list[_Found] = []
    signal, power = np.where(left, signal, 0.0), np.where(left, power, 0.0)
    for dims, key in keys.items():
        up = np.bincount(key, weights=signal)
        total = np.bincount(key, weights=power)
        gains = np.divide(up**2, total, out=np.zeros_like(up), where=total > 0.0)
        # The more elements there are to choose from, the larger the best is by chance.
        best = int(np.argmax(gains))
        found.append(
            _Found(
                dims,
                best,
                float(gains[best]) - 2.0 * noise * log(max(int(np.count_nonzero(total)), 1)),
            )
        )
    most = max((one.gain for one in found), default=0.0)
    if most <= 0.0:
        return None
    return min(
        (one for one in found if one.gain >= (1.0 - _SIMPLER) ** _distance(one, found) * most),
        key=lambda one: (len(one.dimensions), -one.gain),
    )


def _distance(one: _Found, found: list[_Found]) -> int:
    """How many conditions simpler it is than the element that explains most."""
    best = max(found, key=lambda other: other.gain)
    return max(len(best.dimensions) - len(one.dimensions), 0)


def _noise_exponent(base: Floats, excess: Floats) -> float:
    """
    How noise grows with size: 1 as counts do (variance = mean), 2 as a constant percentage does.

    From the median absolute excess of the smaller and the larger half of the leaves: medians do not
    see the few leaves that are really off.
    """
    middle = float(np.median(base))
    small, large = base <= middle, base > middle
    if not small.any() or not large.any():
        return 1.0
    noise = [float(np.median(np.abs(excess[half]))) for half in (small, large)]
    sizes = [float(np.median(base[half])) for half in (small, large)]
    if min(noise) <= 0.0 or sizes[1] <= sizes[0]:
        return 1.0
    slope = np.log(noise[1] / noise[0]) / np.log(sizes[1] / sizes[0])
    return float(np.clip(2.0 * slope, 1.0, 2.0))


def _noise(weight: Floats, excess: Floats) -> float:
    """Weighted variance of a leaf that is as usual."""
    squares = weight * excess**2
    robust = float(np.median(squares)) / 0.4549  # the median of chi-square with one degree
    # Where most leaves are exactly as expected (sparse counts) the trimmed mean stands in.
    ordered = np.sort(squares)
    trimmed = float(ordered[: max(int(0.9 * len(ordered)), 1)].mean())
    return max(robust, trimmed, 1e-300)


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
