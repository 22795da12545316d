"""What it really costs to run on places that go now and then: work has to be done again."""

from __future__ import annotations

import math

# Beyond this a task practically never ends there; the factor must stay a number.
_MOST_EXPONENT = 50.0


def rework_factor(interval_s: float, mean_up_s: float, *, restart_s: float = 0.0) -> float:
    """
    Expected time for a piece of work on a place that goes now and then, as a multiple of the work.

    The piece is what lies between two checkpoints, or the whole task if it writes none: when the place
    goes, the piece starts again. With exponential spells a piece of c seconds on a place that stays m
    seconds on average, with r seconds to restart, takes (m + r) (exp(c / m) - 1) seconds (Duda 1983;
    Daly 2006, without the cost of writing the checkpoint).

    Args:
        interval_s: Length of the piece, in seconds.
        mean_up_s: Mean time until the place goes, in seconds; may be infinite.
        restart_s: Until the work goes on after a loss, in seconds.

    Returns:
        At least 1.

    >>> rework_factor(1800.0, math.inf)
    1.0
    >>> round(rework_factor(1800.0, 3600.0), 3)
    1.297
    """
    if interval_s <= 0 or not math.isfinite(mean_up_s):
        return 1.0
    piece_s = min(interval_s, _MOST_EXPONENT * mean_up_s)
    return max(1.0, (mean_up_s + restart_s) * math.expm1(piece_s / mean_up_s) / piece_s)
