"""Moments are moments, whatever their time zone and whatever the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql, sqlite

from aiops_provider.errors import DataError
from aiops_provider.store.columns import UtcDateTime, microseconds

DIALECTS = [sqlite.dialect(), postgresql.dialect()]
MOMENTS = st.datetimes(
    datetime(1700, 1, 1),  # noqa: DTZ001 -- hypothesis adds the zone
    datetime(2200, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30))]),
)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@given(moment=MOMENTS)
def test_comes_back_in_utc(dialect: object, moment: datetime) -> None:
    """What is written is read again to the microsecond, in UTC."""
    column = UtcDateTime()
    written = column.process_bind_param(moment, dialect)  # type: ignore[arg-type]
    read = column.process_result_value(written, dialect)  # type: ignore[arg-type]
    assert read == moment
    assert read is not None
    assert read.utcoffset() == timedelta(0)


@given(st.lists(MOMENTS, min_size=2, max_size=2))
def test_keeps_their_order(moments: list[datetime]) -> None:
    """On SQLite moments are compared as integers, before and after 1970."""
    first, second = moments
    assert (first < second) == (microseconds(first) < microseconds(second))


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_none_stays_none(dialect: object) -> None:
    """What has not happened yet has no moment."""
    assert UtcDateTime().process_bind_param(None, dialect) is None  # type: ignore[arg-type]
    assert UtcDateTime().process_result_value(None, dialect) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_without_a_time_zone(dialect: object) -> None:
    """A moment without time zone could be hours off and is refused, with the mend."""
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    with pytest.raises(DataError, match=r"2026-01-01T00:00:00.*datetime.now\(UTC\)"):
        UtcDateTime().process_bind_param(naive, dialect)  # type: ignore[arg-type]
