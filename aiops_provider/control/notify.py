"""
Telling people of super-alarms: once when one opens, comes back or becomes more urgent, once when it is over.

What was told is kept in the store, so that whoever takes over tells nothing twice, and what could not be
told is told later. A channel that does not answer is asked less and less often, and holds up no other.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from aiops_provider.domain.alarm import AlarmState, Severity, SuperAlarm
from aiops_provider.errors import AiopsError, ConfigurationError

if TYPE_CHECKING:
    from aiops_provider.settings.engine_schema import ChannelSettings
    from aiops_provider.store import Store

log = logging.getLogger(__name__)

_STATE = "notified"
_MOST = 1_000
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=30)
_URGENCY = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
_OPEN = (AlarmState.OPEN, AlarmState.ACKNOWLEDGED)

Send = Callable[[str, str, Severity, bool], None]
"""Sends title and body, of that severity, and whether it is over; raises AiopsError."""


@dataclass(slots=True, kw_only=True)
class Channel:
    """
    One place where people read.

    Attributes:
        name: As in aiops.yaml.
        settings: Of what is told there.
        send: Sends a message.
        failures: How often in a row it did not.
        not_before: When it is asked again.
    """

    name: str
    settings: ChannelSettings
    send: Send
    failures: int = 0
    not_before: datetime | None = None


@dataclass(slots=True)
class Notifications:
    """
    All channels of an installation.

    Args:
        channels: As configured.
    """

    channels: Sequence[Channel] = field(default_factory=tuple)

    @classmethod
    def of(cls, settings: Mapping[str, ChannelSettings]) -> Notifications:
        """The channels of aiops.yaml; nothing is read or connected to before it is used."""
        return cls(
            [
                Channel(name=name, settings=one, send=by_apprise(name, one))
                for name, one in sorted(settings.items())
            ]
        )

    def tell(self, store: Store, now: datetime) -> None:
        """
        Tell what has not been told yet.

        Args:
            store: Has the super-alarms, and what was told.
            now: The present moment.

        Raises:
            StoreError: The store does not answer.
        """
        due = [one for one in self.channels if one.not_before is None or now >= one.not_before]
        if not due:
            return
        open_ones = {one.id: one for one in store.super_alarms(open_only=True, limit=_MOST)}
        told: dict[str, dict[str, str]] = store.get_state(_STATE) or {}
        for channel in due:
            mine = dict(told.get(channel.name, {}))
            for key, severity, message in _news(channel.settings, store, open_ones, mine):
                if not _sent(channel, message, now):
                    break
                if severity is None:
                    del mine[key]
                else:
                    mine[key] = severity.value
                # After each one: what was sent is not sent again because a later one failed.
                told = {**told, channel.name: mine}
                store.set_state(_STATE, told)


def _news(
    settings: ChannelSettings,
    store: Store,
    open_ones: Mapping[str, SuperAlarm],
    told: Mapping[str, str],
) -> Iterator[tuple[str, Severity | None, tuple[SuperAlarm, bool] | None]]:
    """Id, how urgent it is told from now on, and what to say; what is over comes first."""
    for key in [key for key in told if key not in open_ones]:
        ended = store.super_alarm(key)
        yield key, None, None if ended is None else (ended, True)
    for key, one in sorted(open_ones.items(), key=lambda item: item[1].opened_at):
        before = told.get(key)
        if not _concerns(settings, one):
            continue
        if before is None or _URGENCY[one.severity] > _URGENCY[Severity(before)]:
            yield key, one.severity, (one, False)


def _concerns(settings: ChannelSettings, one: SuperAlarm) -> bool:
    urgent = _URGENCY[one.severity] >= _URGENCY[settings.least_severity]
    return urgent and (not settings.owners or bool({*settings.owners} & {*one.owners}))


def _sent(channel: Channel, message: tuple[SuperAlarm, bool] | None, now: datetime) -> bool:
    if message is None:
        return True
    super_alarm, over = message
    try:
        channel.send(_title(super_alarm), body_of(super_alarm), super_alarm.severity, over)
    except AiopsError as error:
        channel.failures += 1
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(channel.failures - 1, 10))
        channel.not_before = now + pause
        if channel.failures == 1:
            log.warning("Super-alarms are not told to %s until it works: %s", channel.name, error)
        return False
    if channel.failures:
        log.warning("Super-alarms are told to %s again", channel.name)
    channel.failures, channel.not_before = 0, None
    return True


def _title(one: SuperAlarm) -> str:
    if one.state in _OPEN:
        back = f" (reopened, {one.reopened})" if one.reopened else ""
        return f"{one.severity.value.capitalize()}: {one.id}{back}"
    return f"{'False alarm' if one.state is AlarmState.FALSE_POSITIVE else 'Over'}: {one.id}"


def body_of(one: SuperAlarm) -> str:
    """A super-alarm for people who read it elsewhere: what, whom, why, what helps, what was done."""
    best = one.root_cause.best
    cause = " and ".join(f"{name} {value}" for name, value in best.cause.items())
    lines = [
        one.summary,
        f"Affected: {one.impact}" if one.impact else "",
        f"Owner: {', '.join(one.owners)}" if one.owners else "",
        f"Likely cause: {cause} (confidence {best.confidence:.2f})" if cause else "",
        f"Remedy: {best.remedy}" if best.remedy else "",
        f"Next check: {best.next_check}" if best.next_check and one.state in _OPEN else "",
    ]
    if one.response is not None:
        done = f"{one.response.action.value.replace('_', ' ')} {one.response.target}".strip()
        dry = " (dry run)" if one.response.dry_run else ""
        lines.append(f"Response{dry}: {done}. {one.response.reason}")
    return "\n".join([*filter(None, lines), f"aiops alarms show {one.id}"])


def by_apprise(name: str, settings: ChannelSettings) -> Send:
    """
    A channel by Apprise, which knows Slack, Teams, PagerDuty, Alertmanager's like, e-mail and a hundred more.

    Args:
        name: Of the channel, for messages.
        settings: Where its address stands; it is read for each message, so that it can be rotated.
    """

    def send(title: str, body: str, severity: Severity, over: bool) -> None:
        try:
            from apprise import Apprise, NotifyType
        except ImportError as error:
            raise ConfigurationError(
                "needs a library that is not installed",
                field=f"detection.notify.{name}",
                mend="pip install 'aiops-provider[notify]'",
            ) from error
        # They log addresses, which hold tokens.
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
        channel = Apprise()
        if not channel.add(address_of(name, settings)):
            raise ConfigurationError(
                "is no address that Apprise knows",
                field=f"detection.notify.{name}",
                mend="See https://appriseit.com/services for the forms; `aiops alarms notify` tries one.",
            )
        kinds = {
            Severity.INFO: NotifyType.INFO,
            Severity.WARNING: NotifyType.WARNING,
            Severity.CRITICAL: NotifyType.FAILURE,
        }
        kind = NotifyType.SUCCESS if over else kinds[severity]
        if not channel.notify(title=title, body=body, notify_type=kind):
            raise AiopsError(f"the service behind detection.notify.{name} did not take the message")

    return send


def address_of(name: str, settings: ChannelSettings) -> str:
    """
    The address of a channel, from its variable or file.

    Raises:
        ConfigurationError: It is not there.
    """
    where = f"detection.notify.{name}"
    if settings.url_variable is not None:
        url = os.environ.get(settings.url_variable, "").strip()
        if not url:
            raise ConfigurationError(
                "this variable is not set where the cycle runs",
                field=f"{where}.url_variable",
                value=settings.url_variable,
                mend="Set it to an Apprise URL.",
            )
        return url
    assert settings.url_file is not None  # noqa: S101 - one of both is there, the settings see to it
    try:
        url = Path(settings.url_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            "cannot be read", field=f"{where}.url_file", value=settings.url_file
        ) from error
    if not url:
        raise ConfigurationError("is empty", field=f"{where}.url_file", value=settings.url_file)
    return url


def try_out(channels: Mapping[str, ChannelSettings], name: str) -> None:
    """
    Send a message that says it is none.

    Raises:
        ConfigurationError: There is no such channel, or its address cannot be used.
        AiopsError: The service did not take it.
    """
    if name not in channels:
        raise ConfigurationError(
            "there is no such channel",
            field="detection.notify",
            value=name,
            mend=f"Known: {', '.join(sorted(channels)) or 'none'}.",
        )
    send = by_apprise(name, channels[name])
    send("AIOps: a try", "Super-alarms will be told here.", Severity.INFO, False)
