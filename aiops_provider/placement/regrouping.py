"""Moves workloads between groups until no single move or exchange lowers the sum of their peaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from aiops_provider.placement.demand import Series
from aiops_provider.placement.fleet import Floats, Integers

# What a change must save to be made, as a share of the sum of peaks: less is noise of rounding.
_LEAST_SAVING = 1e-9

# A peak alone is blind to the slots just below it, where a descent on peaks gets stuck: it starts
# from smoother norms of the groups' series, which tend to the peak.
_NORMS = (8.0, 24.0, 72.0, np.inf)


def regroup(loads: Sequence[Series], groups: Sequence[int], limits: Sequence[float]) -> list[int]:
    """
    Lower the sum over groups of the peak of their sum.

    Every workload in turn makes the move to another group, or the exchange with a workload there,
    that saves most; until none saves anything, first by smooth norms of the groups' series, then by
    their peaks.

    Args:
        loads: Per workload, all of the same length.
        groups: Group of each workload, 0 to n - 1.
        limits: Peak that a group may reach, per group; one that is above it may only shrink.

    Returns:
        Group of each workload; the sum of peaks is not higher than before.
    """
    load, start = np.array(loads), np.array(groups)
    sums = _sums(load, start, len(limits))
    bounds = np.maximum(np.array(limits), sums.max(axis=1))
    smooth, direct = start.copy(), start.copy()
    for norm in _NORMS:
        _descend(load, smooth, bounds, norm)
    _descend(load, direct, bounds, np.inf)
    # The smooth way may end above where it began.
    best = min(
        (smooth, direct), key=lambda group: float(_sums(load, group, len(limits)).max(axis=1).sum())
    )
    return [int(number) for number in best]


def _sums(load: Floats, group: Integers, count: int) -> Floats:
    return np.array([load[group == number].sum(axis=0) for number in range(count)])


def _descend(load: Floats, group: Integers, bounds: Floats, norm: float) -> None:
    sums = _sums(load, group, len(bounds))
    least = _LEAST_SAVING * float(sums.max(axis=1).sum())
    changed = True
    while changed:
        changed = False
        for workload in range(len(load)):
            saving, target, partner = max(_changes(load, group, (sums, bounds), workload, norm))
            if saving > least:
                changed = True
                _move(load, group, sums, (workload, target, partner))


def _size(series: Floats, norm: float) -> Floats:
    """The norm over slots, scaled by the peak so that high powers stay finite."""
    peak: Floats = series.max(axis=-1)
    if norm == np.inf:
        return peak
    scale = np.where(peak > 0, peak, 1.0)
    # What is left of a group without members may be a rounding below zero.
    parts = np.maximum(series / scale[..., None], 0.0)
    sizes: Floats = scale * np.mean(parts**norm, axis=-1) ** (1.0 / norm)
    return sizes


def _changes(
    load: Floats, group: Integers, state: tuple[Floats, Floats], workload: int, norm: float
) -> Iterator[tuple[float, int, int]]:
    """Saving, target group and workload that comes back (-1 for none) of every change allowed."""
    sums, bounds = state
    home = int(group[workload])
    yield (0.0, home, -1)
    sizes = _size(sums, norm)
    without = sums[home] - load[workload]
    for target in range(len(sums)):
        if target == home:
            continue
        partners = np.flatnonzero(group == target)
        returned = np.vstack([np.zeros_like(without), load[partners]])
        here = without + returned
        there = sums[target] + load[workload] - returned
        saving = sizes[home] + sizes[target] - _size(here, norm) - _size(there, norm)
        beyond = (here.max(axis=1) > bounds[home]) | (there.max(axis=1) > bounds[target])
        saving[beyond] = -np.inf
        best = int(saving.argmax())
        yield (float(saving[best]), target, int(partners[best - 1]) if best else -1)


def _move(load: Floats, group: Integers, sums: Floats, change: tuple[int, int, int]) -> None:
    workload, target, partner = change
    home = int(group[workload])
    moved = load[workload] - (load[partner] if partner >= 0 else 0.0)
    sums[home] -= moved
    sums[target] += moved
    group[workload] = target
    if partner >= 0:
        group[partner] = home
