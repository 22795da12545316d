"""
Whether a task waits for a cheaper place although a dearer one has room, and which of like price it takes.

A task with a deadline may stand idle as long as it can still end in time on a place that is there: the
safety net of *Can't Be Late: Optimizing Spot Instance Savings under Deadlines* (Wu et al., NSDI 2024).
There the duration is known; here an upper quantile stands in for it. Their Uniform Progress, which pays
on-demand prices early for fear of having to switch late, is not carried over: it guards jobs for which
switching is dear, and here running tasks are moved back at a checkpoint. Waiting has to be worth it by
what was learned of the places: one that never came back, or whose queue is longer than the time left, is
not waited for. Of places with room that for which price × expected rework is lowest is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from aiops_provider.domain.plan import Alternative, Route, RouteCode, RouteReason, Wait
from aiops_provider.domain.units import SECONDS_PER_HOUR
from aiops_provider.placement.asked import Asked
from aiops_provider.placement.availability import Uptime
from aiops_provider.placement.places import Obstacle, Place
from aiops_provider.placement.rework import rework_factor

PlaceKey = tuple[str, str]

# Between the latest start and the moment at which the task is really chosen anew, sent and started.
LEAST_MARGIN_S = 60.0
_MOST_PLACES = 16
_MOST_LOOKED_AT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """
    What a task may wait for, and what is known of the places.

    Attributes:
        availability: What was learned of a place, by name of cluster and pool.
        until: The latest start of the task; from then on it takes the best place there is. ``None``: it
            does not wait.
        checkpoint_interval_s: Work between two checkpoints; ``None``: what is lost starts anew.
        restart_s: Until a lost or moved task is as far again as its last checkpoint.
        least_saving: Waiting must be expected to save this share of what the run costs at once.
    """

    availability: Callable[[PlaceKey], Uptime]
    until: datetime | None = None
    checkpoint_interval_s: float | None = None
    restart_s: float = 0.0
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


def reconsidered(
    asked: Asked, best: Place, at_once: Route, outlook: Outlook, *, now: datetime
) -> Route:
    """
    The route after a look at what is likely to come.

    Args:
        asked: The question to the router.
        best: Where the task would go by price alone.
        at_once: The route there.
        outlook: What is known.
        now: The present moment.

    Returns:
        *at_once*; or a route to a place with room that costs as little and stays longer; or one to a
        cheaper place that is worth waiting for, with ``wait`` set.
    """
    if best.cost_usd_per_hour is None or asked.obstacle(best) is not Obstacle.NONE:
        return at_once
    weighed = _Weighed(asked, at_once, outlook)
    chosen, route = best, at_once
    if at_once.reason.code is not RouteCode.PLAN:
        chosen = min(weighed.free(best), key=lambda place: (weighed.usd(place), place.preference))
        if chosen.key != best.key:
            route = weighed.instead(chosen, best)
    left_s = (outlook.until - now).total_seconds() if outlook.until is not None else 0.0
    return weighed.waiting(chosen, route, left_s) if left_s > 0 else route


class _Weighed:
    """Places by their price with the rework that is to be expected there."""

    def __init__(self, asked: Asked, at_once: Route, outlook: Outlook) -> None:
        self._asked, self._at_once, self._outlook = asked, at_once, outlook
        self._duration_s = at_once.reason.figures["expected_duration_s"]

    def usd(self, place: Place) -> float:
        """Per hour of work that lasts."""
        known = self._outlook.availability(place.key)
        piece_s = self._outlook.checkpoint_interval_s or self._duration_s
        factor = rework_factor(
            min(piece_s, self._duration_s), known.mean_up_s, restart_s=self._outlook.restart_s
        )
        return place.score_usd_per_hour * factor

    def free(self, best: Place) -> list[Place]:
        """Places with room that may be better than the cheapest one: rework makes none cheaper."""
        most = self.usd(best)
        found = [best]
        for place in islice(self._asked.candidates, _MOST_LOOKED_AT):
            if place.tier > best.tier or place.score_usd_per_hour > most:
                break
            if place.key != best.key and self._asked.obstacle(place) is Obstacle.NONE:
                found.append(place)
        return found

    def instead(self, chosen: Place, best: Place) -> Route:
        """The route to a place that stays longer than the one that is first by price."""
        hours = self._duration_s / SECONDS_PER_HOUR
        stays, goes = (
            self._outlook.availability(place.key).mean_up_s / SECONDS_PER_HOUR
            for place in (chosen, best)
        )
        others = tuple(a for a in self._at_once.alternatives if a.cluster != chosen.name)
        return replace(
            self._at_once,
            cluster=chosen.name,
            pool=chosen.pool.name,
            reason=RouteReason(
                code=RouteCode.CHEAPEST,
                sentence=(
                    f"{chosen.name} is the cheapest place with room, work done again included: it is "
                    f"lost every {stays:.3g} h, {best.name} every {goes:.3g} h"
                ),
                rejected={best.name: f"it is lost every {goes:.3g} h"},
                figures={
                    **self._at_once.reason.figures,
                    "score_usd": chosen.score_usd_per_hour * hours,
                },
            ),
            alternatives=(_as_alternative(self._at_once, best, hours), *others),
            expected_cost_usd=_cost_usd(chosen, hours),
        )

    def waiting(self, best: Place, at_once: Route, left_s: float) -> Route:
        """The route to a cheaper place that is worth waiting for, else the one at once."""
        outlook, here_usd = self._outlook, self.usd(best)
        found: list[tuple[float, float, Place]] = []
        for place in self._preferred_to(best):
            likely = self._chance(place, left_s)
            share = likely * (1.0 - self.usd(place) / here_usd)
            if share >= outlook.least_saving and place.cost_usd_per_hour is not None:
                found.append((share, likely, place))
            if len(found) >= _MOST_PLACES:
                break
        if not found or outlook.until is None:
            return at_once
        found.sort(key=lambda each: -each[0])
        share, likely, first = found[0]
        hours = self._duration_s / SECONDS_PER_HOUR
        # That of the likeliest alone: places that go and come together are not many chances.
        wait = Wait(
            until=outlook.until,
            places=tuple(place.key for _, _, place in found),
            chance=likely,
            saving_usd=(here_usd - self.usd(first)) * hours,
        )
        others = f" or {len(found) - 1} more like it" if len(found) > 1 else ""
        cheaper = 1.0 - first.score_usd_per_hour / best.score_usd_per_hour
        return replace(
            at_once,
            cluster=first.name,
            pool=first.pool.name,
            reason=RouteReason(
                code=RouteCode.WAIT,
                sentence=(
                    f"it waits for room on {first.name}{others}, {cheaper:.0%} cheaper than "
                    f"{best.name}; its deadline leaves {timedelta(seconds=round(left_s))}, in which "
                    f"that comes with a chance of {likely:.0%}; then it takes the best place there is"
                ),
                rejected={best.name: f"it has room, but costs {wait.saving_usd:.3g} USD more"},
                figures={
                    **at_once.reason.figures,
                    "score_usd": first.score_usd_per_hour * hours,
                    "chance": likely,
                    "saving_usd": wait.saving_usd,
                },
            ),
            alternatives=(_as_alternative(at_once, best, hours), *at_once.alternatives),
            expected_cost_usd=_cost_usd(first, hours),
            wait=wait,
        )

    def _preferred_to(self, best: Place) -> Iterator[Place]:
        """Places that cost less than the best free one, were they there and had they room."""
        for place in islice(self._asked.candidates, _MOST_LOOKED_AT):
            if (place.tier, place.score_usd_per_hour) >= (best.tier, best.score_usd_per_hour):
                return
            yield place

    def _chance(self, place: Place, left_s: float) -> float:
        """That the place has room within the time; 0 for those that are avoided for a fault."""
        known = self._outlook.availability(place.key)
        if not known.is_up and place.name not in self._asked.hindered:
            return known.chance_up_within(left_s)
        if self._asked.obstacle(place) is not Obstacle.FULL:
            return 0.0
        in_use = self._asked.load[place.key]
        if in_use.leased_cores >= place.capacity.cores:
            return 0.0  # all of it belongs to other schedulers, whose queues nobody knows here
        backlog_s = in_use.backlog_s
        return 1.0 if backlog_s <= left_s else left_s / backlog_s


def _as_alternative(route: Route, place: Place, hours: float) -> Alternative:
    return Alternative(
        cluster=route.cluster,
        pool=route.pool,
        score_usd=place.score_usd_per_hour * hours,
        expected_cost_usd=route.expected_cost_usd,
    )


def _cost_usd(place: Place, hours: float) -> float | None:
    return None if place.cost_usd_per_hour is None else place.cost_usd_per_hour * hours
