"""Tables are brought up to date, once, whole, and beside whatever else is in the database."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from aiops_provider.errors import DataError, StoreNotMigratedError, StoreUnreachableError
from aiops_provider.store import Store, schema
from aiops_provider.store.database import Database
from aiops_provider.store.tables import VERSION_TABLE, metadata

_WAIT_S = 120.0


@pytest.fixture
def empty(empty_url: str) -> Iterator[Store]:
    with closing(Store.open(empty_url)) as store:
        yield store


@pytest.fixture
def file_store(tmp_path: Path) -> Store:
    return Store.open(f"sqlite:///{tmp_path / 'sub' / 'folder' / 'aiops.db'}")


def tables(store: Store) -> set[str]:
    with store._database.engine.connect() as connection:
        return set(inspect(connection).get_table_names())


def scalar(store: Store, sql: str) -> object:
    with store._database.engine.connect() as connection:
        return connection.execute(text(sql)).scalar()


def execute(store: Store, *statements: str) -> None:
    def work(connection: Connection) -> None:
        for statement in statements:
            connection.execute(text(statement))

    store._database.write(work)


class TestUpgrade:
    def test_from_nothing(self, empty: Store) -> None:
        """An empty database gets all tables; a second upgrade finds nothing to do."""
        assert empty.revision() is None
        assert empty.upgrade() == (None, empty.head())
        assert empty.upgrade() == (empty.head(), empty.head())
        assert empty.revision() == empty.head()
        empty.check()
        assert tables(empty) == {*metadata.tables, VERSION_TABLE}
        assert empty.version() == 0

    def test_builds_what_the_code_expects(self, empty: Store) -> None:
        """The migrated tables are those of the metadata: columns, types, indexes, constraints."""
        empty.upgrade()
        with empty._database.engine.connect() as connection:
            options = {"compare_type": True, "version_table": VERSION_TABLE}
            context = MigrationContext.configure(connection, opts=options)
            assert compare_metadata(context, metadata) == []
            found = inspect(connection)
            for table in metadata.sorted_tables:
                uniques = {c["name"] for c in found.get_unique_constraints(table.name)}
                expected = {
                    c.name for c in table.constraints if c.__visit_name__ == "unique_constraint"
                }
                assert uniques == expected
                key = found.get_pk_constraint(table.name)["constrained_columns"]
                assert key == [column.name for column in table.primary_key]

    def test_down_and_up_again(self, empty: Store) -> None:
        """A downgrade takes away what the upgrade made, and nothing but that."""
        empty.upgrade()
        execute(empty, "CREATE TABLE of_the_host (id INTEGER)")

        def downgrade(connection: Connection) -> None:
            config = schema._config()
            config.attributes["connection"] = connection
            command.downgrade(config, "base")

        empty._database.write(downgrade)
        assert tables(empty) == {VERSION_TABLE, "of_the_host"}
        assert empty.upgrade() == (None, empty.head())

    def test_leaves_a_host_alone(self, empty: Store) -> None:
        """In a host's database its tables, and its own Alembic's, stay what they are."""
        execute(
            empty,
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
            "INSERT INTO alembic_version VALUES ('of_the_host')",
            "CREATE TABLE dag (id INTEGER PRIMARY KEY, payload TEXT)",
            "INSERT INTO dag VALUES (1, 'x')",
        )
        mode = "PRAGMA journal_mode" if empty.dialect == "sqlite" else "SELECT 'delete'"
        assert scalar(empty, mode) == "delete"
        empty.upgrade()
        assert scalar(empty, "SELECT version_num FROM alembic_version") == "of_the_host"
        assert scalar(empty, "SELECT payload FROM dag") == "x"
        assert tables(empty) == {*metadata.tables, VERSION_TABLE, "alembic_version", "dag"}
        assert scalar(empty, mode) == "delete"

    def test_all_of_it_or_nothing(self, empty: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """An upgrade that fails halfway leaves an empty database, which can be upgraded later."""
        upgrade = command.upgrade

        def upgrade_and_fail(*arguments: object) -> None:
            upgrade(*arguments)  # type: ignore[arg-type]
            raise DataError("the lights went out")

        with monkeypatch.context() as patched:
            patched.setattr(command, "upgrade", upgrade_and_fail)
            with pytest.raises(DataError, match="lights"):
                empty.upgrade()
        assert tables(empty) == set()
        empty.upgrade()
        empty.check()

    def test_threads_at_once(self, empty_url: str) -> None:
        """Threads of one process that upgrade at once all succeed, one of them does it."""
        stores = [Store.open(empty_url) for _ in range(4)]
        with ThreadPoolExecutor(4) as pool:
            results = list(pool.map(lambda store: store.upgrade(), stores))
        assert sorted(before is None for before, _ in results) == [False, False, False, True]
        for store in stores:
            store.check()
            store.close()

    def test_processes_at_once(self, empty_url: str) -> None:
        """Processes that start at once and all upgrade succeed, one of them does it."""
        code = (
            "import sys\nfrom aiops_provider.store import Store\n"
            "store = Store.open(sys.argv[1])\nstore.head()\n"
            "print('ready', flush=True)\nsys.stdin.readline()\n"
            "print(store.upgrade()[0])\nstore.check()\nstore.close()\n"
        )
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", code, empty_url],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(3)
        ]
        try:
            for process in processes:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
            for process in processes:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
            outputs = [process.communicate(timeout=_WAIT_S) for process in processes]
        finally:
            for process in processes:
                process.kill()
                process.wait()
        head = schema.head()
        assert sorted(outputs) == sorted([("None\n", ""), (f"{head}\n", ""), (f"{head}\n", "")])


class TestSqliteFile:
    def test_the_folder_is_made_and_the_file_logs_ahead(self, file_store: Store) -> None:
        """A file of our own is created with its folders and lets readers and a writer coexist."""
        file_store.upgrade()
        assert scalar(file_store, "PRAGMA journal_mode") == "wal"

    def test_asking_does_not_create_it(self, file_store: Store, tmp_path: Path) -> None:
        """To ask for the revision, or to check, leaves no empty file behind."""
        assert file_store.revision() is None
        with pytest.raises(
            StoreNotMigratedError, match=r"has no tables yet; run `aiops db upgrade`"
        ):
            file_store.check()
        assert list(tmp_path.iterdir()) == []

    def test_a_mode_that_cannot_be_changed_is_left(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        """While another process reads the file its mode stays, and the upgrade succeeds."""
        database = Database(f"sqlite:///{tmp_path / 'aiops.db'}", busy_timeout_s=0.05)
        with monkeypatch.context() as patched:
            patched.setattr(schema, "_prefer_write_ahead_log", lambda _database: None)
            schema.upgrade(database)
        with database.engine.connect() as reader, caplog.at_level("INFO"):
            reader.execute(text("SELECT * FROM aiops_in_force")).all()
            assert schema.upgrade(database) == (schema.head(), schema.head())
            assert reader.execute(text("PRAGMA journal_mode")).scalar() == "delete"
        assert "stays in journal mode" in caplog.text


class TestCheck:
    def test_a_newer_version_was_here(self, store: Store) -> None:
        """Tables of a newer version are left alone; the error says to upgrade the package."""
        execute(store, "UPDATE aiops_alembic_version SET version_num = 'from_the_future'")
        for ask in (store.check, store.upgrade):
            with pytest.raises(StoreNotMigratedError, match=r"from_the_future.*newer version"):
                ask()

    def test_an_older_version_was_here(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        """Tables of an older version are told with both revisions and the command to run."""
        needed, known = "9999", store.head()
        monkeypatch.setattr(schema, "head", lambda: needed)
        with pytest.raises(
            StoreNotMigratedError, match=f"is at revision {known}, 9999 is needed; run `aiops db up"
        ):
            store.check()

    def test_a_server_that_hangs_up(self, postgres_url: str) -> None:
        """Not being able to ask is another error than having no tables."""
        store = Store.open(postgres_url.replace("host=", "host=/nowhere"))
        with pytest.raises(StoreUnreachableError):
            store.check()
        store.close()

    def test_the_only_row_is_missing(self, store: Store) -> None:
        """A counter without its row is told like missing tables."""
        execute(store, "DELETE FROM aiops_in_force")
        with pytest.raises(StoreNotMigratedError, match="aiops_in_force is empty"):
            store.version()


def test_one_line_of_revisions() -> None:
    """There is one head, and one way to it."""
    scripts: ScriptDirectory = schema._scripts()
    assert scripts.get_heads() == [schema.head()]
    assert len(scripts.get_bases()) == 1
