"""A scoring service over HTTP and a load generator: the last step of the medical pipeline."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle

Score = Callable[[list[float]], float]


@contextmanager
def scoring_server(score: Score) -> Iterator[int]:
    """
    Answers ``POST /score {"features": [...]}`` with ``{"score": …}`` on loopback.

    Args:
        score: Called once per request, from several threads.

    Yields:
        The port.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # keeps connections open, as a service behind a proxy would
        disable_nagle_algorithm = True
        wbufsize = -1  # header and body leave in one packet

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                answer, status = {"score": score(json.loads(body)["features"])}, 200
            except (ValueError, KeyError, TypeError) as error:
                answer, status = {"error": str(error)}, 422  # type: ignore[dict-item]
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """A line per request would drown the log of the task."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, name="scoring", daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def generate_load(
    port: int,
    bodies: Sequence[bytes],
    *,
    seconds: float,
    on_second: Callable[[float, float], None],
) -> tuple[list[float], int]:
    """
    Ask for scores one after another over one connection.

    Args:
        port: Of the server.
        bodies: Requests, sent in turn.
        seconds: How long.
        on_second: Called about once a second with requests per second and p95 latency in ms.

    Returns:
        Latency of every answered request in ms, and the number of failures.
    """
    latencies: list[float] = []
    failures = 0
    began = window_began = time.monotonic()
    window = 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        for body in cycle(bodies):
            now = time.monotonic()
            if now - window_began >= 1.0 and len(latencies) > window:
                recent = sorted(latencies[window:])
                on_second(len(recent) / (now - window_began), recent[int(len(recent) * 0.95)])
                window, window_began = len(latencies), now
            if now - began >= seconds:
                break
            if _ask(connection, body):
                latencies.append((time.monotonic() - now) * 1000.0)
            else:
                failures += 1
    finally:
        connection.close()
    return latencies, failures


def _ask(connection: http.client.HTTPConnection, body: bytes) -> bool:
    try:
        connection.request("POST", "/score", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        connection.close()  # the next request opens it again
        return False
    return answer.status == 200
