"""
Quality of a task's data: what is missing, what is there twice, how old it is, and whether its columns changed.

Judged where the data are; only shares, seconds and names of columns leave the worker. Needs
``aiops-provider[drift]``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from aiops_provider.control.data_profile import columns_of, known_frame, missing_rows
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import DataError
from aiops_provider.telemetry.report import report

if TYPE_CHECKING:
    from numpy.typing import NDArray

NULL_SHARE = "null_share"
DUPLICATE_SHARE = "duplicate_share"
FRESHNESS = "freshness_s"
SCHEMA_CHANGED = "schema_changed"

ADDED, REMOVED = "added", "removed"
# A column without a value in it may be of any type.
_UNKNOWN = "unknown"
_NUMPY_KINDS = {
    **dict.fromkeys("iufc", "number"), "b": "boolean", "U": "text", "S": "bytes", "M": "time",
    "m": "duration",
}  # fmt: skip
_FRAME_TYPES = {
    **dict.fromkeys(("String", "Categorical", "Enum"), "text"), "Binary": "bytes",
    **dict.fromkeys(("Date", "Datetime"), "time"), "Time": "time of day",
}  # fmt: skip
_PYTHON_TYPES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "boolean"),
    (str, "text"),
    (bytes, "bytes"),
    (date, "time"),
    ((int, float), "number"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataQuality:
    """
    What :func:`report_quality` found.

    Attributes:
        rows: Number of rows.
        null_share: Share of rows without a value, by column; empty without rows.
        duplicate_share: Share of rows whose keys an earlier row has; ``None``: no keys, or no rows.
        freshness_s: Seconds since the newest moment; ``None``: no column of moments, or none in it.
        schema: Type of each column: number, text, boolean, time … – whole numbers and fractions are one
            type, for a single missing value turns the former into the latter. ``unknown``: no value.
        changes: What is different from the schema given, by column: ``added``, ``removed``, or as
            ``number → text``.
    """

    rows: int
    null_share: Mapping[str, float]
    duplicate_share: float | None = None
    freshness_s: float | None = None
    schema: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, str] = field(default_factory=dict)


def report_quality(
    frame: object,
    *,
    keys: Sequence[str] = (),
    timestamp: str | None = None,
    schema: Mapping[str, str] | None = None,
    **dimensions: object,
) -> DataQuality:
    """
    Report the quality of a data frame. The frame itself goes nowhere.

    KPIs: ``null_share`` of each column; ``duplicate_share`` over the *keys*; ``freshness_s``, the age
    of the newest *timestamp*; and ``schema_changed`` of each column, 1 where it differs from *schema*,
    else 0, with ``schema_change`` that says how. Of a frame without rows no shares are reported.

    Args:
        frame: As for ``DataProfile.of``.
        keys: Columns that together tell rows apart.
        timestamp: Column of moments or days; one without a time zone is taken for UTC.
        schema: Types by column as they should be, such as ``DataQuality.schema`` of earlier data.
        **dimensions: As for ``report``.

    Raises:
        DataError: *frame* is no data frame, or lacks one of the columns named, or *timestamp* holds
            something else than moments.
    """
    found = quality_of(frame, keys=keys, timestamp=timestamp, schema=schema)
    for name, share in found.null_share.items():
        report(NULL_SHARE, share, **{**dimensions, "column": name})
    if found.duplicate_share is not None:
        report(DUPLICATE_SHARE, found.duplicate_share, **dimensions)
    if found.freshness_s is not None:
        report(FRESHNESS, found.freshness_s, **dimensions)
    for name in dict.fromkeys((*(schema or ()), *found.changes)):
        how = found.changes.get(name)
        report(
            SCHEMA_CHANGED,
            0.0 if how is None else 1.0,
            **{**dimensions, "column": name, "schema_change": how},
        )
    return found


def quality_of(
    frame: object,
    *,
    keys: Sequence[str] = (),
    timestamp: str | None = None,
    schema: Mapping[str, str] | None = None,
    now: datetime | None = None,
) -> DataQuality:
    """
    Judge a frame without reporting anything.

    Args:
        frame: As for :func:`report_quality`.
        keys: Columns that together tell rows apart.
        timestamp: Column of moments or days.
        schema: Types by column as they should be.
        now: The present moment.

    Raises:
        DataError: As for :func:`report_quality`.
    """
    keys = (keys,) if isinstance(keys, str) else tuple(keys)
    known = _Arrays(columns_of(frame)) if isinstance(frame, Mapping) else _Frame(known_frame(frame))
    for name, place in [*((key, "keys") for key in keys), (timestamp, "timestamp")]:
        if name is not None and name not in known.names:
            raise DataError("has no such column", field=place, value=name)
    rows = known.rows
    missing = {name: known.missing(name) for name in known.names}
    types = {
        name: _UNKNOWN if count == rows else known.type_of(name) for name, count in missing.items()
    }
    newest = None
    if timestamp is not None and missing[timestamp] < rows:
        newest = _moment(known.newest(timestamp), timestamp)
    return DataQuality(
        rows=rows,
        null_share={name: count / rows for name, count in missing.items()} if rows else {},
        duplicate_share=1.0 - known.distinct(keys) / rows if rows and keys else None,
        freshness_s=None if newest is None else ((now or utc_now()) - newest).total_seconds(),
        schema=types,
        changes={} if schema is None else _changes(schema, types),
    )


class _Arrays:
    """A mapping of columns."""

    def __init__(self, columns: Mapping[str, NDArray[Any]]) -> None:
        self._columns = columns
        self.names = list(columns)
        self.rows = len(next(iter(columns.values()), ()))

    def missing(self, name: str) -> int:
        return missing_rows(self._columns[name])

    def type_of(self, name: str) -> str:
        values = self._columns[name]
        return _NUMPY_KINDS.get(values.dtype.kind) or _type_of(_present(values))

    def distinct(self, keys: Sequence[str]) -> int:
        return _distinct([self._columns[key] for key in keys])

    def newest(self, name: str) -> Any:
        values = self._columns[name]
        if values.dtype.kind == "M":
            return np.fmax.reduce(values)
        return max(_moment(value, name) for value in _present(values))


class _Frame:
    """A data frame, whose own library does the work: its rows are never made objects if need not be."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self.names = [str(name) for name in frame.columns]
        self.rows = len(frame)

    def missing(self, name: str) -> int:
        series = self._frame[name]
        if series.dtype.is_float():
            return self.rows - int(series.is_finite().sum() or 0)
        return int(series.null_count())

    def type_of(self, name: str) -> str:
        dtype = self._frame[name].dtype
        if dtype.is_numeric():
            return "number"
        if dtype in _opaque():
            return _type_of(self._frame[name].drop_nulls().head(1).to_list())
        said = type(dtype).__name__
        return _FRAME_TYPES.get(said, said.lower())

    def distinct(self, keys: Sequence[str]) -> int:
        chosen = self._frame.select(*keys)
        if any(kind.is_nested() or kind in _opaque() for kind in chosen.schema.values()):
            return _distinct([_objects(chosen[key].to_list()) for key in keys])
        return len(chosen.unique())

    def newest(self, name: str) -> Any:
        series = self._frame[name]
        if series.dtype in _opaque():
            return max(_moment(value, name) for value in series.drop_nulls().to_list())
        return series.max()


