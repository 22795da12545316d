"""ASGI: ``app.add_middleware(AsgiTraffic, service="scoring")``, or ``AsgiTraffic(app)``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from aiops_provider.telemetry.serving.traffic import TrafficMeter

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]

_SERVER_ERROR = 500


class AsgiTraffic:
    """
    Measures the HTTP requests of an ASGI application, to the end of their answers.

    A client that goes away is no failure of the server; an exception and a status from 500 are.

    Args:
        app: The application.
        **options: As for :class:`TrafficMeter`: ``interval_s``, ``bounds_ms`` and dimensions.
    """

    def __init__(
        self, app: Callable[[_Message, _Receive, _Send], Awaitable[None]], **options: Any
    ) -> None:
        self.app = app
        self.meter = TrafficMeter(**options)

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        """Serve a request, or whatever else the server has to say."""
        if scope["type"] == "http":
            await self._measured(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        finally:
            if scope["type"] == "lifespan":
                self.meter.close()

    async def _measured(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        status = 0

        async def noting(message: _Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = self.meter.begin()
        try:
            await self.app(scope, receive, noting)
        except Exception:
            status = _SERVER_ERROR
            raise
        finally:
            self.meter.end(began, failed=status >= _SERVER_ERROR)
