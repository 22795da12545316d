"""Transactions: begun right, tried again where that helps, their errors in words of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

import stamina
from sqlalchemy import Connection

from aiops_provider.store.engine import BUSY_TIMEOUT_S, WRITES, open_engine
from aiops_provider.store.failures import TRANSLATED, passing, translated
from aiops_provider.store.url import parse_url, redact

P = ParamSpec("P")
T = TypeVar("T")

_ATTEMPTS = 4


class Database:
    """
    Runs functions inside transactions; safe to share between threads, and over a fork.

    Args:
        url: See :func:`aiops_provider.store.url.parse_url`.
        busy_timeout_s: How long a transaction waits for the locks of others.

    Raises:
        ConfigurationError: If the URL cannot be used.
    """

    def __init__(self, url: str, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self.url = parse_url(url)
        self.engine = open_engine(self.url, busy_timeout_s=busy_timeout_s)
        self._busy_timeout_s = busy_timeout_s

    @property
    def url_redacted(self) -> str:
        """The URL without its secrets."""
        return redact(self.url)

    def read(
        self, work: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """
        Call ``work(connection, …)`` in a transaction that only reads.

        Raises:
            StoreError: Or one of its kinds; see :mod:`aiops_provider.store.failures`.
        """
        return self._run(False, work, *args, **kwargs)

    def write(
        self, work: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """
        Call ``work(connection, …)`` in a transaction that writes.

        All of it happens or nothing. After a deadlock, a lost connection or a lock that was refused
        at once it is run again, so *work* must be repeatable.

        Raises:
            StoreError: Or one of its kinds; see :mod:`aiops_provider.store.failures`.
        """
        return self._run(True, work, *args, **kwargs)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self.engine.dispose()

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Raise errors of ours instead of SQLAlchemy's and the driver's."""
        try:
            yield
        except TRANSLATED as error:
            raise translated(error, self.url) from error

    def _run(
        self,
        writes: bool,
        work: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        with self.translating():
            # The time-out keeps an attempt that already waited for a lock from being repeated.
            for attempt in stamina.retry_context(
                on=passing,
                attempts=_ATTEMPTS,
                timeout=self._busy_timeout_s,
                wait_initial=0.05,
                wait_max=1.0,
                wait_jitter=0.05,
            ):
                with attempt, self.engine.connect() as connection:
                    marked: Connection = connection.execution_options(**_options(writes))
                    with marked.begin():
                        return work(marked, *args, **kwargs)
        raise AssertionError("unreachable: stamina returns or raises")


def _options(writes: bool) -> dict[str, Any]:
    return {WRITES: writes}
