"""Where the store is: one spelling for every way to write its URL, and one without secrets."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, quote_plus

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from aiops_provider.errors import ConfigurationError

_MEND = "Give sqlite:////absolute/path.db or postgresql://user:password@host/database"

# Backend as written → driver that we ship. Airflow's metadata URL often names psycopg2 or asyncpg.
_DRIVERS = {
    "sqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
}
_SECRET_WORDS = ("password", "secret", "token")


def parse_url(text: str) -> URL:
    """
    Read a URL and choose the driver: pysqlite for SQLite, psycopg for PostgreSQL.

    A relative SQLite path is taken from the present working directory, once and for all.

    Raises:
        ConfigurationError: If it is no URL, names another database, or an in-memory one, which
            would be gone with its process.

    >>> parse_url("postgres://me@db/aiops").drivername
    'postgresql+psycopg'
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Without the cause: its message may quote the text, and with it the password.
        raise ConfigurationError("this is no database URL", field="store", mend=_MEND) from None
    backend = url.drivername.partition("+")[0]
    if backend not in _DRIVERS:
        raise ConfigurationError(
            "only SQLite and PostgreSQL are supported", field="store", value=backend, mend=_MEND
        )
    url = url.set(drivername=_DRIVERS[backend])
    return _with_absolute_path(url) if backend == "sqlite" else url


def _with_absolute_path(url: URL) -> URL:
    if not url.database or ":memory:" in url.database or url.query.get("mode") == "memory":
        raise ConfigurationError(
            "an in-memory database is lost with its process and not seen by others",
            field="store",
            mend=_MEND,
        )
    if url.database.startswith("file:"):
        return url
    return url.set(database=str(Path(url.database).expanduser().absolute()))


def sqlite_file(url: URL) -> Path | None:
    """The file of an SQLite URL; ``None`` for PostgreSQL and for SQLite's own ``file:`` URIs."""
    if url.get_backend_name() != "sqlite" or not url.database or url.database.startswith("file:"):
        return None
    return Path(url.database)


def redact(url: URL) -> str:
    """
    Write the URL without its password and without options that may hold one.

    >>> redact(parse_url("postgresql://me:hush@db/aiops?sslpassword=hush"))
    'postgresql+psycopg://me:***@db/aiops'
    """
    hidden = [name for name in url.query if any(word in name.lower() for word in _SECRET_WORDS)]
    return url.difference_update_query(hidden).render_as_string(hide_password=True)


def scrub(text: str, url: URL) -> str:
    """Remove every spelling of the URL's secrets from a text of somebody else's making."""
    secrets = [str(url.password)] if url.password else []
    for name, value in url.query.items():
        if any(word in name.lower() for word in _SECRET_WORDS):
            secrets.extend([value] if isinstance(value, str) else value)
    for secret in secrets:
        for spelling in {secret, quote(secret, safe=""), quote_plus(secret)}:
            text = text.replace(spelling, "***")
    return text
