"""What people do with alarms: look at them, acknowledge them, call them false, lift a response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from aiops_provider.domain.alarm import Alarm, AlarmState, Response, SuperAlarm
from aiops_provider.errors import DataError

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation

_EVERYTHING = 1_000_000
_LONGEST_NOTE = 1_000
FEEDBACK = "detection:feedback"
"""Where the store keeps when somebody last said what a real cause was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """
    What an id stands for.

    Attributes:
        super_alarm: The super-alarm, or that of the alarm.
        alarms: Its members, or the one alarm.
    """

    super_alarm: SuperAlarm | None
    alarms: tuple[Alarm, ...]


def find(installation: Installation, wanted: str) -> Found:
    """
    The alarm or super-alarm of that id.

    Raises:
        DataError: There is none.
        StoreError: The store does not answer.
    """
    store = installation.require_store()
    super_alarm = store.super_alarm(wanted)
    if super_alarm is not None:
        members = tuple(store.alarms(super_alarm=wanted, limit=_EVERYTHING))
        return Found(super_alarm=super_alarm, alarms=members)
    for alarm in store.alarms(limit=_EVERYTHING):
        if alarm.id == wanted:
            holder = store.super_alarm(alarm.super_alarm) if alarm.super_alarm else None
            return Found(super_alarm=holder, alarms=(alarm,))
    raise DataError(
        "there is no such alarm or super-alarm",
        field="id",
        value=wanted,
        mend="`aiops alarms list` has them.",
    )


def mark(
    installation: Installation, wanted: str, state: AlarmState, now: datetime, *, note: str = ""
) -> Found:
    """
    Say what an alarm or super-alarm is: acknowledged or a false positive.

    A super-alarm is marked with all of its members; what was done about a false one is lifted.

    Args:
        installation: With a store.
        wanted: Id of an alarm or super-alarm.
        state: What it is.
        now: The present moment.
        note: What was found or done; kept with a super-alarm, and shown with later ones that look alike.

    Raises:
        DataError: There is none of that id, or it has ended.
        StoreError: The store does not answer.
    """
    store = installation.require_store()
    _check_note(note)
    found = find(installation, wanted)
    whole = found.super_alarm is not None and found.super_alarm.id == wanted
    _check_open(found.super_alarm if whole else found.alarms[0], wanted)
    open_ones = [one for one in found.alarms if one.state is not AlarmState.RESOLVED]
    alarms = tuple(replace(one, state=state) for one in open_ones)
    store.save_alarms(alarms)
    marked = found.super_alarm
    if whole and marked is not None:
        false = state is AlarmState.FALSE_POSITIVE
        marked = replace(
            marked,
            state=state,
            updated_at=now,
            closed_at=now if false else marked.closed_at,
            note=note or marked.note,
        )
        store.save_super_alarms([marked])
        if false and marked.response is not None and marked.response.active(now):
            store.release_response(marked.response.id, now)
    return Found(super_alarm=marked, alarms=alarms)


def release(installation: Installation, wanted: str, now: datetime) -> Response:
    """
    Lift a quarantine or hold; it is not decided again for the same super-alarm.

    Args:
        installation: With a store.
        wanted: Id of the response, or of its super-alarm.
        now: From when on.

    Raises:
        DataError: There is none.
        StoreError: The store does not answer.
    """
    store = installation.require_store()
    for response in store.responses(limit=_EVERYTHING):
        if wanted in (response.id, response.super_alarm):
            store.release_response(response.id, now)
            return replace(response, released_at=response.released_at or now)
    raise DataError(
        "there is no such response", field="id", value=wanted, mend="`aiops alarms list` has them."
    )


def tell_cause(
    installation: Installation,
    wanted: str,
    cause: Mapping[str, str],
    now: datetime,
    *,
    note: str = "",
) -> SuperAlarm:
    """
    Say what was really at fault; later super-alarms that look alike are judged by it.

    Args:
        installation: With a store.
        wanted: Id of a super-alarm, open or over.
        cause: Dimension and value, one or several; empty takes back what was said.
        now: The present moment.
        note: What was found or done.

    Raises:
        DataError: There is no such super-alarm.
        StoreError: The store does not answer.
    """
    store = installation.require_store()
    _check_note(note)
    found = store.super_alarm(wanted)
    if found is None:
        raise DataError(
            "there is no such super-alarm",
            field="id",
            value=wanted,
            mend="`aiops alarms list --all` has them.",
        )
    told = replace(found, real_cause=dict(cause), updated_at=now, note=note or found.note)
    store.save_super_alarms([told])
    store.set_state(FEEDBACK, now.isoformat())
    return told


def _check_note(note: str) -> None:
    if len(note) > _LONGEST_NOTE:
        raise DataError(
            f"is longer than {_LONGEST_NOTE} characters",
            field="note",
            value=f"{note[:20]}…",
            mend="Say what helped; link to the rest.",
        )


def _check_open(one: Alarm | SuperAlarm | None, wanted: str) -> None:
    if one is not None and one.state is AlarmState.RESOLVED:
        raise DataError(
            "has ended by itself already",
            field="id",
            value=wanted,
            mend="`aiops alarms list` has those that are open.",
        )
