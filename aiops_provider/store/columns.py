"""Column types that mean the same on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, DateTime, Integer
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from aiops_provider.errors import DataError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# SQLite counts rows by itself only for a column that is INTEGER and nothing else.
RowId = BigInteger().with_variant(Integer(), "sqlite")


def microseconds(moment: datetime) -> int:
    """
    Microseconds since 1970.

    Raises:
        DataError: If the moment has no time zone: it could be hours off.

    >>> microseconds(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    refuse_naive(moment)
    return (moment - _EPOCH) // _MICROSECOND


def refuse_naive(moment: datetime) -> None:
    """Raise DataError if the moment has no time zone."""
    if moment.tzinfo is None:
        raise DataError(
            "a moment without a time zone cannot be stored",
            field="datetime",
            value=moment.isoformat(),
            mend="Give it one, such as datetime.now(UTC)",
        )


class UtcDateTime(TypeDecorator[datetime]):
    """
    A moment in UTC, timezone-aware on the way in and out, to the microsecond.

    ``TIMESTAMP WITH TIME ZONE`` on PostgreSQL. On SQLite, which has no such type, microseconds
    since 1970 as an integer: half the size of a text, compared and sorted without parsing. To read
    one by hand: ``datetime(observed_at / 1e6, 'unixepoch')``.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type of the column on that database."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """
        What is written.

        Raises:
            DataError: If the moment has no time zone: it could be hours off.
        """
        if value is None:
            return None
        if dialect.name == "sqlite":
            return microseconds(value)
        refuse_naive(value)
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """What is read."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return _EPOCH + timedelta(microseconds=value)
        moment: datetime = value
        return moment.astimezone(UTC)
