"""Two real processes and one PostgreSQL: a pool is never overfilled, and the dead take nothing along."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.journeys.pool_spender import CORES

_PATIENCE_S = 120.0
_SCRIPT = Path(__file__).with_name("pool_spender.py")
# What ran at each moment at which something started.
_MOST = """
SELECT coalesce(max(total), 0) FROM (
    SELECT sum(other.cores) AS total
    FROM witness AS one JOIN witness AS other ON other.started_at <= one.started_at
        AND (other.ended_at IS NULL OR other.ended_at > one.started_at)
    GROUP BY one.who, one.number
) AS moments
"""


@pytest.fixture
def witness(migrated_postgres_url: str) -> Iterator[psycopg.Connection]:
    with closing(psycopg.connect(migrated_postgres_url, autocommit=True)) as connection:
        connection.execute(
            "CREATE TABLE witness (who text, number int, cores float, started_at timestamptz, "
            "ended_at timestamptz, PRIMARY KEY (who, number))"
        )
        yield connection


@pytest.fixture
def scheduler(migrated_postgres_url: str) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(_SCRIPT), migrated_postgres_url, migrated_postgres_url, name]
        root = str(_SCRIPT.parents[2])
        started.append(subprocess.Popen(command, env={**os.environ, "PYTHONPATH": root}))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait(10)


def number(witness: psycopg.Connection, sql: str, *given: object) -> float:
    row = witness.execute(sql.encode(), given).fetchone()
    assert row is not None
    return float(row[0])


def until(condition: Callable[[], bool], *processes: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert all(process.poll() is None for process in processes), "a scheduler has ended"
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.05)


def test_two_schedulers_share_a_pool_and_one_takes_over(witness, scheduler):
    """Both always want more than there is; one comes later, one is killed while it holds half."""

    def starts(who: str) -> float:
        return number(witness, "SELECT count(*) FROM witness WHERE who = %s", who)

    def largest(who: str) -> float:
        return number(witness, "SELECT coalesce(max(cores), 0) FROM witness WHERE who = %s", who)

    def in_use(who: str) -> float:
        running = "SELECT coalesce(sum(cores), 0) FROM witness WHERE who = %s AND ended_at IS NULL"
        return number(witness, running, who)

    one = scheduler("one")
    until(lambda: starts("one") >= 30, one)
    other = scheduler("other")
    until(lambda: starts("other") >= 60 and starts("one") >= 120, one, other)
    # A task that needs the whole pool gets it from both, although there is always something smaller.
    until(lambda: largest("one") == CORES == largest("other"), one, other)
    assert number(witness, _MOST) <= CORES

    other.kill()
    other.wait(10)
    witness.execute(
        "UPDATE witness SET ended_at = clock_timestamp() WHERE ended_at IS NULL AND who = 'other'"
    )
    until(lambda: in_use("one") == CORES, one)
    assert number(witness, _MOST) <= CORES
