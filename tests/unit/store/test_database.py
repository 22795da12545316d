"""Transactions are tried again where that helps, and only there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from sqlalchemy import Connection, text

from aiops_provider.errors import StoreError
from aiops_provider.store import Store

SQL_OF_A_LOST_CONNECTION = "SELECT pg_terminate_backend(pg_backend_pid())"


@pytest.fixture
def postgres_store(migrated_postgres_url: str) -> Iterator[Store]:
    with closing(Store.open(migrated_postgres_url)) as store:
        yield store


def failing(times: int, sql: str, calls: list[int]) -> Callable[[Connection], str]:
    def work(connection: Connection) -> str:
        calls.append(1)
        connection.execute(
            text("INSERT INTO aiops_state VALUES (:key, '1', now())"), {"key": f"k{len(calls)}"}
        )
        if len(calls) <= times:
            connection.execute(text(sql))
        return "done"

    return work


@pytest.mark.parametrize(
    "sql",
    [
        SQL_OF_A_LOST_CONNECTION,
        "DO $$ BEGIN RAISE EXCEPTION 'deadlock' USING ERRCODE = '40P01'; END $$",
        "DO $$ BEGIN RAISE EXCEPTION 'serialisation' USING ERRCODE = '40001'; END $$",
    ],
)
def test_what_passes_is_tried_again(postgres_store: Store, sql: str) -> None:
    """A deadlock or a restarted server is not noticed by the caller; nothing is written twice."""
    calls: list[int] = []
    assert postgres_store._database.write(failing(2, sql, calls)) == "done"
    assert len(calls) == 3
    assert [postgres_store.get_state(f"k{number}") for number in (1, 2, 3)] == [None, None, 1]


def test_not_for_ever(postgres_store: Store) -> None:
    """A transaction that fails every time is given up."""
    calls: list[int] = []
    with pytest.raises(StoreError, match="does not answer"):
        postgres_store._database.write(failing(99, SQL_OF_A_LOST_CONNECTION, calls))
    assert len(calls) == 4


def test_what_stays_wrong_is_not_tried_again(postgres_store: Store) -> None:
    """A mistake in SQL fails at once, and leaves nothing behind."""
    calls: list[int] = []
    with pytest.raises(StoreError, match="failed: function nothing"):
        postgres_store._database.write(failing(1, "SELECT nothing()", calls))
    assert len(calls) == 1
    assert postgres_store.get_state("k1") is None
