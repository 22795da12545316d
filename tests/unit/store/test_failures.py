"""What a database says, in words that tell who can mend it."""

from __future__ import annotations

import logging
import socket
import traceback
from pathlib import Path

import pytest
from sqlalchemy.pool import QueuePool

from aiops_provider.domain.plan import Mode, Placement, Route, RouteCode, RouteReason
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import (
    AiopsError,
    DataError,
    StoreError,
    StoreNotMigratedError,
    StoreUnreachableError,
)
from aiops_provider.store import Store
from aiops_provider.store.database import Database

SECRET = "s3cr3t-of-the-store"


def _closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.mark.parametrize("question", ["check", "version", "upgrade", "set_state"])
def test_a_server_that_is_not_there(question: str, caplog: pytest.LogCaptureFixture) -> None:
    """The error names the database and what to check; the password is nowhere to be found."""
    caplog.set_level(logging.DEBUG)
    port = _closed_port()
    store = Store.open(f"postgresql://me:{SECRET}@127.0.0.1:{port}/aiops")
    arguments = ("key", 1) if question == "set_state" else ()
    with pytest.raises(StoreUnreachableError) as failure:
        getattr(store, question)(*arguments)
    store.close()
    message = str(failure.value)
    assert f"postgresql+psycopg://me:***@127.0.0.1:{port}/aiops does not answer" in message
    assert "Check that it runs" in message
    told = "".join(traceback.format_exception(failure.value)) + caplog.text + repr(store)
    assert SECRET not in told


def test_a_database_that_is_not_there(postgres_url: str) -> None:
    """A server without that database is told like one that is down, with the server's reason."""
    url = postgres_url.replace("/test_", "/nosuch_").replace(":none@", f":{SECRET}@")
    store = Store.open(url)
    with pytest.raises(StoreUnreachableError, match=r'database "nosuch_.*" does not exist') as told:
        store.check()
    assert SECRET not in str(told.value)
    store.close()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """A file of something else is not touched, and the error says what is wrong."""
    file = tmp_path / "notes.txt"
    file.write_text("not a database, but long enough to be taken for one" * 20)
    store = Store.open(f"sqlite:///{file}")
    with pytest.raises(StoreUnreachableError, match="file is not a database"):
        store.check()
    assert file.read_text().startswith("not a database")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """Reading from a file in a missing folder says that it cannot be opened."""
    store = Store.open(f"sqlite:///{tmp_path / 'none' / 'a.db'}")
    with pytest.raises(StoreUnreachableError, match="unable to open database file"):
        store.version()


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    """A path that is a folder is told as such a failure, by the upgrade too."""
    with pytest.raises(StoreUnreachableError, match="unable to open database file"):
        Store.open(f"sqlite:///{tmp_path}").upgrade()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """The upgrade cannot create a folder below a file, and names both problem and store."""
    (tmp_path / "file").write_text("")
    store = Store.open(f"sqlite:///{tmp_path / 'file' / 'sub' / 'a.db'}")
    with pytest.raises(StoreUnreachableError, match=r"a\.db does not answer: .*Not a directory"):
        store.upgrade()


def test_tables_that_are_missing(empty_url: str) -> None:
    """Before the first upgrade every question is answered with the command to run."""
    store = Store.open(empty_url)
    for ask in (store.check, store.version, store.profiles, lambda: store.set_state("a", 1)):
        with pytest.raises(StoreNotMigratedError, match="run `aiops db upgrade`"):
            ask()
    store.close()


@pytest.mark.parametrize(
    "run",
    [
        TaskRun(TaskKey("dag", "\ud800 half of a character"), "r"),
        TaskRun(TaskKey("dag", "task"), "r", map_index=2**70),
    ],
    ids=["text", "number"],
)
def test_data_that_no_database_takes(store: Store, run: TaskRun) -> None:
    """What the driver cannot send is the sender's mistake, not the store's."""
    route = Route(
        task=run.task,
        cluster="eks",
        pool="default",
        request=ResourceRequest(cores=1, memory_gib=1),
        reason=RouteReason(code=RouteCode.PLAN, sentence=""),
    )
    placement = Placement(
        run=run,
        epoch=1,
        route=route,
        mode=Mode.ENFORCE,
        applied=True,
        cluster="eks",
        placed_at=utc_now(),
    )
    with pytest.raises(DataError, match="the database refuses the data"):
        store.record_placements([placement])
    assert store.placements() == []


def test_too_many_threads_for_too_long(migrated_postgres_url: str) -> None:
    """When every connection stays in use the store says that it cannot be reached."""
    database = Database(migrated_postgres_url)
    one = QueuePool(database.engine.pool._creator, pool_size=1, max_overflow=0, timeout=0.01)
    database.engine.pool = one
    with database.engine.connect(), pytest.raises(StoreUnreachableError, match="QueuePool limit"):
        database.read(lambda connection: connection.exec_driver_sql("SELECT 1"))
    database.close()


def test_anything_else(store: Store) -> None:
    """An error of ours in SQL is a plain error of the store, with the database's words."""
    with pytest.raises(StoreError, match=r"failed: .*syntax error") as failure:
        store._database.read(lambda connection: connection.exec_driver_sql("SELEKT 1"))
    assert type(failure.value) is StoreError


def test_errors_of_ours_go_through(store: Store) -> None:
    """What the package raises itself is not wrapped."""

    def refuse(_connection: object) -> None:
        raise AiopsError("as it is")

    with pytest.raises(AiopsError, match=r"^as it is$"):
        store._database.write(refuse)
