"""Alarms that may belong together: near in time, and with something in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from aiops_provider.detection.attributes import OCCASION
from aiops_provider.domain.alarm import Alarm


def cluster_alarms(alarms: Iterable[Alarm], *, gap: timedelta) -> list[list[Alarm]]:
    """
    Part alarms into those that may have one cause.

    Onsets that follow each other within *gap* form a chain; inside a chain alarms belong together
    when they share a value of any attribute, directly or through others. Whether they really have
    one cause is for the root cause to say.

    Args:
        alarms: In any order.
        gap: Longest time between two onsets of one chain.

    Returns:
        Alarm clusters in order of their first onset, each in order of onset.
    """
    ordered = sorted(alarms, key=lambda alarm: (alarm.observed_at, alarm.id))
    return [cluster for chain in _chains(ordered, gap) for cluster in _connected(chain)]


def onset_of(alarms: Sequence[Alarm]) -> datetime:
    """
    When the trouble of an alarm cluster began, robustly: a tenth of the alarms came before.

    One false alarm well before an incident must not make what was healthy meanwhile count as
    healthy during the incident.
    """
    ordered = sorted(alarm.observed_at for alarm in alarms)
    return ordered[len(ordered) // 10]


def _chains(ordered: Sequence[Alarm], gap: timedelta) -> Iterator[list[Alarm]]:
    chain: list[Alarm] = []
    for alarm in ordered:
        if chain and alarm.observed_at - chain[-1].observed_at > gap:
            yield chain
            chain = []
        chain.append(alarm)
    if chain:
        yield chain


def _connected(chain: Sequence[Alarm]) -> list[list[Alarm]]:
    leader = list(range(len(chain)))

    def find(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    first_with: dict[tuple[str, str], int] = {}
    for place, alarm in enumerate(chain):
        for item in alarm.attributes.items():
            if item[0] not in OCCASION:
                other = first_with.setdefault(item, place)
                leader[max(find(place), find(other))] = min(find(place), find(other))
    found: dict[int, list[Alarm]] = {}
    for place, alarm in enumerate(chain):
        found.setdefault(find(place), []).append(alarm)
    return list(found.values())