def _opaque() -> tuple[Any, ...]:
    """Types of columns that hold any objects, as many of pandas do."""
    import narwhals

    return narwhals.Object, narwhals.Unknown


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for name in dict.fromkeys((*before, *now)):
        if name not in now:
            found[name] = REMOVED
        elif name not in before:
            found[name] = ADDED
        elif before[name] != now[name] and _UNKNOWN not in (before[name], now[name]):
            found[name] = f"{before[name]} → {now[name]}"
    return found


def _type_of(present: Iterable[Any]) -> str:
    first = next(iter(present))
    for types, name in _PYTHON_TYPES:
        if isinstance(first, types):
            return name
    return type(first).__name__


def _present(values: NDArray[Any]) -> Iterator[Any]:
    return (value for value in values if not missing_rows(_objects([value])))


def _objects(values: Sequence[Any]) -> NDArray[Any]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _distinct(columns: Sequence[NDArray[Any]]) -> int:
    """Rows that differ; a missing key is a key like others."""
    ranks = [np.unique(_comparable(values), return_inverse=True)[1] for values in columns]
    return len(np.unique(np.column_stack(ranks), axis=0))


def _comparable(values: NDArray[Any]) -> NDArray[Any]:
    """Text of what cannot be compared or hashed, such as a list."""
    if values.dtype != object:
        return values
    return np.asarray([f"{type(value).__name__} {value}" for value in values])


def _moment(value: Any, name: str) -> datetime:
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise DataError(
        "holds no moments",
        field="timestamp",
        value=f"{name}: {type(value).__name__}",
        mend="Convert the column, for instance with pandas.to_datetime",
    )
