"""Whatever several schedulers want, together they never spend more than a pool has."""

from __future__ import annotations

import math
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from aiops_provider.placement.slicing import NOTHING, Amounts, Claim, fair_slices, next_slice

TOTAL = Amounts(32.0, 128.0, 3.0)
HOLDERS = ("a", "b", "c")
DUST = 1e-9

amounts = st.builds(
    Amounts,
    st.floats(0.0, 2.0).map(lambda part: part * TOTAL.cores),
    st.floats(0.0, 2.0).map(lambda part: part * TOTAL.memory_gib),
    st.integers(0, 6).map(float),
)
asked = st.builds(
    Amounts,
    st.floats(0.0, TOTAL.cores),
    st.floats(0.0, TOTAL.memory_gib),
    st.integers(0, int(TOTAL.accelerators)).map(float),
)


class Step(NamedTuple):
    """One holder wants something else, starts and ends work, renews, or dies."""

    who: str
    wanted: Amounts
    busy: float
    asked: Amounts | None
    since: float
    dies: bool


steps = st.builds(
    Step,
    st.sampled_from(HOLDERS),
    amounts,
    st.floats(0.0, 1.0),
    st.none() | asked,
    st.floats(0.0, 9.0),
    st.sampled_from([False] * 9 + [True]),
)


def scaled(given: Amounts, share: float) -> Amounts:
    return Amounts(given.cores * share, given.memory_gib * share, math.floor(given[2] * share))


@settings(max_examples=400, deadline=None)
@given(st.lists(steps, min_size=1, max_size=60))
def test_slices_never_sum_to_more_than_the_pool(sequence):
    """In whatever order they renew, want, spend and die; nobody loses what it uses."""
    claims: dict[str, Claim] = {}
    used: dict[str, Amounts] = {}
    for step in sequence:
        if step.dies:
            claims.pop(step.who, None)
            continue
        held = claims[step.who].held if step.who in claims else NOTHING
        # Whatever ran or ends meanwhile, it is within the slice.
        used[step.who] = scaled(held, step.busy)
        mine = Claim(held=held, wanted=step.wanted, asked=step.asked, asked_since=step.since)
        given_now = next_slice(TOTAL, step.who, {**claims, step.who: mine}, used[step.who])
        assert given_now.covers(used[step.who])
        claims[step.who] = Claim(
            held=given_now, wanted=mine.wanted, asked=mine.asked, asked_since=mine.asked_since
        )
        for number, whole in enumerate(TOTAL):
            assert math.fsum(claim.held[number] for claim in claims.values()) <= whole + DUST
            assert all(claim.held[number] >= 0 for claim in claims.values())


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(HOLDERS), st.tuples(amounts, st.none() | asked), min_size=1))
def test_what_is_fair(given_to):
    """All of it is given; a want within an equal part is met; nobody is short beside one with more."""
    claims = {
        who: Claim(held=NOTHING, wanted=wanted, asked=asked)
        for who, (wanted, asked) in given_to.items()
    }
    fair = fair_slices(TOTAL, claims)
    favoured = [who for who, claim in claims.items() if claim.asked is not None]
    for number, whole in enumerate(TOTAL):
        parts = {who: fair[who][number] for who in claims}
        lost = len(claims) if number == 2 else 0  # fractions of accelerators are nobody's
        assert whole - lost - DUST <= math.fsum(parts.values()) <= whole + DUST
        if not favoured and number < 2:
            for who, claim in claims.items():
                if claim.wanted[number] <= whole / len(claims):
                    assert parts[who] >= claim.wanted[number] - DUST
                elif parts[who] < claim.wanted[number] - DUST:
                    most = max(parts.values())
                    assert parts[who] >= most - DUST
    if favoured:
        first = min(favoured)
        assert fair[first].covers(claims[first].asked)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from(HOLDERS), amounts, min_size=2),
    st.lists(st.floats(0.5, 1.0), min_size=12, max_size=12),
)
def test_whoever_asks_for_the_whole_pool_gets_it(wants, leaving):
    """However greedy the others are, once what they run has ended; then all goes back to what is fair."""
    claims = {who: Claim(held=NOTHING, wanted=wanted) for who, wanted in wants.items()}
    big = min(wants)

    def renew(who: str, used: Amounts, wish: Amounts | None) -> None:
        mine = Claim(held=claims[who].held, wanted=wants[who], asked=wish if who == big else None)
        held = next_slice(TOTAL, who, {**claims, who: mine}, used)
        claims[who] = Claim(held=held, wanted=mine.wanted, asked=mine.asked)

    for who in claims:
        renew(who, NOTHING, None)
    running = {who: claims[who].held for who in claims}
    for _ in range(2):
        for who in claims:
            renew(who, running[who], TOTAL)
    for share in leaving:
        running = {who: scaled(held, 1.0 - share) for who, held in running.items()}
        for who in claims:
            renew(who, running[who], TOTAL)
    for who in [*claims, big]:
        renew(who, NOTHING, TOTAL)
    assert claims[big].held.covers(TOTAL)
    for _ in range(2):
        for who in claims:
            renew(who, NOTHING, None)
    fair = fair_slices(TOTAL, claims)
    assert all(claims[who].held.covers(fair[who]) for who in claims)
