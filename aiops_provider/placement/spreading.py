"""How much of a workload can be placed if no failure domain may hold more than its part of it."""

from __future__ import annotations

import math
from collections.abc import Sequence


def largest_spread(room: Sequence[float], parts: int, wanted: float = math.inf) -> float:
    """
    Largest total of which each domain has room for its share and none holds more than one part.

    With T as the total, each domain takes at most ``min(room, T / parts)``, and these must add up to
    T. Where the k roomiest domains are full to their part, the others can make up for the rest up
    to ``T = rest / (1 - k / parts)``; the smallest of these over k is the answer.

    Args:
        room: Of each domain, not negative.
        parts: Number of parts, at least 1.
        wanted: No more than this.

    >>> largest_spread([1.0, 1.0, 1.0], 2, 1.0), largest_spread([1.0, 0.2], 2, 1.0)
    (1.0, 0.4)
    >>> largest_spread([1.0], 2)
    0.0
    """
    ordered = sorted(room, reverse=True)
    total = wanted
    for full in range(parts):
        rest = math.fsum(ordered[full:])
        total = min(total, rest * parts / (parts - full))
    return max(0.0, total)


def spread_evenly(room: Sequence[float], parts: int, wanted: float = math.inf) -> list[float]:
    """
    What each domain takes of the largest total, the first domains filled first.

    Args:
        room: Of each domain, the preferred one first.
        parts: Number of parts.
        wanted: No more than this.

    >>> spread_evenly([1.0, 1.0, 1.0], 2, 1.0)
    [0.5, 0.5, 0.0]
    """
    total = largest_spread(room, parts, wanted)
    taken, left = [], total
    for each in room:
        share = min(each, total / parts, left)
        taken.append(share)
        left -= share
    return taken
