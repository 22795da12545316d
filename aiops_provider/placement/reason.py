"""Why a task goes where it goes: a stable word, a sentence, and why not to the other clusters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from aiops_provider.domain.plan import RouteCode, RouteReason
from aiops_provider.placement.asked import Asked
from aiops_provider.placement.choice import Choice
from aiops_provider.placement.places import OBSTACLES, Obstacle, Place

_NAMED = 3
# Looking up a member of an enumeration takes longer than comparing with it.
_NONE, _FULL, _AVOIDED = Obstacle.NONE, Obstacle.FULL, Obstacle.AVOIDED
_UNPLANNED = "the plan does not use it"


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


def explain_choice(
    asked: Asked,
    choice: Choice,
    *,
    hours: float,
    plan_version: int | None,
    scarce: bool,
    fill: float,
    wait_s: float,
) -> RouteReason:
    """
    Put a choice into words.

    Args:
        asked: The question; its load must not change any more.
        choice: As made.
        hours: Expected duration of the run.
        plan_version: Of the plan in force, or ``None``.
        scarce: Whether the plan has a scarcity price for any cluster.
        fill: Share of the place that is booked with this task.
        wait_s: Predicted seconds until it starts there; 0 where there is room.
    """
    best = choice.place
    spite = ""
    if choice.level is not _NONE:
        spite = f" although {_blocked(asked, best, choice.level)}"
    code, sentence = _why(asked, choice, spite) or _by_preference(
        asked, choice, spite, plan_version=plan_version, scarce=scarce, wait_s=wait_s
    )
    cost_usd = best.cost_usd(hours)
    price = "its price is unknown" if cost_usd is None else f"{cost_usd:.3g} USD expected"
    return RouteReason(
        code=code,
        sentence=f"{sentence}; {price}",
        rejected=Rejections(lambda: _rejected(asked, best)),
        figures={
            "score_usd": best.score_usd_per_hour * hours,
            "plan_share": asked.shares.get(best.key, 0.0),
            "occupancy": fill,
            "expected_wait_s": wait_s,
            "expected_duration_s": hours * 3600.0,
        },
    )


def _why(asked: Asked, choice: Choice, spite: str) -> tuple[RouteCode, str] | None:
    """Where something stronger than preference decided, that."""
    name = choice.place.name
    if asked.profile.pinned_cluster == name:
        return RouteCode.PINNED, f"the task is pinned to {name}{spite}"
    if choice.level >= _AVOIDED:
        return RouteCode.FALLBACK, f"no better place is left than {name}{spite}"
    if asked.candidates.on_one_cluster():
        only = f"{name} is the only cluster that may and can hold it"
        return RouteCode.ONLY_CHOICE, f"{only}{spite}"
    passed = _stood_in_for(asked, choice)
    if passed:
        reasons = ", ".join(f"{other} ({why})" for other, why in passed[:_NAMED])
        return RouteCode.FAIL_OVER, f"{name} stands in for {reasons}{spite}"
    return None


def _by_preference(
    asked: Asked,
    choice: Choice,
    spite: str,
    *,
    plan_version: int | None,
    scarce: bool,
    wait_s: float,
) -> tuple[RouteCode, str]:
    name = choice.place.name
    share = asked.shares.get(choice.place.key, 0.0)
    if share > 0:
        return RouteCode.PLAN, f"plan {plan_version} gives {name} {share:.0%} of it{spite}"
    if choice.level is _FULL and wait_s:
        queue = f"the shortest queue of all, about {wait_s:.0f} s"
        return RouteCode.CHEAPEST, f"{name} has {queue}{spite}"
    if choice.level is _FULL:
        return RouteCode.CHEAPEST, f"{name} is the least overbooked of all{spite}"
    full = any(each[0] == _FULL for each in choice.passed)
    room = " with room" if full else ""
    count = asked.candidates.count
    if plan_version is not None and scarce:
        sentence = f"{name} is the cheapest of {count}{room} at what the plan's capacity is worth"
        return RouteCode.SHADOW_PRICE, f"{sentence}{spite}"
    best = f"{name} is the best of {count} places{room} by price and distance"
    return RouteCode.CHEAPEST, f"{best}{spite}"


def _stood_in_for(asked: Asked, choice: Choice) -> list[tuple[str, str]]:
    """Clusters that would have come before the chosen one, had nothing worse than load stopped them."""
    worse = [each for each in choice.passed if each[0] != _FULL]
    if not worse:
        return []
    found: dict[str, str] = {}
    for level, _, _, row in sorted(worse):
        name, barrier = asked.candidates.barrier(row)
        if name != choice.place.name and name not in found:
            found[name] = asked.why(level, name, barrier)
    return list(found.items())


def _blocked(asked: Asked, place: Place, level: Obstacle) -> str:
    return "full" if level is Obstacle.FULL else asked.why(level, place.name, place.why)


def _rejected(asked: Asked, best: Place) -> dict[str, str]:
    reasons = asked.candidates.refused()
    ranks = asked.by_obstacle()
    for place in ranks[Obstacle.NONE]:
        if place.name not in reasons:
            reasons[place.name] = place.passed_over
    if best.key in asked.shares:
        planned: dict[str, float] = {}
        for place in ranks[Obstacle.NONE]:
            share = asked.shares.get(place.key, 0.0)
            planned[place.name] = planned.get(place.name, 0.0) + share
        for name, share in planned.items():
            reasons[name] = f"the plan gives it {share:.0%}" if share else _UNPLANNED
    for level in OBSTACLES:
        if level is not Obstacle.NONE:
            for place in ranks[level]:
                reasons.setdefault(place.name, _blocked(asked, place, level))
    reasons.pop(best.name, None)
    return reasons
