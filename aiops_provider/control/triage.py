"""What people do about alarms: look, acknowledge, say that it was nothing, lift a response."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from aiops_provider.domain.alarm import Alarm, AlarmState, Response, SuperAlarm
from aiops_provider.errors import DataError

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation


def find_super_alarm(installation: Installation, id_: str) -> tuple[SuperAlarm, list[Alarm]]:
    """
    A super-alarm with its members.

    Raises:
        DataError: There is none of that id.
    """
    store = installation.require_store()
    found = store.super_alarm(id_)
    if found is None:
        raise DataError(
            "there is no super-alarm of that id",
            field="ID",
            value=id_,
            mend="`aiops alarms list` shows them",
        )
    return found, store.alarms(super_alarm=id_)


def acknowledge(installation: Installation, id_: str, now: datetime) -> SuperAlarm:
    """
    Somebody cares: it stays open, and nobody needs to be told again.

    Raises:
        DataError: There is none of that id.
    """
    return _put(installation, id_, AlarmState.ACKNOWLEDGED, now)


def reject(installation: Installation, id_: str, now: datetime) -> SuperAlarm:
    """
    It was a false alarm: its members are learned as normal, its response is lifted.

    Raises:
        DataError: There is none of that id.
    """
    store = installation.require_store()
    rejected = _put(installation, id_, AlarmState.FALSE_POSITIVE, now)
    members = store.alarms(super_alarm=id_)
    store.save_alarms([replace(each, state=AlarmState.FALSE_POSITIVE) for each in members])
    if rejected.response is not None:
        store.release_response(rejected.response.id, now)
    return rejected


def release(installation: Installation, id_: str, now: datetime) -> Response:
    """
    Lift a quarantine or a hold before it lapses.

    Raises:
        DataError: There is no response of that id in force.
    """
    store = installation.require_store()
    found = next((each for each in store.responses(active_at=now) if each.id == id_), None)
    if found is None:
        raise DataError(
            "there is no response of that id in force",
            field="RESPONSE",
            value=id_,
            mend="`aiops alarms list` shows them",
        )
    store.release_response(id_, now)
    return replace(found, released_at=now)


def _put(installation: Installation, id_: str, state: AlarmState, now: datetime) -> SuperAlarm:
    found, _ = find_super_alarm(installation, id_)
    closed_at = now if state is AlarmState.FALSE_POSITIVE else found.closed_at
    changed = replace(found, state=state, updated_at=now, closed_at=closed_at)
    installation.require_store().save_super_alarms([changed])
    return changed
