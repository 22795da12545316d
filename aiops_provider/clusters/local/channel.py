"""Messages between a host and its pool: JSON behind four bytes of length, never blocking."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from typing import Any

_LENGTH_BYTES = 4
_CHUNK = 1 << 16
_encoder = json.JSONEncoder(separators=(",", ":"))


class Channel:
    """
    One end of a stream socket.

    What the other side does not read is kept in memory and sent later; what arrives in pieces is
    put together. Neither a stopped nor a dead peer ever blocks or raises here.

    Attributes:
        closed: The peer is gone: all that it had sent was received, and no more will come.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock
        self._outgoing = bytearray()
        self._incoming = bytearray()
        self.closed = False

    def fileno(self) -> int:
        """Descriptor to wait for."""
        return self._socket.fileno()

    @property
    def unsent(self) -> bool:
        """Whether something waits for the peer to read."""
        return bool(self._outgoing)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message now or later."""
        body = _encoder.encode(message).encode()
        self._outgoing += len(body).to_bytes(_LENGTH_BYTES, "big") + body
        self.flush()

    def flush(self) -> None:
        """Send as much as the peer takes."""
        while self._outgoing:
            try:
                sent = self._socket.send(self._outgoing)
            except BlockingIOError:
                return
            except OSError:
                # A broken pipe: what the peer said before it died is still to be received, so the
                # end of the stream is declared there, not here.
                self._outgoing.clear()
                return
            del self._outgoing[:sent]

    def receive(self) -> list[dict[str, Any]]:
        """All messages that have arrived in full."""
        while not self.closed:
            try:
                chunk = self._socket.recv(_CHUNK)
            except BlockingIOError:
                break
            except OSError:
                chunk = b""
            if not chunk:
                self.closed = True
            self._incoming += chunk
        return self._complete_messages()

    def close(self) -> None:
        """Let go of the socket."""
        self.closed = True
        self._socket.close()

    def _complete_messages(self) -> list[dict[str, Any]]:
        messages = []
        start = 0
        while len(self._incoming) - start >= _LENGTH_BYTES:
            body = start + _LENGTH_BYTES
            end = body + int.from_bytes(self._incoming[start:body], "big")
            if len(self._incoming) < end:
                break
            messages.append(json.loads(self._incoming[body:end]))
            start = end
        del self._incoming[:start]
        return messages
