"""Who is told of super-alarms, and when; messages go by the real Apprise to a server on loopback."""

from __future__ import annotations

import json
import logging
import shutil
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from aiops_provider.control.notify import Notifications, address_of, try_out
from aiops_provider.domain.alarm import (
    AlarmState,
    CauseKind,
    Hypothesis,
    Response,
    ResponseAction,
    RootCause,
    Severity,
    SuperAlarm,
)
from aiops_provider.errors import AiopsError, ConfigurationError
from aiops_provider.settings.engine_schema import ChannelSettings
from aiops_provider.store import Store

# Of Apprise, whose library of e-mail asks for it where Python still has it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

NOW = datetime(2026, 11, 2, 14, 0, tzinfo=UTC)
TOKEN = "t0ken-of-the-chat"


class Chat(HTTPServer):
    """Takes messages, or refuses them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Reader)
        self.messages: list[dict] = []
        self.status = 200


class _Reader(BaseHTTPRequestHandler):
    server: Chat

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.status == 200:
            self.server.messages.append(body)
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def chat():
    server = Chat()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture
def store(sqlite_template, tmp_path):
    file = tmp_path / "aiops.db"
    shutil.copy(sqlite_template, file)
    with closing(Store.open(f"sqlite:///{file}")) as store:
        yield store


@pytest.fixture
def channel(chat, tmp_path):
    """``channel(owners=("x",))``: where the chat listens, its address in a file."""

    def make(**said) -> dict[str, ChannelSettings]:
        file = tmp_path / "chat"
        file.write_text(f"json://127.0.0.1:{chat.server_port}/{TOKEN}\n")
        return {"chat": ChannelSettings(url_file=str(file), **said)}

    return make


def super_alarm(name: str = "a", **said) -> SuperAlarm:
    best = Hypothesis(
        cause={"provider": "aws"},
        kind=CauseKind.CLUSTER,
        support=1,
        precision=1,
        lift=2,
        p_value=1e-6,
        confidence=0.93,
        next_check="Look at the provider's status page.",
        remedy="Wait.",
    )
    one = SuperAlarm(
        id=f"super-{name}",
        summary="Since 14:00 UTC 9 alarms of provider aws: row_count −78 %",
        opened_at=NOW,
        severity=Severity.WARNING,
        alarms=("a",),
        representative="a",
        root_cause=RootCause(hypotheses=(best,)),
        updated_at=NOW,
        impact="9 tasks",
        owners=("data",),
        response=Response(
            id="response-a",
            super_alarm=f"super-{name}",
            action=ResponseAction.QUARANTINE,
            clusters=("aws-us",),
            reason="provider aws is at fault.",
            starts_at=NOW,
            expires_at=NOW + timedelta(hours=1),
        ),
    )
    return replace(one, **said)


def titles(chat) -> list[tuple[str, str]]:
    return [(message["title"], message["type"]) for message in chat.messages]


def test_each_is_told_once_when_worse_and_when_over(chat, store, channel):
    """Also by a process that takes over in between."""
    one = super_alarm()
    store.save_super_alarms([one])
    for _ in range(2):
        Notifications.of(channel()).tell(store, NOW)
    store.save_super_alarms([replace(one, severity=Severity.CRITICAL)])
    Notifications.of(channel()).tell(store, NOW)
    store.save_super_alarms([replace(one, state=AlarmState.RESOLVED, closed_at=NOW)])
    for _ in range(2):
        Notifications.of(channel()).tell(store, NOW)
    assert titles(chat) == [
        ("Warning: super-a", "warning"),
        ("Critical: super-a", "failure"),
        ("Over: super-a", "success"),
    ]


def test_a_message_says_what_why_whose_and_what_was_done(chat, store, channel):
    """So that nobody has to look anything up before acting."""
    store.save_super_alarms([super_alarm()])
    Notifications.of(channel()).tell(store, NOW)
    assert chat.messages[0]["message"].splitlines() == [
        "Since 14:00 UTC 9 alarms of provider aws: row_count −78 %",
        "Affected: 9 tasks",
        "Owner: data",
        "Likely cause: provider aws (confidence 0.93)",
        "Remedy: Wait.",
        "Next check: Look at the provider's status page.",
        "Response: quarantine aws-us. provider aws is at fault.",
        "aiops alarms show super-a",
    ]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"least_severity": "critical"}, []),
        ({"owners": ("data", "ops")}, ["Warning: super-a"]),
        ({"owners": ("ops",)}, []),
    ],
)
def test_a_channel_may_want_only_some(chat, store, channel, said, told):
    """By urgency and by owner."""
    store.save_super_alarms([super_alarm()])
    Notifications.of(channel(**said)).tell(store, NOW)
    assert [title for title, _ in titles(chat)] == told


def test_a_channel_that_refuses_is_asked_again_later(chat, store, channel, caplog):
    """Less and less often; nothing is lost or told twice, and its address stands in no log."""
    caplog.set_level(logging.DEBUG)
    notifications = Notifications.of(channel())
    store.save_super_alarms([super_alarm("a"), super_alarm("b", opened_at=NOW + timedelta(1))])
    chat.status = 500
    notifications.tell(store, NOW)
    chat.status = 200
    notifications.tell(store, NOW + timedelta(seconds=29))
    assert chat.messages == []
    notifications.tell(store, NOW + timedelta(seconds=30))
    notifications.tell(store, NOW + timedelta(seconds=60))
    assert [title for title, _ in titles(chat)] == ["Warning: super-a", "Warning: super-b"]
    assert "not told to chat" in caplog.text
    assert "told to chat again" in caplog.text
    assert TOKEN not in caplog.text


def test_a_channel_can_be_tried_out(chat, channel):
    """Before the night in which it matters."""
    try_out(channel(), "chat")
    assert titles(chat) == [("AIOps: a try", "info")]
    chat.status = 403
    with pytest.raises(AiopsError, match="did not take the message") as raised:
        try_out(channel(), "chat")
    assert TOKEN not in str(raised.value)
    with pytest.raises(ConfigurationError, match="Known: chat"):
        try_out(channel(), "pager")


def test_an_address_that_is_none_is_refused(tmp_path, monkeypatch):
    """With the name of the setting, never with the address."""
    file = tmp_path / "address"
    for text, words in (("", "is empty"), (f"what://{TOKEN}", "no address that Apprise knows")):
        file.write_text(text)
        with pytest.raises(ConfigurationError, match=words) as raised:
            try_out({"chat": ChannelSettings(url_file=str(file))}, "chat")
        assert TOKEN not in str(raised.value)
    variable = ChannelSettings(url_variable="CHAT_URL")
    monkeypatch.delenv("CHAT_URL", raising=False)
    with pytest.raises(ConfigurationError, match="CHAT_URL"):
        address_of("chat", variable)
    monkeypatch.setenv("CHAT_URL", "json://127.0.0.1")
    assert address_of("chat", variable) == "json://127.0.0.1"


@pytest.mark.parametrize("said", [{}, {"url_file": "a", "url_variable": "B"}])
def test_a_channel_has_one_address(said):
    """Neither none nor two."""
    with pytest.raises(ValueError, match="exactly one of url_file and url_variable"):
        ChannelSettings(**said)
