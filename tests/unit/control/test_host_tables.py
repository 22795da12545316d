"""Our tables in a host's database: brought along, looked at, dropped."""

from __future__ import annotations

from contextlib import closing

import pytest
from sqlalchemy import create_engine, inspect, text

from aiops_provider.control import host_tables
from aiops_provider.control.installation import Installation
from aiops_provider.errors import ConfigurationError, StoreError
from aiops_provider.settings.schema import Settings


def opener(url: str, *, host_url: str | None = None, enabled: bool = True):
    settings = Settings.model_validate({"enabled": enabled, "store": url if host_url else None})
    return lambda: Installation.open(settings, default_store_url=host_url or url)


def broken() -> Installation:
    raise ConfigurationError("is not known", field="mode", mend="See the guide.")


def tables(url: str) -> set[str]:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


def test_tables_come_and_go_and_nothing_else_does(empty_url):
    """In the host's own transaction: one that is undone leaves them there."""
    engine = create_engine(empty_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE of_the_host (id INTEGER)"))
    assert not host_tables.is_upgraded(opener(empty_url))
    host_tables.upgrade_store(opener(empty_url))
    assert host_tables.is_upgraded(opener(empty_url))
    everything = tables(empty_url)
    assert set(host_tables.METADATA.tables) | {host_tables.REVISION_TABLE} < everything
    with engine.begin() as connection:
        host_tables.drop_tables(opener(empty_url), connection)
        host_tables.drop_tables(opener(empty_url), connection)
    assert tables(empty_url) == {"of_the_host"}
    engine.dispose()


def test_a_layer_that_is_switched_off_has_no_tables(empty_url):
    """And keeps nobody from starting for their lack."""
    host_tables.upgrade_store(opener(empty_url, enabled=False))
    assert tables(empty_url) == set()
    assert host_tables.is_upgraded(opener(empty_url, enabled=False))


def test_a_store_elsewhere_is_not_dropped_with_the_host(tmp_path):
    """The host resets its own database only."""
    host, ours = (f"sqlite:///{tmp_path / name}.db" for name in ("host", "ours"))
    host_tables.upgrade_store(opener(ours, host_url=host))
    with closing(create_engine(ours).connect()) as connection, connection.begin():
        host_tables.drop_tables(opener(ours, host_url=host), connection)
    assert set(host_tables.METADATA.tables) < tables(ours)


def test_what_is_wrong_with_us_is_told_and_keeps_no_host_from_starting(tmp_path, caplog):
    """A migration is somebody's wish and fails; a check lets the host start without us."""
    with pytest.raises(ConfigurationError):
        host_tables.upgrade_store(broken)
    assert host_tables.is_upgraded(broken)
    assert "The AIOps layer will be off" in caplog.text
    silent = opener("postgresql://nobody@127.0.0.1:1/nothing?connect_timeout=1")
    with pytest.raises(StoreError):
        host_tables.upgrade_store(silent)
    assert host_tables.is_upgraded(silent)
    assert "The store of the AIOps layer cannot be checked" in caplog.text
