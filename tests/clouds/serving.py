"""How a stand-in for a cloud serves until it is ended."""

from __future__ import annotations

import signal
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_LOOK_S = 0.2


def serve_until_ended(
    port: int, handler: type[BaseHTTPRequestHandler], certificate: Path | None = None
) -> None:
    """Serve on loopback, over TLS with a certificate; returns after SIGTERM or SIGINT."""
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    # Not sigwait: that wants signals blocked, which containers would inherit.
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # The kernel may give the signal to another thread, which does not wake this one; Python runs
    # the handler in this one, as soon as it looks.
    while not ended.wait(_LOOK_S):
        pass
