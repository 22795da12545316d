"""
A data frame in a few kilobytes, and columns of whatever kind of data frame.

A profile is made where the data are, lies beside the model that was trained on them, and is what the
data of later runs are compared with.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from aiops_provider.detection.drift.sketch import Sketch
from aiops_provider.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

# More values than these are names or numbers of something, and no categories.
MOST_CATEGORIES = 1000
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DataProfile:
    """
    Summary of a data frame, a few kilobytes for any number of rows.

    Profiles of partitions add up to the profile of the whole. Numbers are known within a percent of
    themselves: where a column's spread is less than that – years, temperatures in kelvin – compare
    with a frame instead. Categories are kept as they are: keep a profile where its data may lie.

    Attributes:
        numeric: A sketch of each numeric column.
        categories: Rows by value of each other column that has at most 1000 values.
        missing: Rows without a value, by column.
        rows: Number of rows.
    """

    numeric: Mapping[str, Sketch] = field(default_factory=dict)
    categories: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)
    rows: int = 0

    @classmethod
    def of(cls, frame: object, columns: Sequence[str] | None = None) -> Self:
        """
        Summarise a frame.

        Args:
            frame: A data frame that narwhals knows (pandas, polars, pyarrow …), or a mapping of names
                to columns.
            columns: Only these; default: all.

        Raises:
            DataError: It is no data frame, or lacks one of the columns.
        """
        numeric, categories, missing, rows = {}, {}, {}, 0
        for name, values in columns_of(frame, columns).items():
            rows = len(values)
            if is_numeric(values):
                sketch = Sketch.of(values.astype(np.float64))
                numeric[name], missing[name] = sketch, sketch.missing
            else:
                counts, missing[name] = counted(values)
                if len(counts) <= MOST_CATEGORIES:
                    categories[name] = counts
        return cls(numeric=numeric, categories=categories, missing=missing, rows=rows)

    def __add__(self, other: DataProfile) -> DataProfile:
        def added(left: Mapping[str, Any], right: Mapping[str, Any], zero: Any) -> dict[str, Any]:
            names = dict.fromkeys((*left, *right))
            return {name: left.get(name, zero) + right.get(name, zero) for name in names}

        ours, theirs = ({k: Counter(v) for k, v in p.categories.items()} for p in (self, other))
        return DataProfile(
            numeric=added(self.numeric, other.numeric, Sketch()),
            categories=added(ours, theirs, Counter()),
            missing=added(self.missing, other.missing, 0),
            rows=self.rows + other.rows,
        )

    def to_json(self) -> str:
        """As text, to lie beside a model."""
        numeric = {k: {str(b): n for b, n in s.counts.items()} for k, s in self.numeric.items()}
        return json.dumps(
            {
                "format": _FORMAT,
                "rows": self.rows,
                "missing": dict(self.missing),
                "numeric": numeric,
                "categories": {name: dict(counts) for name, counts in self.categories.items()},
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """
        Read what :meth:`to_json` wrote.

        Raises:
            DataError: It is something else.
        """
        try:
            said = _of_this_format(json.loads(text))
            missing = {str(name): int(count) for name, count in said["missing"].items()}
            numeric = {
                name: Sketch({int(b): int(n) for b, n in bins.items()}, missing.get(name, 0))
                for name, bins in said["numeric"].items()
            }
            return cls(
                numeric=numeric,
                categories=said["categories"],
                missing=missing,
                rows=int(said["rows"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                "is no profile of data",
                field="reference",
                value=text[:40],
                mend="Write one with DataProfile.of(frame).to_json()",
            ) from error


def columns_of(frame: object, columns: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
    """
    The columns of a frame as arrays: floats with NaN for what is missing, or objects.

    Raises:
        DataError: It is no data frame, or lacks one of the columns.
    """
    found = _mapping(frame) if isinstance(frame, Mapping) else _data_frame(frame)
    lengths = {len(values) for values in found.values()}
    if len(lengths) > 1:
        raise DataError("has columns of different lengths", field="frame", value=sorted(lengths))
    if columns is None:
        return found
    absent = [name for name in columns if name not in found]
    if absent:
        raise DataError("has no such column", field="columns", value=absent[0])
    return {name: found[name] for name in columns}


def _mapping(frame: Mapping[Any, Any]) -> dict[str, NDArray[Any]]:
    return {str(name): np.asarray(values) for name, values in frame.items()}


def _data_frame(frame: object) -> dict[str, NDArray[Any]]:
    return {str(series.name): _array(series) for series in known_frame(frame).iter_columns()}


def known_frame(frame: object) -> Any:
    """
    The frame as narwhals shows it.

    Raises:
        DataError: It is no data frame.
    """
    import narwhals

    try:
        return narwhals.from_native(frame, eager_only=True)
    except TypeError as error:
        raise DataError(
            "is no data frame",
            field="frame",
            value=type(frame).__name__,
            mend="Give a data frame of pandas, polars or pyarrow, or a mapping of names to columns",
        ) from error


def _array(series: Any) -> NDArray[Any]:
    """Missing numbers become NaN, whatever the library calls them."""
    if series.dtype.is_numeric():
        return np.asarray(series.cast(_float64()).to_numpy(), dtype=np.float64)
    return np.asarray(series.to_list(), dtype=object)


def _float64() -> Any:
    import narwhals

    return narwhals.Float64()


def is_numeric(values: NDArray[Any]) -> bool:
    """Whether a column holds numbers."""
    return bool(np.issubdtype(values.dtype, np.number)) and values.dtype.kind != "c"


def counted(values: Iterable[Any]) -> tuple[Counter[str], int]:
    """Rows by value, and rows without one."""
    counts = Counter(str(value) for value in values if not _is_missing(value))
    return counts, sum(_is_missing(value) for value in values)


def _is_missing(value: object) -> bool:
    # NaN is the only value that differs from itself; pandas' NA answers neither yes nor no.
    return value is None or type(value).__name__ in {"NAType", "NaTType"} or value != value  # noqa: PLR0124


def missing_rows(values: NDArray[Any]) -> int:
    """Rows without a finite number, or without a value."""
    if is_numeric(values):
        return int((~np.isfinite(values.astype(np.float64))).sum())
    return counted(values)[1]


def _of_this_format(said: Any) -> Any:
    if said["format"] != _FORMAT:
        raise ValueError(f"format {said['format']} is not {_FORMAT}")
    return said
