"""
Which tables the database has, and bringing them up to this version's.

Revisions are recorded in a table of our own, so that a host's migrations in the same database know
nothing of ours. An upgrade is one transaction under a lock: several processes may start one at the
same time, and one that fails leaves nothing behind.
"""

from __future__ import annotations

import logging
import sqlite3
from functools import cache
from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, inspect, select, table, text

from aiops_provider.errors import StoreNotMigratedError, StoreUnreachableError
from aiops_provider.store.database import Database
from aiops_provider.store.failures import MIGRATE
from aiops_provider.store.tables import TABLE_PREFIX, VERSION_TABLE, metadata
from aiops_provider.store.url import sqlite_file

logger = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"

# "aiops" in ASCII, and 2 for upgrade; 1 is ingest.
_UPGRADE_LOCK = 0x61696F7073_02
_UPGRADE_PATIENCE_S = 600
_SWITCH_PATIENCE_MS = 500

_version = table(VERSION_TABLE, column("version_num"))

# Alembic keeps the migration that is running in module globals.
_one_at_a_time = Lock()


def head() -> str:
    """The revision that this version of the package needs."""
    found = _scripts().get_current_head()
    assert found is not None  # noqa: S101 -- the package ships at least one revision
    return found


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def revision(database: Database) -> str | None:
    """The revision of the database; ``None`` without our tables, or when there is no file yet."""
    file = sqlite_file(database.url)
    if file is not None and not file.exists():
        return None  # connecting would create it
    return database.read(_revision)


def _revision(connection: Connection) -> str | None:
    # Not by Alembic, which would log two lines about its dialect at every look.
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.execute(select(_version.c.version_num)).scalar()
    return found


def check(database: Database) -> None:
    """
    Make sure that the tables are the ones that this version needs.

    Raises:
        StoreUnreachableError: If the database does not answer.
        StoreNotMigratedError: If its tables are missing, older or newer.
    """
    found, needed = revision(database), head()
    if found == needed:
        return
    where = f"The store {database.url_redacted}"
    if found is None:
        raise StoreNotMigratedError(f"{where} has no tables yet; {MIGRATE}")
    if found not in {script.revision for script in _scripts().walk_revisions()}:
        raise StoreNotMigratedError(
            f"{where} is at revision {found}, which this version of aiops-provider does not know "
            f"(it needs {needed}): a newer version upgraded it. Upgrade aiops-provider here too, "
            f"then {MIGRATE}"
        )
    raise StoreNotMigratedError(f"{where} is at revision {found}, {needed} is needed; {MIGRATE}")


def upgrade(database: Database) -> tuple[str | None, str]:
    """
    Bring the tables up to date; nothing happens when they are.

    Creates the folder of an SQLite file. A file that holds nothing but our tables is switched to
    write-ahead logging, so that readers and the writer do not wait for each other; a file that we
    share keeps the mode that its owner chose.

    Returns:
        Revision before (``None``: no tables) and after.

    Raises:
        StoreUnreachableError: If the database does not answer.
        StoreNotMigratedError: If a newer version of the package upgraded it.
    """
    file = sqlite_file(database.url)
    if file is not None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnreachableError(
                f"The store {database.url_redacted} does not answer: {error}. Check its path"
            ) from error
    before = revision(database)
    if before != head():  # looked at first: even an empty transaction that writes disturbs readers
        with _one_at_a_time:
            before = database.write(_upgrade)
        check(database)
    if file is not None:
        _prefer_write_ahead_log(database)
    return before, head()


def drop(connection: Connection) -> None:
    """
    Drop our tables, and nothing else, in the caller's transaction.

    Args:
        connection: To whichever database; tables that are not there are no error.
    """
    metadata.drop_all(connection)
    connection.execute(text(f"DROP TABLE IF EXISTS {VERSION_TABLE}"))


def _upgrade(connection: Connection) -> str | None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{_UPGRADE_PATIENCE_S}s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _UPGRADE_LOCK})
    before = _revision(connection)
    known = {script.revision for script in _scripts().walk_revisions()}
    if before != head() and (before is None or before in known):
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return before


def _prefer_write_ahead_log(database: Database) -> None:
    with database.translating(), database.engine.connect() as connection:
        names = inspect(connection).get_table_names()
        if any(not name.startswith(TABLE_PREFIX) for name in names):
            return
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
    if mode != "wal" and not _switched(database):
        logger.info(
            "%s stays in journal mode %s until the next upgrade", database.url_redacted, mode
        )


def _switched(database: Database) -> bool:
    # Outside a transaction, as SQLite demands, hence past SQLAlchemy.
    raw = database.engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_SWITCH_PATIENCE_MS}")
        (mode,) = cursor.execute("PRAGMA journal_mode = WAL").fetchone()
    except sqlite3.OperationalError as error:
        logger.debug("no write-ahead log: %s", error)  # somebody uses the file right now
        return False
    finally:
        raw.close()
    return bool(mode == "wal")
