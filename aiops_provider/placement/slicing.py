"""
How much of a pool each of several schedulers may spend, so that together they never spend more.

A scheduler that renews its lease takes what is fair out of what the others do not hold. What it holds
beyond that it gives back, but never what it uses. So no order of renewals lets the slices sum to more
than the pool, and over some rounds they move to what is fair.

Fair is max-min fairness over what each wants (Bertsekas and Gallager, Data Networks, 1992, section
6.5.2): nobody gets more than it wants while another wants more than it gets. What nobody wants is
divided by want and by head, so that whoever has much to do has more room for what comes next, and
whoever is idle can start at once. One who waits for room that is larger than its fair part comes
first until it has it, the longest waiting before others: else it would wait for ever.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Amounts(NamedTuple):
    """
    Resources of a pool, or a part of them.

    Attributes:
        cores: CPU cores.
        memory_gib: Memory.
        accelerators: Number of GPUs, whole ones.
    """

    cores: float = 0.0
    memory_gib: float = 0.0
    accelerators: float = 0.0

    def covers(self, other: Amounts) -> bool:
        """Whether it is at least as much of everything, but for what sums of floats are off."""
        return all(
            mine >= theirs * (1.0 - 1e-9) - 1e-9 for mine, theirs in zip(self, other, strict=True)
        )


NOTHING = Amounts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """
    What one scheduler holds and wants of one pool.

    Attributes:
        held: May be spent by nobody else.
        wanted: Used and waited for, together.
        asked: The task that is larger than its holder's slice and has waited longest; ``None``:
            none is.
        asked_since: Since when, in seconds since 1970; 0 without one.
    """

    held: Amounts
    wanted: Amounts = NOTHING
    asked: Amounts | None = None
    asked_since: float = 0.0


def comes_first(claims: Mapping[str, Claim]) -> str | None:
    """Who waits for more than a fair part, and has waited longest; ``None``: nobody does."""
    asking = [(claim.asked_since, who) for who, claim in claims.items() if claim.asked is not None]
    return min(asking)[1] if asking else None


def fair_slices(total: Amounts, claims: Mapping[str, Claim]) -> dict[str, Amounts]:
    """
    The parts of a pool that everybody is due.

    Args:
        total: The whole pool.
        claims: Of all schedulers, by holder.

    Returns:
        By holder; together at most the whole, accelerators whole ones.
    """
    first = comes_first(claims)
    asked = claims[first].asked if first is not None else None
    columns = []
    for number, whole in enumerate(total):
        wants = {who: claim.wanted[number] for who, claim in claims.items()}
        parts = _fair(whole, wants, first, asked[number] if asked is not None else 0.0)
        columns.append(parts)
    return {
        who: Amounts(columns[0][who], columns[1][who], math.floor(columns[2][who] + 1e-9))
        for who in claims
    }


def next_slice(total: Amounts, me: str, claims: Mapping[str, Claim], used: Amounts) -> Amounts:
    """
    What one scheduler may hold from its renewal on.

    Args:
        total: The whole pool.
        me: Who renews.
        claims: Of all schedulers, by holder, the own one among them.
        used: By what runs already; more than is free only if the lease had run out.
    """
    fair = fair_slices(total, claims)[me]
    taken = [claim.held for who, claim in claims.items() if who != me]
    parts = []
    for number, whole in enumerate(total):
        free = max(0.0, whole - math.fsum(held[number] for held in taken))
        parts.append(min(free, max(fair[number], used[number])))
    return Amounts(*parts)


def _fair(
    whole: float, wants: Mapping[str, float], first: str | None, asked: float
) -> dict[str, float]:
    kept = min(asked, whole) if first is not None else 0.0
    left = whole - kept
    open_wants = {
        who: max(0.0, want - kept) if who == first else max(0.0, want)
        for who, want in wants.items()
    }
    parts = dict.fromkeys(wants, 0.0)
    for done, (who, want) in enumerate(sorted(open_wants.items(), key=lambda each: each[1])):
        parts[who] = min(want, left / (len(wants) - done))
        left -= parts[who]
    if left > 0:
        weights = {who: want + whole / len(wants) for who, want in wants.items()}
        heavy = math.fsum(weights.values())
        for who, weight in weights.items():
            parts[who] += left * weight / heavy if heavy > 0 else 0.0
    if first is not None:
        parts[first] += kept
    return parts
