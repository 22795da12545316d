"""WSGI: ``application = WsgiTraffic(application, service="scoring")``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from aiops_provider.telemetry.serving.traffic import TrafficMeter

_SERVER_ERROR = 500


class WsgiTraffic:
    """
    Measures the requests of a WSGI application, until the server closes their answers.

    Args:
        app: The application.
        **options: As for :class:`TrafficMeter`: ``interval_s``, ``bounds_ms`` and dimensions.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], **options: Any) -> None:
        self.app = app
        self.meter = TrafficMeter(**options)

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Serve a request."""
        status = 0

        def noting(line: str, *arguments: Any, **named: Any) -> Any:
            nonlocal status
            status = int(line[:3]) if line[:3].isdigit() else 0
            return start_response(line, *arguments, **named)

        def ended(*, failed: bool = False) -> None:
            self.meter.end(began, failed=failed or status >= _SERVER_ERROR)

        began = self.meter.begin()
        try:
            body = self.app(environ, noting)
        except BaseException:
            ended(failed=True)
            raise
        sends_files = environ.get("wsgi.file_wrapper")
        if isinstance(sends_files, type) and isinstance(body, sends_files):
            # The server sends such an answer its own way only if it is still of that class.
            ended()
            return body
        return _SizedAnswer(body, ended) if hasattr(body, "__len__") else _Answer(body, ended)


class _Answer:
    """An answer that tells when it is over, whichever of its ways it ends."""

    def __init__(self, body: Iterable[bytes], ended: Callable[..., None]) -> None:
        self._body = body
        self._ended: Callable[..., None] | None = ended
        self._failed = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._body
        except Exception:
            self._failed = True
            raise

    def close(self) -> None:
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            ended, self._ended = self._ended, None
            if ended is not None:
                ended(failed=self._failed)


class _SizedAnswer(_Answer):
    """Servers compute the length of an answer of one part."""

    def __len__(self) -> int:
        return len(self._body)  # type: ignore[arg-type]
