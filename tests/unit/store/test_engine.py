"""Connections that harm neither the host nor one another."""

from __future__ import annotations

import builtins
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from aiops_provider.domain.kpi import KpiSample
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import ConfigurationError, StoreUnreachableError
from aiops_provider.store import Store
from aiops_provider.store.database import Database
from aiops_provider.store.engine import BUSY_TIMEOUT_S

_WAIT_S = 120.0


def _scalar(database: Database, sql: str) -> object:
    return database.read(lambda connection: connection.execute(text(sql)).scalar())


def test_sqlite_is_set_up(tmp_path: Path) -> None:
    """Foreign keys hold, and a transaction waits half a minute for the locks of others."""
    database = Database(f"sqlite:///{tmp_path / 'a.db'}")
    assert _scalar(database, "PRAGMA foreign_keys") == 1
    assert _scalar(database, "PRAGMA busy_timeout") == BUSY_TIMEOUT_S * 1000 == 30_000


def test_postgresql_is_set_up(postgres_url: str) -> None:
    """The session says who it is, reads what is committed and waits half a minute for locks."""
    database = Database(postgres_url)
    assert _scalar(database, "SHOW application_name") == "aiops_provider"
    assert _scalar(database, "SHOW transaction_isolation") == "read committed"
    waits = database.write(
        lambda connection: connection.execute(text("SHOW lock_timeout")).scalar()
    )
    assert waits == "30s"
    assert _scalar(database, "SHOW lock_timeout") == "0"
    database.close()


def test_what_the_url_says_is_kept(postgres_url: str) -> None:
    """Options of the URL win over those that the store would choose."""
    database = Database(f"{postgres_url}&fallback_application_name=mine&connect_timeout=3")
    assert _scalar(database, "SHOW application_name") == "mine"
    database.close()


def test_a_missing_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without psycopg the error says what to install."""
    real = builtins.__import__

    def without_psycopg(name: str, *args: object, **kwargs: object) -> object:
        if name.partition(".")[0] == "psycopg":
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without_psycopg)
    with pytest.raises(ConfigurationError, match=r"pip install 'aiops-provider\[postgres\]'"):
        Store.open("postgresql://db/x")


def test_a_write_waits_for_another_process(tmp_path: Path, sqlite_template: Path) -> None:
    """While a host holds the write lock a write waits, and succeeds when the host is done."""
    file = tmp_path / "shared.db"
    file.write_bytes(sqlite_template.read_bytes())
    store = Store.open(f"sqlite:///{file}")
    with closing(sqlite3.connect(file, isolation_level=None)) as host:
        host.execute("BEGIN IMMEDIATE")
        begun = threading.Event()

        def write() -> None:
            begun.set()
            store.set_state("key", "value")

        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(write)
            assert begun.wait(_WAIT_S)
            assert store.get_state("key") is None
            assert not waiting.done()
            host.execute("COMMIT")
            waiting.result(_WAIT_S)
    assert store.get_state("key") == "value"


def test_a_lock_that_is_never_released(tmp_path: Path, sqlite_template: Path) -> None:
    """After its patience the write gives up, once, and says that the database is locked."""
    file = tmp_path / "shared.db"
    file.write_bytes(sqlite_template.read_bytes())
    store = Store(Database(f"sqlite:///{file}", busy_timeout_s=0.05))
    with closing(sqlite3.connect(file, isolation_level=None)) as host:
        host.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnreachableError, match="database is locked"):
            store.set_state("key", "value")
    store.set_state("key", "value")


def test_a_lock_of_postgresql_that_is_never_released(migrated_postgres_url: str) -> None:
    """The same on PostgreSQL: a table that somebody locked for good does not hang us for good."""
    store = Store(Database(migrated_postgres_url, busy_timeout_s=0.05))
    with store._database.engine.connect() as host:
        host.execute(text("LOCK TABLE aiops_state"))
        with pytest.raises(StoreUnreachableError, match="lock timeout"):
            store.set_state("key", "value")
    store.set_state("key", "value")
    store.close()


_WRITER = """
import sys
from datetime import UTC, datetime
from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.store import Store
store = Store.open(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
now = datetime(2026, 1, 1, tzinfo=UTC)
for number in range(60):
    # Reads, then writes: what fails with "database is locked" in a deferred transaction.
    store.record_executions([
        ExecutionRecord(
            run=TaskRun(TaskKey("dag", "task"), f"r{number % 20}"), cluster=sys.argv[2],
            provider="p", region="r", started_at=now, ended_at=now, outcome=Outcome.SUCCESS,
            input_rows=number,
        )
    ])
    store.version()
store.close()
print("done")
"""


def test_processes_that_share_a_file_of_a_host(tmp_path: Path, sqlite_template: Path) -> None:
    """Three processes that read and write one file with a rollback journal never meet a lock."""
    file = tmp_path / "airflow.db"
    file.write_bytes(sqlite_template.read_bytes())
    with closing(sqlite3.connect(file)) as host:
        assert host.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, f"sqlite:///{file}", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two", "three")
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        outputs = [process.communicate("go\n", timeout=_WAIT_S) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert outputs == [("done\n", "")] * 3
    with closing(sqlite3.connect(file)) as host:
        assert host.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert host.execute("SELECT count(*) FROM aiops_execution").fetchone() == (20,)


_FORKING = """
import os, sys
from aiops_provider.store import Store
store = Store.open(sys.argv[1])
store.set_state("parent", 1)
child = os.fork()
if child == 0:
    store.set_state("child", store.get_state("parent"))
    sys.exit(0)  # with all the clean-up of a real exit: nothing of the parent's may be closed
_, status = os.waitpid(child, 0)
for _ in range(3):
    assert store.get_state("child") == 1
store.close()
print(os.waitstatus_to_exitcode(status))
"""


def test_a_store_survives_a_fork(store_url: str) -> None:
    """Parent and child go on with connections of their own, and neither ends the other's."""
    result = subprocess.run(
        [sys.executable, "-X", "dev", "-c", _FORKING, store_url],
        capture_output=True,
        text=True,
        check=False,
        timeout=_WAIT_S,
    )
    assert (result.stdout, result.stderr) == ("0\n", "")


def test_many_threads_at_once(store: Store) -> None:
    """More threads than connections share one store."""
    now = utc_now()

    def work(number: int) -> int:
        store.add_samples([KpiSample(name="k", observed_at=now, value=float(number))])
        return store.version()

    with ThreadPoolExecutor(24) as pool:
        assert set(pool.map(work, range(60))) == {0}
    assert len(store.samples_after(0, 100)[0]) == 60
