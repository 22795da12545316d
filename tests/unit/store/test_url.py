"""One spelling of a store's URL, and never its password."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiops_provider.errors import ConfigurationError
from aiops_provider.store import Store
from aiops_provider.store.url import parse_url, redact, scrub, sqlite_file

SECRET = "h%40sh/ed"  # as written in a URL; the password is h@sh/ed


@pytest.mark.parametrize(
    ("written", "driver"),
    [
        ("postgres://me@db/aiops", "postgresql+psycopg"),
        ("postgresql://me@db/aiops", "postgresql+psycopg"),
        ("postgresql+psycopg://me@db/aiops", "postgresql+psycopg"),
        ("postgresql+psycopg2://me@db/aiops", "postgresql+psycopg"),
        ("postgresql+asyncpg://me@db/aiops", "postgresql+psycopg"),
        ("sqlite:////tmp/a.db", "sqlite"),
        ("sqlite+aiosqlite:////tmp/a.db", "sqlite"),
    ],
)
def test_the_driver_is_the_one_we_ship(written: str, driver: str) -> None:
    """However a host spells its URL, the store talks through psycopg or pysqlite."""
    assert parse_url(written).drivername == driver


def test_a_relative_path_is_taken_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that was opened does not move with the working directory."""
    monkeypatch.chdir(tmp_path)
    assert sqlite_file(parse_url("sqlite:///sub/a.db")) == tmp_path / "sub" / "a.db"


@pytest.mark.parametrize("url", ["postgresql://db/x", "sqlite:///file:/tmp/a.db?uri=true"])
def test_no_file_to_speak_of(url: str) -> None:
    """PostgreSQL has no file, and SQLite's own URIs are left to SQLite."""
    assert sqlite_file(parse_url(url)) is None


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mysql://me:hush@db/x", "only SQLite and PostgreSQL are supported .got 'mysql'"),
        ("sqlite://", "in-memory"),
        ("sqlite:///:memory:", "in-memory"),
        ("sqlite:///file:x?mode=memory&uri=true", "in-memory"),
        ("no url, but hush", "this is no database URL"),
        ("postgresql://me:hush@db:hush/x", "this is no database URL"),
        ("nosuchdb://me:hush@db/x", "only SQLite and PostgreSQL"),
    ],
)
def test_a_url_that_cannot_be_used(url: str, problem: str) -> None:
    """The error names the setting, says what to write instead, and quotes no password."""
    with pytest.raises(ConfigurationError, match=f"store: .*{problem}") as refused:
        Store.open(url)
    assert "hush" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert "sqlite:////absolute/path.db" in str(refused.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"postgres://me:{SECRET}@db:5433/aiops", "postgresql+psycopg://me:***@db:5433/aiops"),
        ("postgres://db/x?sslpassword=a&password=b&sslmode=require",
         "postgresql+psycopg://db/x?sslmode=require"),
        ("sqlite:////tmp/a.db", "sqlite:////tmp/a.db"),
    ],
)  # fmt: skip
def test_redacted(url: str, shown: str) -> None:
    """The URL is shown with everything but what is secret."""
    assert redact(parse_url(url)) == shown
    with_store = Store.open(url)
    assert repr(with_store) == f"Store({shown!r})"
    assert with_store.url_redacted == shown
    with_store.close()


def test_every_spelling_of_a_secret_is_scrubbed() -> None:
    """A message of a driver may quote the password raw or as it stands in the URL."""
    url = parse_url(f"postgres://me:{SECRET}@db/x?sslpassword=pass word")
    text = "h@sh/ed h%40sh%2Fed pass word pass%20word pass+word db"
    assert scrub(text, url) == "*** *** *** *** *** db"
