"""
How far runs of earlier code still tell what the code of today needs.

A new version of a task's code, or another image, may need anything; most often it needs the same. Runs
of an earlier version are therefore no own history at first but those of a task that is very much alike:
together they count as many runs as the odds are that nothing changed. The odds are a Bayes factor, which
may be looked at after each run (Kass and Raftery, "Bayes Factors", 1995): the new runs either come from
the level of the earlier ones, or from one that is shifted by a factor unknown beforehand. Where they
agree, a few of them give the earlier runs their weight back; where they do not, the earlier runs are
forgotten. Asking for less asks for more proof than asking for more: too much memory costs its price, too
little costs the run, and the runs that end first are the short ones, which need least. A version that comes
back, such as after a roll-back, finds its own runs again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.profiling.quantiles import DEFAULT_LOG_SCALE, Observation, effective_count

# Standard deviation of ln(factor) by which a change of code shifts a figure, if it shifts it: a factor
# of two is ordinary, and what is less than twice the spread of the runs hardly matters beside it.
_SHIFT, _SHIFT_BY_SPREAD = math.log(2), 2.0
# From these odds on nothing is taken to have changed: where "substantial" evidence begins (Jeffreys). From
# their reciprocal on the need is taken to have fallen.
_BELIEVED = math.sqrt(10)
# One run may agree by luck.
_FEWEST_TO_AGREE = 2
# A single wild run is no proof of a change: so often one lies anywhere.
_WILD = 0.05
# Mean absolute deviation of a normal distribution, and the variance of a median, against its deviation.
_OF_ABSOLUTE, _OF_MEDIAN = math.sqrt(math.pi / 2), math.pi / 2
# A version that none of so many starts had is gone.
_NEWEST_STARTS = 4
# What was assumed about the spread before any was seen is worth so many runs, as for quantiles.
_DEFAULT_WEIGHT = 2.0

# Hash of the code, and image.
CodeVersion = tuple[str | None, str | None]


def code_versions(records: Sequence[ExecutionRecord]) -> tuple[CodeVersion | None, ...]:
    """
    The version of each run, ``None`` where it is that of today.

    Today's is the hash (and the image) that was met last for the first time, among those of the newest
    starts: runs that began before a change may end, or be tried again, after the first of the new code,
    while a version that is rolled back is not met any more. What a record does not say is taken to be as
    today: neither older records nor a killed worker can tell.

    Args:
        records: Oldest first.
    """
    code = _of_today(records, lambda r: r.code_hash)
    image = _of_today(records, lambda r: r.image)
    return tuple(
        (r.code_hash, r.image)
        if r.code_hash not in (None, code) or r.image not in (None, image)
        else None
        for r in records
    )


def _of_today(
    records: Sequence[ExecutionRecord], told: Callable[[ExecutionRecord], str | None]
) -> str | None:
    first: dict[str, int] = {}
    starts = sorted((r.started_at, version) for r in records if (version := told(r)) is not None)
    for place, (_, version) in enumerate(starts):
        first.setdefault(version, place)
    return max(
        (version for _, version in starts[-_NEWEST_STARTS:]), key=first.__getitem__, default=None
    )


def change_in_words(records: Sequence[ExecutionRecord]) -> str:
    """What changed with the newest runs: ``code``, ``image`` or both; for runs of several versions."""
    codes = {r.code_hash for r in records if r.code_hash is not None}
    images = {r.image for r in records if r.image is not None}
    return "code and image" if min(len(codes), len(images)) > 1 else (
        "code" if len(codes) > 1 else "image"
    )  # fmt: skip


def odds_of_no_change(earlier: Sequence[float], later: Sequence[float]) -> float:
    """
    Odds that later runs are from the level of earlier ones, after even odds before the first.

    The medians of the logarithms are compared, given the spread of the earlier runs, so that a few wild
    runs on either side do not decide. A change of the spread alone is not looked for: the quantiles see
    it in the later runs themselves.

    Args:
        earlier: Runs of one version, > 0, at least one.
        later: Runs of the version of today, > 0; without any the odds are even.

    >>> round(odds_of_no_change([1.0, 1.1, 0.9] * 5, [1.05]), 1)
    5.7
    >>> odds_of_no_change([1.0, 1.1, 0.9] * 5, [2.0, 2.1]) < 0.1
    True
    """
    if not later:
        return 1.0
    before = [math.log(value) for value in earlier]
    after = [math.log(value) for value in later]
    centre = median(before)
    distance = median(after) - centre
    n = len(before)
    seen = math.fsum(abs(value - centre) for value in before) / n
    absolute = (_DEFAULT_WEIGHT * DEFAULT_LOG_SCALE + n * seen) / (_DEFAULT_WEIGHT + n - 1)
    deviation = absolute * _OF_ABSOLUTE
    same = deviation * math.sqrt(_variance(n) + _variance(len(after)))
    shifted = math.hypot(same, max(_SHIFT, _SHIFT_BY_SPREAD * deviation))
    elsewhere = _density(distance, shifted)
    if not elsewhere:
        return _WILD
    return (1 - _WILD) * _density(distance, same) / elsewhere + _WILD


def _levels(observations: Sequence[Observation]) -> list[float]:
    exact = [o.value for o in observations if not o.censored]
    return exact or [o.beyond for o in observations]


def _variance(count: int) -> float:
    """Variance of the median of so many draws from a normal distribution of variance 1, nearly."""
    return (1.0 if count < 3 else _OF_MEDIAN) / count


def _density(distance: float, deviation: float) -> float:
    return math.exp(-0.5 * (distance / deviation) ** 2) / deviation


@dataclass(frozen=True, slots=True)
class CodeChange:
    """
    What a change of code does to the weights of runs.

    Attributes:
        weights: As given, less for runs of versions that may need something else.
        runs: How many runs all of them are worth together.
        newest: Number of runs of today's version.
        earlier: Number of runs of other versions.
        worth: How many runs the latter are worth.
        doubted: Versions that may need something else, each with the factor between its level and today's.
        risen: Whether today's version needs more than one of those.
        unproven: Whether it seems to need less than another one, without enough proof to doubt that one.
    """

    weights: tuple[float, ...]
    runs: float
    newest: int
    earlier: int
    worth: float
    doubted: Mapping[CodeVersion | None, float]
    risen: bool
    unproven: bool


def code_change(
    observations: Sequence[Observation], versions: Sequence[CodeVersion | None]
) -> CodeChange | None:
    """
    Weigh runs of several versions of the code; ``None`` if all are of today's.

    Lower bounds tell of no level where exact figures are known: a run that was killed for memory is
    followed by one that says what it needed.

    Args:
        observations: The figure of each run at the size of the input to come, weighted by age, oldest
            first.
        versions: From :func:`code_versions`.
    """
    weights = [o.weight for o in observations]
    groups: dict[CodeVersion, list[int]] = {}
    newest: list[int] = []
    for place, version in enumerate(versions):
        (newest if version is None else groups.setdefault(version, [])).append(place)
    if not groups:
        return None
    scaled = list(weights)
    later = _levels([observations[p] for p in newest])
    doubted: dict[CodeVersion | None, float] = {}
    worth, unproven = 0.0, False
    for version, places in groups.items():
        earlier = _levels([observations[p] for p in places])
        odds = odds_of_no_change(earlier, later)
        full = effective_count([weights[p] for p in places])
        factor = median(later) / median(earlier) if later else 1.0
        agrees = odds >= _BELIEVED and len(later) >= _FEWEST_TO_AGREE
        if agrees or (factor < 1 and odds > 1 / _BELIEVED):
            worth += full
            unproven = unproven or not agrees
            continue
        worth += min(full, odds)
        doubted[version] = factor
        share = min(1.0, odds / math.fsum(weights[p] for p in places))
        for place in places:
            scaled[place] *= share
    own = effective_count([weights[p] for p in newest]) if newest else 0.0
    return CodeChange(
        weights=tuple(scaled),
        runs=own + worth if doubted else effective_count(weights),
        newest=len(newest),
        earlier=len(observations) - len(newest),
        worth=worth,
        doubted=doubted,
        # Before a run of today's code has told anything it may need more.
        risen=any(factor > 1.0 for factor in doubted.values()) or bool(doubted and not later),
        unproven=unproven,
    )
