"""
Sixteen figures of a sample, each of which is steady while its series is as usual.

All are exponentially weighted, so a series is remembered by a few numbers and a profile of its day.
Spans are counted in samples: a span of 96 weighs the newest sample by 2/97, as a moving mean of 96.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aiops_provider.detection.scoring.windows import Floats

Rows = NDArray[np.intp]

DAY_S = 86_400.0

# Levels of doubling memory; a difference of two, sixteen times apart, is a change at that scale.
_LEVEL_SPANS = np.array([3, 6, 12, 24, 48, 96, 192, 384, 768, 1536])
_CHANGE_REACH = 4
_CHANGES = len(_LEVEL_SPANS) - _CHANGE_REACH
_SHOWN_LEVELS = (1, 3, 5)  # spans 6, 24 and 96
_PLAIN_LEVEL = 5  # stands in for the daily profile before there is one
_STEP_SPANS = np.array([4, 16, 100, 500])
_RESIDUAL_SPANS = np.array([6, 24])
# Half hours of a day, each the mean of its last forty samples at most.
_PROFILE = 48
_PROFILE_MEMORY = 40.0

FEATURES = (
    "value",
    *(f"level over {_LEVEL_SPANS[place]}" for place in _SHOWN_LEVELS),
    *(
        f"change of level, {_LEVEL_SPANS[i]} against {_LEVEL_SPANS[i + _CHANGE_REACH]}"
        for i in range(_CHANGES)
    ),
    "step",
    "restlessness, 4 against 100",
    "restlessness, 16 against 500",
    "against the time of day",
    "against the time of day, over 6",
    "against the time of day, over 24",
)


class FeatureState:
    """
    What the features of many series remember.

    Args:
        series: How many.
    """

    def __init__(self, series: int) -> None:
        self.count = np.zeros(series, dtype=np.int64)
        self.previous = np.zeros(series)
        self.levels = np.zeros((series, len(_LEVEL_SPANS)))
        self.steps = np.zeros((series, len(_STEP_SPANS)))
        self.residuals = np.zeros((series, len(_RESIDUAL_SPANS)))
        self.profile = np.zeros((series, _PROFILE))
        self.profile_count = np.zeros((series, _PROFILE), dtype=np.uint8)

    def advance(self, rows: Rows, times: Floats, values: Floats) -> Floats:
        """
        Take in one sample of each of these series.

        Args:
            rows: Which series, none twice.
            times: Moment of each sample, seconds since 1970.
            values: The samples.

        Returns:
            Shape (rows, features), in the order of :data:`FEATURES`.
        """
        count = self.count[rows]
        before = self.levels[rows]
        previous = np.where(count == 0, values, self.previous[rows])
        levels = _blend(before, values, _LEVEL_SPANS, count)
        steps = _blend(self.steps[rows], np.abs(values - previous), _STEP_SPANS, count)
        residual = self._against_day(rows, times, values, before[:, _PLAIN_LEVEL])
        smooth = self.residuals[rows]
        smooth += 2.0 / (_RESIDUAL_SPANS + 1.0) * (residual[:, None] - smooth)
        # Without a floor, rounding of a series at rest would look like restlessness.
        floor = 1e-3 * np.abs(levels[:, -1]) + 1e-9 + 0.02 * steps[:, -1]
        restless = np.log(steps + floor[:, None])
        self.levels[rows], self.steps[rows], self.residuals[rows] = levels, steps, smooth
        self.previous[rows] = values
        self.count[rows] = count + 1
        return np.column_stack(
            (
                values,
                levels[:, _SHOWN_LEVELS],
                levels[:, :_CHANGES] - levels[:, _CHANGE_REACH:],
                values - previous,
                restless[:, 0] - restless[:, 2],
                restless[:, 1] - restless[:, 3],
                residual,
                smooth,
            )
        )

    def _against_day(self, rows: Rows, times: Floats, values: Floats, level: Floats) -> Floats:
        """Distance from the usual value of this half hour of the day, which then learns."""
        half_hour = (times % DAY_S / DAY_S * _PROFILE).astype(np.intp)
        usual = self.profile[rows, half_hour]
        seen = self.profile_count[rows, half_hour].astype(np.float64)
        self.profile[rows, half_hour] = usual + (values - usual) / np.minimum(
            seen + 1.0, _PROFILE_MEMORY
        )
        self.profile_count[rows, half_hour] = np.minimum(seen + 1.0, _PROFILE_MEMORY)
        return np.where(seen > 0, values - usual, values - level)


def _blend(old: Floats, new: Floats, spans: np.ndarray, count: np.ndarray) -> Floats:
    """Exponentially weighted means; plain means until there are as many samples as the span."""
    weight = np.maximum(2.0 / (spans + 1.0), 1.0 / (count[:, None] + 1.0))
    blended: Floats = old + weight * (new[:, None] - old)
    return blended
