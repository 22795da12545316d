"""
Have the last hours of a series a shape that it has shown before?

Figures of single samples do not see that a day has its usual values in an unusual order. Whoever has the
whole series compares each stretch with all others (matrix profiles) or with the centres of their clusters.
Here the clusters are learned as the series streams by: sequential k-means (MacQueen, 1967) over windows of
hourly means. Memory and time per sample are constant, for windows and clusters alike.
"""

from __future__ import annotations

import math

import numpy as np

from aiops_provider.detection.scoring.windows import Floats

# A point of a window is the mean of an hour, or a sample where those are further apart.
_POINT_S = 3600.0
_SHAPES = 16
# A window this much further from all shapes than windows are on average is a shape of its own …
_OWN = 0.5
# … while there is room; after that it moves the nearest one, which is the mean of its last hundred.
_SHAPE_MEMORY = 100.0
# The mean distance is that of the last thousand samples, and none counts for more than three times it: a
# trouble must not become the measure of itself within hours.
_DISTANCE_MEMORY = 1_000.0
_FARTHEST = 3.0
_LEAST = 8


class WindowNovelty:
    """
    Compares the newest hours of one series with shapes that its earlier hours had.

    Shapes are learned one window late, so that no window is compared with one that shares samples with it.
    Nothing is said before two windows have passed. Some 150 bytes for each hour of the window.

    Requirements: samples in order of time.

    Args:
        hours: Length of the window, in points: hours, or samples where those are further apart.
    """

    def __init__(self, hours: int) -> None:
        self._length = hours
        self._recent = np.zeros(2 * hours)
        self._points = 0
        self._shapes = np.zeros((_SHAPES, hours))
        self._weights = np.zeros(_SHAPES)
        self._known = 0
        self._sum, self._count, self._hour = 0.0, 0, -math.inf
        self._usual, self._judged = 0.0, 0

    @property
    def nbytes(self) -> int:
        """Memory of what is remembered, bytes."""
        return self._recent.nbytes + self._shapes.nbytes + self._weights.nbytes

    def advance(self, time: float, value: float) -> float:
        """
        Judge the window that ends with a sample, then learn from what is old enough.

        Args:
            time: Of the sample, seconds since 1970.
            value: Finite.

        Returns:
            Distance to the nearest shape over the usual distance: 1 is as usual; 0 while nothing is known.
        """
        hour = math.floor(time / _POINT_S)
        if self._count and hour != self._hour:
            self._recent[:-1] = self._recent[1:]
            self._recent[-1] = self._sum / self._count
            self._points += 1
            self._sum, self._count = 0.0, 0
            if self._points >= len(self._recent):
                self._learn(self._recent[: self._length])
        self._hour = hour
        self._sum += value
        self._count += 1
        return self._judge() if self._known else 0.0

    def _judge(self) -> float:
        window = np.append(self._recent[self._length + 1 :], self._sum / self._count)
        distance = self._nearest(window)[1]
        usual = self._usual
        told = distance / usual if self._judged >= _LEAST and usual > 0.0 else 0.0
        self._judged += 1
        counted = distance if self._judged <= _LEAST + 1 else min(distance, _FARTHEST * usual)
        self._usual += (counted - usual) * max(1.0 / self._judged, 1.0 / _DISTANCE_MEMORY)
        return told

    def _learn(self, window: Floats) -> None:
        shape, distance = self._nearest(window) if self._known else (0, math.inf)
        if self._known < 2 or (self._known < _SHAPES and distance > _OWN * self._usual):
            shape = self._known
            self._known += 1
        self._weights[shape] = min(self._weights[shape] + 1.0, _SHAPE_MEMORY)
        self._shapes[shape] += (window - self._shapes[shape]) / self._weights[shape]

    def _nearest(self, window: Floats) -> tuple[int, float]:
        """Which shape, and its root mean square distance."""
        gaps = self._shapes[: self._known] - window
        squares = np.einsum("ij,ij->i", gaps, gaps)
        shape = int(squares.argmin())
        return shape, math.sqrt(squares[shape] / self._length)
