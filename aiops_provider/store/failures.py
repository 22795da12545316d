"""What a database says, in words of ours: who can mend it, and never with a password."""

from __future__ import annotations

from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError as RefusedDataError
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from aiops_provider.errors import (
    AiopsError,
    DataError,
    StoreError,
    StoreNotMigratedError,
    StoreUnreachableError,
)
from aiops_provider.store.url import redact, scrub

# SQLSTATE classes of PostgreSQL. Unreachable: connection (08), authorisation (28), no such
# database (3D), out of resources (53), shut down (57P), lock not available (55P03), and the two
# that a second attempt usually mends (40001 serialisation, 40P01 deadlock).
_UNREACHABLE_STATES = ("08", "28", "3D", "53", "57P", "55P03", "40")
_MISSING_STATES = ("42P01", "42703", "3F000")  # table, column, schema
_PASSING_STATES = ("40001", "40P01", "57P01")

# Names of SQLite's result codes; extended codes start with the name of their primary code.
_UNREACHABLE_CODES = (
    "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_CANTOPEN", "SQLITE_NOTADB", "SQLITE_IOERR", "SQLITE_PERM",
)  # fmt: skip
_PASSING_CODES = ("SQLITE_BUSY", "SQLITE_LOCKED")

MIGRATE = "run `aiops db upgrade`"


def passing(error: Exception) -> bool:
    """Whether the same transaction, tried again at once, will probably succeed."""
    if not isinstance(error, DBAPIError):
        return False
    return error.connection_invalidated or _has(error.orig, _PASSING_STATES, _PASSING_CODES)


def _has(cause: object, states: tuple[str, ...], codes: tuple[str, ...]) -> bool:
    state = getattr(cause, "sqlstate", None) or ""
    code = getattr(cause, "sqlite_errorname", None) or ""
    return state.startswith(states) or code.startswith(codes)


def translated(error: Exception, url: URL) -> AiopsError:
    """
    The error to raise instead of the one of SQLAlchemy or of a driver.

    Args:
        error: What was caught.
        url: Of the store; its secrets are removed from the message.
    """
    cause = error.orig if isinstance(error, StatementError) else error
    if isinstance(cause, AiopsError):
        return cause
    first_line = next(iter(str(cause).strip().splitlines()), type(cause).__name__)
    words = scrub(first_line, url)
    where = f"The store {redact(url)}"
    if isinstance(error, RefusedDataError) or isinstance(cause, (UnicodeError, OverflowError)):
        return DataError(f"the database refuses the data: {words}")
    if _is_missing(cause, words):
        return StoreNotMigratedError(f"{where} lacks tables of this version ({words}); {MIGRATE}")
    if _is_unreachable(error, cause):
        return StoreUnreachableError(
            f"{where} does not answer: {words}. Check that it runs and that the URL is right"
        )
    return StoreError(f"{where} failed: {words}")


def _is_missing(cause: object, words: str) -> bool:
    state = getattr(cause, "sqlstate", None) or ""
    return state in _MISSING_STATES or words.startswith(("no such table", "no such column"))


def _is_unreachable(error: Exception, cause: object) -> bool:
    if isinstance(error, PoolTimeoutError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if _has(cause, _UNREACHABLE_STATES, _UNREACHABLE_CODES):
        return True
    # psycopg gives no SQLSTATE when there was never a connection.
    return type(cause).__module__.startswith("psycopg") and (
        type(cause).__name__ in ("OperationalError", "ConnectionTimeout")
        and not getattr(cause, "sqlstate", None)
    )


TRANSLATED = (SQLAlchemyError, UnicodeError, OverflowError)
