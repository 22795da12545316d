from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops_provider.clusters.local.channel import Channel


@pytest.fixture
def ends():
    left, right = (Channel(sock) for sock in socket.socketpair())
    yield left, right
    left.close()
    right.close()


def test_messages_arrive_in_order(ends):
    """Messages arrive whole and in order."""
    left, right = ends
    for number in range(3):
        left.send({"number": number, "text": "å" * number})
    assert right.receive() == [{"number": n, "text": "å" * n} for n in range(3)]
    assert right.receive() == []


def test_more_than_the_socket_holds(ends):
    """A message larger than the socket's buffer is sent in pieces and blocks nobody."""
    left, right = ends
    left.send({"text": "x" * 5_000_000})
    assert left.unsent
    messages = []
    while not messages:
        messages = right.receive()
        left.flush()
    assert [len(message["text"]) for message in messages] == [5_000_000]
    assert not left.unsent


def test_last_words_of_a_dead_peer(ends):
    """What the peer said before it closed is received, and only then is it gone."""
    left, right = ends
    left.send({"say": "farewell"})
    left.close()
    assert right.receive() == [{"say": "farewell"}]
    assert right.closed


def test_sending_to_a_dead_peer(ends):
    """Sending to a peer that is gone neither raises nor keeps anything."""
    left, right = ends
    right.close()
    left.send({"say": "anybody?"})
    assert not left.unsent
    assert left.receive() == []
    assert left.closed


@given(cuts=st.lists(st.integers(1, 40)))
def test_any_fragmentation(cuts):
    """However a stream is cut, the same messages come out."""
    sender, receiver = socket.socketpair()
    messages = [{"number": number} for number in range(5)]
    frames = b"".join(
        len(body).to_bytes(4, "big") + body
        for body in (f'{{"number":{message["number"]}}}'.encode() for message in messages)
    )
    channel = Channel(receiver)
    received = []
    with sender:
        for cut in [*cuts, len(frames)]:
            piece, frames = frames[:cut], frames[cut:]
            sender.sendall(piece)
            received += channel.receive()
    channel.close()
    assert received == messages
