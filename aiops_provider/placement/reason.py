"""Why a task goes where it goes: a stable word, a sentence, and why not to the other clusters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aiops_provider.domain.plan import RouteCode, RouteReason
from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.placement.place_table import Candidates
from aiops_provider.placement.places import OBSTACLES, Obstacle, Place

_NAMED = 3
_UNPLANNED = "the plan does not use it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """
    What the router chose, from what.

    Attributes:
        profile: Of the task.
        best: The chosen place.
        level: What stands in its way.
        passed: What would have come before the chosen place, had nothing stood in its way, from
            the mildest obstacle; of those that are full, at least one if there is any.
        ranked: Makes the list of all places by what stands in their way.
        candidates: All places in order of preference, and what can never hold the task.
        avoid: Clusters that failed or refused it, with why.
        shares: The plan's shares by place; empty if the plan does not know the task.
        plan_version: Of the plan in force, or ``None``.
        scarce: Whether the plan has a scarcity price for any cluster.
        fill: Share of the place that is booked with this task.
        wait_s: Predicted seconds until it starts there; 0 where there is room.
    """

    profile: WorkloadProfile
    best: Place
    level: Obstacle
    passed: Sequence[tuple[Obstacle, Place]]
    ranked: Callable[[], Sequence[Sequence[Place]]]
    candidates: Candidates
    avoid: Mapping[str, str]
    shares: Mapping[tuple[str, str], float]
    plan_version: int | None
    scarce: bool
    fill: float
    wait_s: float


class Rejections(Mapping[str, str]):
    """
    Why each other cluster was passed over, put into words when somebody asks.

    Args:
        explain: Makes the words; called at most once unless threads meet.
    """

    __slots__ = ("_explain", "_words")

    def __init__(self, explain: Callable[[], dict[str, str]]) -> None:
        self._explain: Callable[[], dict[str, str]] | None = explain
        self._words: dict[str, str] = {}

    def __getitem__(self, cluster: str) -> str:
        return self._all()[cluster]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return repr(self._all())

    def __reduce__(self) -> tuple[type[dict[str, str]], tuple[dict[str, str]]]:
        return (dict, (self._all(),))

    def _all(self) -> dict[str, str]:
        explain = self._explain
        if explain is not None:
            self._words = explain()
            # The words stay, what they were made of can go.
            self._explain = None
        return self._words


def explain_choice(choice: Choice, *, hours: float) -> RouteReason:
    """
    Put a choice into words.

    Args:
        choice: As made.
        hours: Expected duration of the run.
    """
    code, sentence = _why(choice)
    best = choice.best
    if best.cost_usd_per_hour is None:
        price = "its price is unknown"
    else:
        price = f"{best.cost_usd_per_hour * hours:.3g} USD expected"
    return RouteReason(
        code=code,
        sentence=f"{sentence}; {price}",
        rejected=Rejections(lambda: _rejected(choice)),
        figures={
            "score_usd": best.score_usd_per_hour * hours,
            "plan_share": choice.shares.get(best.key, 0.0),
            "occupancy": choice.fill,
            "expected_wait_s": choice.wait_s,
            "expected_duration_s": hours * 3600.0,
        },
    )


def _why(choice: Choice) -> tuple[RouteCode, str]:
    name = choice.best.name
    if choice.profile.pinned_cluster == name:
        return RouteCode.PINNED, f"the task is pinned to {name}{_in_spite_of(choice)}"
    if choice.level >= Obstacle.AVOIDED:
        return RouteCode.FALLBACK, f"no better place is left than {name}{_in_spite_of(choice)}"
    if choice.candidates.on_one_cluster():
        only = f"{name} is the only cluster that may and can hold it"
        return RouteCode.ONLY_CHOICE, f"{only}{_in_spite_of(choice)}"
    passed = _stood_in_for(choice)
    if passed:
        reasons = ", ".join(f"{other} ({why})" for other, why in passed[:_NAMED])
        return RouteCode.FAIL_OVER, f"{name} stands in for {reasons}{_in_spite_of(choice)}"
    return _by_preference(choice)


def _by_preference(choice: Choice) -> tuple[RouteCode, str]:
    name, spite = choice.best.name, _in_spite_of(choice)
    share = choice.shares.get(choice.best.key, 0.0)
    if share > 0:
        return RouteCode.PLAN, f"plan {choice.plan_version} gives {name} {share:.0%} of it{spite}"
    if choice.level is Obstacle.FULL and choice.wait_s:
        queue = f"the shortest queue of all, about {choice.wait_s:.0f} s"
        return RouteCode.CHEAPEST, f"{name} has {queue}{spite}"
    if choice.level is Obstacle.FULL:
        return RouteCode.CHEAPEST, f"{name} is the least overbooked of all{spite}"
    room = " with room" if any(level is Obstacle.FULL for level, _ in choice.passed) else ""
    count = choice.candidates.count
    if choice.plan_version is not None and choice.scarce:
        sentence = f"{name} is the cheapest of {count}{room} at what the plan's capacity is worth"
        return RouteCode.SHADOW_PRICE, sentence
    return RouteCode.CHEAPEST, f"{name} is the best of {count} places{room} by price and distance"


def _in_spite_of(choice: Choice) -> str:
    if choice.level is Obstacle.NONE:
        return ""
    return f" although {_blocked(choice.best, choice.level, choice.avoid)}"


def _stood_in_for(choice: Choice) -> list[tuple[str, str]]:
    """Clusters that would have come before the chosen one, had nothing worse than load stopped them."""
    found: dict[str, str] = {}
    for level, place in choice.passed:
        if level is not Obstacle.FULL and place.name != choice.best.name:
            found.setdefault(place.name, _blocked(place, level, choice.avoid))
    return list(found.items())


def _blocked(place: Place, level: Obstacle, avoid: Mapping[str, str]) -> str:
    if level is Obstacle.FULL:
        return "full"
    if level is Obstacle.AVOIDED:
        return avoid[place.name]
    return place.why


def _rejected(choice: Choice) -> dict[str, str]:
    reasons = choice.candidates.refused()
    ranks = choice.ranked()
    for place in ranks[Obstacle.NONE]:
        if place.name not in reasons:
            reasons[place.name] = place.passed_over
    if choice.best.key in choice.shares:
        planned: dict[str, float] = {}
        for place in ranks[Obstacle.NONE]:
            share = choice.shares.get(place.key, 0.0)
            planned[place.name] = planned.get(place.name, 0.0) + share
        for name, share in planned.items():
            reasons[name] = f"the plan gives it {share:.0%}" if share else _UNPLANNED
    for level in OBSTACLES:
        if level is not Obstacle.NONE:
            for place in ranks[level]:
                reasons.setdefault(place.name, _blocked(place, level, choice.avoid))
    reasons.pop(choice.best.name, None)
    return reasons
