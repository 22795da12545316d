"""Rows of a CSV or JSON-lines file whose every cell can be refused by file, line and column."""

from __future__ import annotations

import csv
import gzip
import json
import math
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from aiops_provider.errors import DataError


@dataclass(frozen=True, slots=True)
class Row:
    """
    One row, its cells checked when they are asked for; every ``DataError`` names file and line.

    Attributes:
        file: As it is named in messages.
        line: From 1.
        values: By column; ``None`` is unknown.
    """

    file: str
    line: int
    values: Mapping[str, Any]

    def wrong(self, field: str, problem: str, mend: str) -> DataError:
        """An error about one of its cells."""
        return DataError(
            problem,
            field=field,
            value=self.values.get(field),
            file=self.file,
            line=self.line,
            mend=mend,
        )

    def text(self, field: str, default: str) -> str:
        """A text, or what stands for none."""
        value = self.values.get(field)
        return default if value is None else str(value)

    def number(self, field: str) -> float | None:
        """A finite number >= 0, or ``None``."""
        value = self.values.get(field)
        if value is None:
            return None
        try:
            number = float("nan") if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = float("nan")
        if not (math.isfinite(number) and number >= 0):
            raise self.wrong(field, "is no number >= 0", "Leave it empty when it is unknown.")
        return number

    def whole(self, field: str) -> int | None:
        """A whole number, or ``None``."""
        value = self.values.get(field)
        if value is None:
            return None
        try:
            return int(str(value))
        except ValueError:
            raise self.wrong(
                field, "is no whole number", "Leave it empty when it is unknown."
            ) from None

    def moment(self, field: str) -> datetime | None:
        """A moment with time zone in UTC, or ``None``."""
        value = self.values.get(field)
        if value is None:
            return None
        return moment_of(str(value), partial(self.wrong, field))


def moment_of(text: str, wrong: Callable[[str, str], DataError]) -> datetime:
    """
    A moment with time zone, in UTC.

    Args:
        text: ISO 8601.
        wrong: Makes the error that is raised, of a problem and how to mend it.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise wrong("is no moment", "Write ISO 8601, such as 2026-01-05T06:30:00Z.") from None
    if moment.tzinfo is None:
        raise wrong("has no time zone", "Append Z for UTC, or +01:00.")
    return in_utc(moment, wrong)


def in_utc(moment: datetime, wrong: Callable[[str, str], DataError]) -> datetime:
    """
    The same moment in UTC.

    Args:
        moment: With time zone.
        wrong: Makes the error that is raised, of a problem and how to mend it.
    """
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise wrong(
            "is in UTC before the year 1 or after the year 9999", "Mend the year."
        ) from None


def read_rows(path: Path) -> Iterator[Row]:
    """
    Read a file row by row.

    Args:
        path: ``*.csv`` with a header line, or ``*.jsonl`` (``*.ndjson``) with an object per line;
            ``*.gz`` of either.

    Raises:
        DataError: At once if the file cannot be read, else at the row that cannot.
    """
    readers = {".csv": _csv_rows, ".jsonl": _json_rows, ".ndjson": _json_rows}
    packed = path.suffix.lower() == ".gz"
    reader = readers.get(Path(path.stem if packed else path.name).suffix.lower())
    if reader is None:
        raise DataError(
            "the file is neither CSV nor JSON lines",
            file=str(path),
            mend="Name it *.csv (with a header line) or *.jsonl (one object per line); *.gz if packed.",
        )
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if packed else content).decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(
            "the file does not exist", file=str(path), mend="Name another one."
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"the file cannot be unpacked: {error}", file=str(path), mend="Pack it anew with gzip."
        ) from error
    except IsADirectoryError:
        raise DataError("is a folder", file=str(path), mend="Name a file in it.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"the file cannot be read: {error}", file=str(path), mend="Save it as UTF-8 text."
        ) from error
    return reader(text, str(path))


def _csv_rows(text: str, file: str) -> Iterator[Row]:
    reader = csv.DictReader(text.splitlines(keepends=True), strict=True)
    try:
        _check_header([name.strip() for name in reader.fieldnames or ()], file)
        for values in reader:
            if None in values or None in values.values():
                raise DataError(
                    "this line has not as many cells as the header",
                    file=file,
                    line=reader.line_num,
                    mend="Quote cells that contain commas.",
                )
            cells = {key.strip(): value.strip() or None for key, value in values.items()}
            yield Row(file, reader.line_num, cells)
    except csv.Error as error:
        raise DataError(
            f"this is not valid CSV: {error}",
            file=file,
            line=reader.line_num,
            mend="Mend the quotes.",
        ) from error


def _check_header(names: Sequence[str], file: str) -> None:
    twice = next((name for name, count in Counter(names).items() if name and count > 1), None)
    if twice is not None:
        raise DataError(
            "there are several columns of this name",
            field=twice,
            file=file,
            line=1,
            mend="Give each column a name of its own.",
        )
    other = next((mark for mark in ";\t" if len(names) == 1 and mark in names[0]), None)
    if other is not None:
        raise DataError(
            f"the columns are separated by {other!r}",
            file=file,
            line=1,
            value=names[0],
            mend="Separate them by commas, and write decimals with a point.",
        )


def _json_rows(text: str, file: str) -> Iterator[Row]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"this is not valid JSON: {error}",
                file=file,
                line=number,
                mend="Write one object per line.",
            ) from error
        if not isinstance(values, dict):
            raise DataError(
                "this line is no JSON object",
                file=file,
                line=number,
                mend='Write {"column": "value", …}.',
            )
        yield Row(file, number, values)
