"""
Whether a task waits for a cheaper place although a dearer one has room.

A task with a deadline may stand idle as long as it can still end in time on a place that is there for
certain: the safety net of *Can't Be Late: Optimizing Spot Instance Savings under Deadlines* (Wu et al.,
NSDI 2024). There the duration is known; here the upper quantile of the profile stands in for it. Their
Uniform Progress, which pays on-demand prices early for fear of having to switch late, is not carried
over: it guards single jobs whose switching costs much; here a running task is moved back at a
checkpoint. Waiting has to be worth it by what was learned of the places: a cheaper one that never came
back, or whose queue is longer than the time left, is not waited for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aiops_provider.domain.plan import Alternative, Route, RouteCode, RouteReason, Wait
from aiops_provider.domain.units import SECONDS_PER_HOUR
from aiops_provider.placement.asked import Asked
from aiops_provider.placement.availability import Availability
from aiops_provider.placement.places import Obstacle, Place

PlaceKey = tuple[str, str]

# Between the latest start and the moment at which the task is really chosen anew, sent and started.
LEAST_MARGIN_S = 60.0
_MOST_PLACES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """
    How long a task can wait, and what is known of the places it might wait for.

    Attributes:
        until: Its latest start; from then on it takes the best place there is.
        availability: By name of cluster and pool: what was learned of it; missing: nothing.
        least_saving: Waiting must be expected to save this share of what the run costs at once.
    """

    until: datetime
    availability: Callable[[PlaceKey], Availability]
    least_saving: float = 0.1


def latest_start_s(
    deadline_s: float | None,
    duration_s: float,
    *,
    done_s: float = 0.0,
    margin_s: float = LEAST_MARGIN_S,
) -> float | None:
    """
    The latest moment at which a run may start and still keep its deadline.

    Args:
        deadline_s: From queued to finished; ``None``: it has none, so it does not wait.
        duration_s: Of the whole run; an upper quantile.
        done_s: Of it, what a checkpoint has kept.
        margin_s: Left over on purpose.

    Returns:
        Seconds after it was queued, or ``None`` if there is no time to wait in.

    >>> latest_start_s(7200, 3000, margin_s=200)
    4000.0
    """
    if deadline_s is None:
        return None
    latest = float(deadline_s - max(duration_s - done_s, 0.0) - margin_s)
    return latest if latest > 0 else None


def route_that_waits(
    asked: Asked, best: Place, at_once: Route, patience: Patience, *, now: datetime
) -> Route | None:
    """
    The route to a cheaper place that is worth waiting for, or ``None`` if the task should start.

    Args:
        asked: The question to the router.
        best: Where the task would go at once.
        at_once: The route there.
        patience: How long it can wait.
        now: The present moment.

    Returns:
        The chance in it is that of the likeliest place alone: places that go and come together must
        not look like many chances.
    """
    left_s = (patience.until - now).total_seconds()
    if left_s <= 0 or best.cost_usd_per_hour is None or asked.obstacle(best) is not Obstacle.NONE:
        return None
    hours = at_once.reason.figures["expected_duration_s"] / SECONDS_PER_HOUR
    places: list[Place] = []
    worth = chance = saving = 0.0
    for place in _preferred_to(best, asked):
        obstacle = asked.obstacle(place)
        if obstacle is Obstacle.NONE:
            # The plan keeps the task off a cheaper place with room, so price is not what counts.
            return None
        share = 1.0 - place.score_usd_per_hour / best.score_usd_per_hour
        likely = _chance(asked, place, obstacle, patience, left_s)
        if place.cost_usd_per_hour is None or likely * share < patience.least_saving:
            continue
        places.append(place)
        if likely * share > worth:
            worth, chance = likely * share, likely
            saving = (best.cost_usd_per_hour - place.cost_usd_per_hour) * hours
        if len(places) >= _MOST_PLACES:
            break
    if not places:
        return None
    wait = Wait(
        until=patience.until,
        places=tuple(place.key for place in places),
        chance=chance,
        saving_usd=saving,
    )
    return _waiting(wait, places, best, at_once, now)


def _preferred_to(best: Place, asked: Asked) -> Iterator[Place]:
    """Places that would come before the best free one, were they there and had they room."""
    for place in asked.candidates:
        if place.preference >= best.preference:
            return
        yield place


def _chance(
    asked: Asked, place: Place, obstacle: Obstacle, patience: Patience, left_s: float
) -> float:
    """That the place has room within the time; 0 for those that are avoided for a fault."""
    known = patience.availability(place.key)
    if not known.is_up and place.name not in asked.avoid:
        return known.chance_up_within(left_s)
    if obstacle is not Obstacle.FULL:
        return 0.0
    backlog_s = asked.load[place.key].backlog_s
    return 1.0 if backlog_s <= left_s else left_s / backlog_s


def _waiting(wait: Wait, places: list[Place], best: Place, at_once: Route, now: datetime) -> Route:
    first = places[0]
    share = 1.0 - first.score_usd_per_hour / best.score_usd_per_hour
    others = f" or {len(places) - 1} more like it" if len(places) > 1 else ""
    left = timedelta(seconds=round((wait.until - now).total_seconds()))
    hours = at_once.reason.figures["expected_duration_s"] / SECONDS_PER_HOUR
    instead = Alternative(
        cluster=at_once.cluster,
        pool=at_once.pool,
        score_usd=best.score_usd_per_hour * hours,
        expected_cost_usd=at_once.expected_cost_usd,
    )
    return replace(
        at_once,
        cluster=first.name,
        pool=first.pool.name,
        reason=RouteReason(
            code=RouteCode.WAIT,
            sentence=(
                f"it waits for room on {first.name}{others}, {share:.0%} cheaper than {best.name}, "
                f"with a chance of {wait.chance:.0%} to get it in the {left} that its deadline "
                f"leaves; then it takes the best place there is"
            ),
            rejected={best.name: f"it has room, but costs {wait.saving_usd:.3g} USD more"},
            figures={
                **at_once.reason.figures,
                "score_usd": first.score_usd_per_hour * hours,
                "chance": wait.chance,
                "saving_usd": wait.saving_usd,
            },
        ),
        alternatives=(instead, *at_once.alternatives),
        expected_cost_usd=None
        if first.cost_usd_per_hour is None
        else first.cost_usd_per_hour * hours,
        wait=wait,
    )
