"""The middleware under real servers, asked over loopback."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import httpx
import pytest

from aiops_provider.telemetry.serving import AsgiTraffic, WsgiTraffic


@contextmanager
def uvicorn_of(app):
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def wsgiref_of(app):
    class Quiet(WSGIRequestHandler):
        def log_message(self, *_):
            pass

        def get_stderr(self):
            import io

            return io.StringIO()

    server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def counts(samples) -> dict[str, float]:
    totals: dict[str, float] = {}
    for sample in samples:
        totals[sample["name"]] = totals.get(sample["name"], 0) + sample["value"]
    return {k: v for k, v in totals.items() if k.endswith("_count")}


EXPECTED = {"request_count": 4, "failed_request_count": 2, "request_within_count": 4}


@pytest.fixture
def fastapi_app():
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse

    app = FastAPI()

    @app.get("/score")
    async def score() -> dict[str, float]:
        return {"score": 0.5}

    @app.get("/unavailable", status_code=503)
    async def unavailable() -> None: ...

    @app.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError

    @app.get("/stream")
    async def stream():
        return StreamingResponse(iter([b"a", b"b"]))

    return app


def test_fastapi_is_measured_to_the_last_byte(fastapi_app, reported):
    """By `add_middleware`; the answers are what they were, and the last interval is sent at the end."""
    fastapi_app.add_middleware(AsgiTraffic, service="scoring")
    with uvicorn_of(fastapi_app) as url:
        assert httpx.get(f"{url}/score").json() == {"score": 0.5}
        assert httpx.get(f"{url}/unavailable").status_code == 503
        assert httpx.get(f"{url}/broken").status_code == 500
        assert httpx.get(f"{url}/stream").content == b"ab"
    samples = reported()
    assert counts(samples) == EXPECTED
    assert {s["dimensions"]["service"] for s in samples} == {"scoring"}
    assert {s["dimensions"]["task"] for s in samples} == {"train"}


def test_starlette_is_measured_from_outside(reported):
    """Around any ASGI application, whose lifespan goes on as before."""
    from contextlib import asynccontextmanager

    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    events = []

    @asynccontextmanager
    async def lifespan(app):
        events.append("up")
        yield
        events.append("down")

    async def home(request):
        return PlainTextResponse("hello")

    app = Starlette(routes=[Route("/", home)], lifespan=lifespan)
    with uvicorn_of(AsgiTraffic(app)) as url:
        assert httpx.get(url).text == "hello"
    assert events == ["up", "down"]
    assert counts(reported())["request_count"] == 1


@pytest.mark.filterwarnings("default")  # wsgiref's checker warns of what httpx sends
def test_wsgi_is_measured_until_the_answer_is_closed(reported):
    """Under the standard library's server and its checker of the protocol."""

    def app(environ, start_response):
        path = environ["PATH_INFO"]
        if path == "/broken":
            raise ZeroDivisionError
        status = "503 Unavailable" if path == "/unavailable" else "200 OK"
        start_response(status, [("Content-Type", "text/plain")])
        return iter([b"a", b"b"]) if path == "/stream" else [b"hello"]

    measured = WsgiTraffic(validator(app), service="scoring")
    with wsgiref_of(validator(measured)) as url:
        assert httpx.get(f"{url}/score").text == "hello"
        assert httpx.get(f"{url}/unavailable").status_code == 503
        assert httpx.get(f"{url}/stream").content == b"ab"
        assert httpx.get(f"{url}/broken").status_code == 500
    measured.meter.close()
    assert counts(reported()) == EXPECTED


def test_an_answer_of_one_part_keeps_its_length(reported):
    """The server computes it only of an answer whose length it may ask for."""

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"hello"]

    measured = WsgiTraffic(app)
    with wsgiref_of(measured) as url:
        assert httpx.get(url).headers["Content-Length"] == "5"
    measured.meter.close()


def test_an_answer_that_breaks_off_is_a_failure(reported):
    """Its status said otherwise."""

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"a"
        raise ZeroDivisionError

    measured = WsgiTraffic(app)
    answer = measured({}, lambda *_: None)
    with pytest.raises(ZeroDivisionError):
        list(answer)
    answer.close()
    answer.close()
    measured.meter.close()
    assert counts(reported())["failed_request_count"] == 1


def test_files_keep_the_servers_own_way_of_sending(tmp_path):
    """A wrapped file would be read and copied instead."""
    file = tmp_path / "model"
    file.write_bytes(b"weights")

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return environ["wsgi.file_wrapper"](file.open("rb"))

    measured = WsgiTraffic(app)
    answer = measured({"wsgi.file_wrapper": FileWrapper}, lambda *_: None)
    assert isinstance(answer, FileWrapper)
    answer.close()
    measured.meter.close()
