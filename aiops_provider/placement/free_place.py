"""The best free place for a task, found among the first pools in the order of their prices."""

from __future__ import annotations

import math
from collections.abc import Mapping

from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.placement.allowance import Tier
from aiops_provider.placement.live_load import LiveLoad
from aiops_provider.placement.places import Obstacle
from aiops_provider.placement.pool_columns import Entry
from aiops_provider.placement.storage_prices import Stored

_FULL = int(Obstacle.FULL)


Passed = tuple[int, int, float, int]
"""
A place that would come first, had nothing stood in its way; sorts the mildest first.

What stands in its way, as the number of an Obstacle; its tier; its score in USD per hour; its row.
"""


def obstacle_at(
    entry: Entry, request: ResourceRequest, load: LiveLoad, hindered: Mapping[str, int]
) -> int:
    """What stands in the way of a pool now, as the number of an Obstacle."""
    level = entry.barrier
    if hindered:
        level = max(level, hindered.get(entry.name, 0))
    if level > _FULL:
        return level
    in_use = load.get(entry.key)
    if in_use is None or (
        in_use.cores + request.cores <= entry.most_cores
        and in_use.memory_gib + request.memory_gib <= entry.most_memory_gib
        and (
            not request.accelerators
            or in_use.accelerators + request.accelerators <= entry.most_accelerators
        )
    ):
        return level
    return _FULL


def preferred_free(
    profile: WorkloadProfile,
    tiers: tuple[Tier, ...],
    load: LiveLoad,
    hindered: Mapping[str, int],
    stored: Stored | None,
) -> tuple[int, list[Passed]] | None:
    """
    The free place that is preferred to all others.

    Args:
        profile: Of the task.
        tiers: Where it may go.
        load: What is booked now.
        hindered: What else stands in the way of clusters for this task, by name, as the number of
            an Obstacle.
        stored: What its runs store, as far as that has a price.

    Returns:
        Its row and what was passed over for it, in no order; ``None`` if no place is free.
    """
    passed: list[Passed] = []
    for tier in tiers:
        if len(tier.order):
            row, score = _cheapest_free(profile, tier, load, hindered, stored=stored, passed=passed)
            if row >= 0:
                best = (tier.number, score, row)
                return row, [each for each in passed if each[1:] < best]
    return None


def _cheapest_free(  # noqa: C901 - one loop without calls, as every place passes through it
    profile: WorkloadProfile,
    tier: Tier,
    load: LiveLoad,
    hindered: Mapping[str, int],
    *,
    stored: Stored | None,
    passed: list[Passed],
) -> tuple[int, float]:
    """Row and score, the row -1 if none is free; adds what is not free and seemed better then."""
    request, number, without = profile.request, tier.number, tier.without
    cores, memory_gib, accelerators = request.cores, request.memory_gib, request.accelerators
    ladder, unit = tier.order.ladder(profile)
    own_paces: dict[int, float] = {}
    if profile.pool_pace:
        own_paces, factor = tier.order.own_paces(profile)
        unit *= factor
    best, lowest, done = -1, math.inf, 0
    least = stored.least if stored is not None else 0.0
    while ladder.grow(done):
        steps = ladder.steps
        for bound, entry in steps[done:] if done else steps:
            if bound * unit + least > lowest:
                return best, lowest
            (
                row,
                name,
                key,
                machine_cores,
                machine_gib,
                price,
                scarcity,
                level,
                most_cores,
                most_gib,
                most_accelerators,
                offered,
                pace,
            ) = entry
            if cores > machine_cores or memory_gib > machine_gib or row in without:
                continue
            share, other = cores / machine_cores, memory_gib / machine_gib
            share = max(share, other)
            if accelerators and accelerators / offered > share:
                share = accelerators / offered
            if own_paces:
                pace = own_paces.get(row, pace)
            score = share * pace * price + scarcity * cores
            if stored is not None:
                score += stored.at(name)
            if score > lowest or (score == lowest and row > best):
                continue
            if hindered and name in hindered:
                level = max(level, hindered[name])
            if not level:
                # As obstacle_at, but without a call for each place.
                in_use = load.get(key)
                if in_use is None or (
                    in_use.cores + cores <= most_cores
                    and in_use.memory_gib + memory_gib <= most_gib
                    and (
                        not accelerators or in_use.accelerators + accelerators <= most_accelerators
                    )
                ):
                    best, lowest = row, score
                    continue
                level = _FULL
            passed.append((level, number, score, row))
        done = len(steps)
    return best, lowest
