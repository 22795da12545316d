"""Groups that lose SLA wherever they run, and how few of them keep a plan from its level."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from aiops_provider.placement.problem import PlacementProblem

_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """
    What a group loses even where it keeps most.

    Attributes:
        name: Of the group.
        lost: SLA weight.
        best: Share of its promises that it keeps at best; 0 if no machine may and can hold it.
        homeless: Whether no machine may and can hold it.
    """

    name: str
    lost: float
    best: float
    homeless: bool


def shortfalls(problem: PlacementProblem) -> list[Shortfall]:
    """All groups that lose something whatever is done, the heaviest loss first."""
    found = []
    for number, (group, own) in enumerate(zip(problem.groups, problem.options_of, strict=True)):
        best = problem.most_kept(number) if own else 0.0
        if best < 1.0:
            found.append(
                Shortfall(
                    name=group.name,
                    lost=group.sla_weight * (1.0 - best),
                    best=best,
                    homeless=not own,
                )
            )
    return sorted(found, key=lambda each: (-each.lost, each.name))


def fewest_in_conflict(
    problem: PlacementProblem, sla: float, named: Iterable[str]
) -> tuple[Shortfall, ...]:
    """
    Groups that together lose more than the level allows: irreducible, as the heaviest come first.

    Args:
        problem: In which the level is out of reach, or the result is empty.
        sla: The level, in (0, 1].
        named: Groups that are part of the conflict in any case; they are not among the result.
    """
    already = set(named)
    losses = shortfalls(problem)
    lost = sum(each.lost for each in losses if each.name in already)
    others = [each for each in losses if each.name not in already]
    if lost + sum(each.lost for each in others) <= _allowed(problem, sla):
        return ()
    return tuple(heaviest(others, lost, _allowed(problem, sla)))


def fewest_to_mend(problem: PlacementProblem, sla: float) -> tuple[Shortfall, ...]:
    """Groups after whose mending the others lose no more than the level allows, heaviest first."""
    losses = shortfalls(problem)
    excess = sum(each.lost for each in losses) - _allowed(problem, sla)
    mended = []
    for each in losses:
        if excess <= 0:
            break
        mended.append(each)
        excess -= each.lost
    return tuple(mended)


def _allowed(problem: PlacementProblem, sla: float) -> float:
    return (1.0 - sla + _TOLERANCE) * problem.weight


def heaviest(losses: Sequence[Shortfall], lost: float, allowed: float) -> Iterator[Shortfall]:
    """The first ones, until more is lost than is allowed."""
    for each in losses:
        if lost > allowed:
            return
        lost += each.lost
        yield each
