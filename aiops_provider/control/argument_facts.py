"""
What the arguments of a run tell of its input before it starts.

Numbers, lengths, sizes of files and kinds, by the name of the argument. None of them is taken for what a
run needs: the profiler finds out which of them tells runs apart.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from aiops_provider.control.file_sizes import local_path
from aiops_provider.domain.input_facts import (
    INPUT_GIB,
    INPUT_ROWS,
    InputFacts,
    input_facts,
    said_input,
)
from aiops_provider.domain.workload import TaskDescription, input_size
from aiops_provider.profiling.described import with_input_size

FileSizes = Callable[[Iterable[str]], Mapping[str, int]]
"""Bytes of those files of which they are known soon enough."""

_GIB = 2**30
# Names under which people keep the size of a file or a partition beside its name.
_UNITS_IN_GIB = {
    "bytes": 1 / _GIB,
    "kb": 1e3 / _GIB,
    "kib": 2**10 / _GIB,
    "mb": 1e6 / _GIB,
    "mib": 2**20 / _GIB,
    "gb": 1e9 / _GIB,
    "gib": 1.0,
}
_SIZES_IN_BYTES = frozenset({"size", "file_size", "filesize", "content_length", "contentlength"})
_ROWS = frozenset({"rows", "row_count", "n_rows", "num_rows", "nrows", "records", "num_records"})
# What such a name holds goes nowhere, not even as a digest.
_SECRET = re.compile(
    r"pass(wo?r?d|phrase|code)?$|passw|secret|token|credential|api_?key|private|auth", re.IGNORECASE
)
# Longer texts are contents rather than names of a kind.
_LONGEST_KIND = 200
_MOST_ITEMS, _DEEPEST = 100, 2


def facts_of(
    arguments: Mapping[str, Any],
    description: TaskDescription | None = None,
    *,
    file_sizes: FileSizes | None = None,
) -> InputFacts:
    """
    What is known of an input.

    Args:
        arguments: Of a task or a flow, by name.
        description: May say which argument tells the size; a size that it gives counts as well.
        file_sizes: Asked once for all paths among the arguments; without it no file is looked at.

    Returns:
        ``input_gib`` and ``input_rows`` where the description says what tells them, and for each argument
        its number, ``.length``, ``.gib``, ``.rows`` or, of a text, a digest. No text is kept as it is.

    >>> facts_of({"batch": {"rows": 50}, "files": ["a", "b"], "depth": 3})
    (('batch.length', 1.0), ('batch.rows', 50.0), ('depth', 3.0), ('files.length', 2.0))
    """
    paths = {path for value in arguments.values() for path in _paths(value)}
    sizes = file_sizes(sorted(paths)) if file_sizes is not None and paths else {}
    measures: dict[str, float | str] = {}
    for name, value in arguments.items():
        if not names_a_secret(name):
            measures.update(_measures(name, value, sizes, _DEEPEST))
    gib, rows = input_size(description)
    if description is not None and description.input_gib_of is not None:
        gib = _gib_of(_found(arguments, description.input_gib_of), sizes)
    if description is not None and description.input_rows_of is not None:
        rows = _rows_of(_found(arguments, description.input_rows_of))
    said = {INPUT_GIB: gib, INPUT_ROWS: rows}
    measures |= {name: float(size) for name, size in said.items() if size}
    return input_facts(measures)


def names_a_secret(name: str) -> bool:
    """
    Whether what goes by a name may be a secret.

    >>> names_a_secret("api_key"), names_a_secret("rows")
    (True, False)
    """
    return _SECRET.search(name) is not None


def whole_input(facts: InputFacts) -> tuple[float | None, int | None]:
    """
    GiB and rows of an input, as far as its facts tell: what was said of it, else its parts together.

    >>> whole_input((("left.gib", 2.0), ("right.gib", 1.0)))
    (3.0, None)
    """
    known = {name: value for name, value in facts if isinstance(value, float)}

    def of(whole: str, ending: str) -> float | None:
        parts = [value for name, value in known.items() if name.endswith(ending)]
        return known.get(whole) or (math.fsum(parts) if parts else None)

    rows = of(INPUT_ROWS, ".rows")
    return of(INPUT_GIB, ".gib"), None if rows is None else round(rows)


def with_input(description: TaskDescription | None, facts: InputFacts) -> TaskDescription | None:
    """
    A description with the size that an argument tells, where it names one.

    >>> from aiops_provider import Generic
    >>> with_input(Generic(input_gib_of="gib"), (("input_gib", 2.0),)).input_gib
    2.0
    """
    if description is None or not (description.input_gib_of or description.input_rows_of):
        return description
    return with_input_size(description, *said_input(facts))


def _measures(
    name: str, value: Any, sizes: Mapping[str, int], depth: int
) -> Iterator[tuple[str, float | str]]:
    if isinstance(value, (bool, type(None))):
        yield name, _digest(str(value))
    elif isinstance(value, (int, float)):
        number = _number(value)
        if number is not None:
            yield name, number
    elif isinstance(value, str):
        yield from _of_text(name, value, sizes)
    elif isinstance(value, Mapping):
        yield f"{name}.length", float(len(value))
        if depth:
            for key, inner in list(value.items())[:_MOST_ITEMS]:
                if isinstance(key, str) and not names_a_secret(key):
                    yield from _of_key(name, key, inner, sizes, depth - 1)
    elif isinstance(value, Sequence):
        yield f"{name}.length", float(len(value))
        yield from _together(name, value, sizes)


def _of_text(name: str, text: str, sizes: Mapping[str, int]) -> Iterator[tuple[str, float | str]]:
    size = sizes.get(text)
    if size is not None:
        yield f"{name}.gib", size / _GIB
    if len(text) <= _LONGEST_KIND:
        yield name, _digest(text)
    else:
        yield f"{name}.length", float(len(text))


def _of_key(
    name: str, key: str, value: Any, sizes: Mapping[str, int], depth: int
) -> Iterator[tuple[str, float | str]]:
    number = _number(value)
    if number is not None:
        unit = _UNITS_IN_GIB.get(key.lower().rpartition("_")[2])
        if key.lower() in _SIZES_IN_BYTES:
            unit = 1 / _GIB
        if unit is not None:
            yield f"{name}.gib", number * unit
            return
        if key.lower() in _ROWS:
            yield f"{name}.rows", number
            return
    yield from _measures(f"{name}.{key}", value, sizes, depth)


def _together(
    name: str, values: Sequence[Any], sizes: Mapping[str, int]
) -> Iterator[tuple[str, float]]:
    """Of a list its sum: numbers, sizes of files, what is told beside their names."""
    if len(values) > _MOST_ITEMS:
        return
    if values and all(_number(value) is not None for value in values):
        yield f"{name}.sum", math.fsum(_number(value) or 0.0 for value in values)
    gib = [_gib_of(value, sizes) for value in values if isinstance(value, (str, Mapping))]
    if gib and all(size is not None for size in gib):
        yield f"{name}.gib", math.fsum(size or 0.0 for size in gib)


def _gib_of(value: Any, sizes: Mapping[str, int]) -> float | None:
    """The size that a value tells: a number of GiB, a file, a map with a size, a list of such."""
    if isinstance(value, str):
        size = sizes.get(value)
        return None if size is None else size / _GIB
    if isinstance(value, (Mapping, list, tuple)):
        told = dict(_measures("value", value, sizes, 1)).get("value.gib")
        return told if isinstance(told, float) else None
    return _number(value)


def _rows_of(value: Any) -> int | None:
    if isinstance(value, Mapping):
        value = dict(_measures("value", value, {}, 1)).get("value.rows", len(value))
    elif isinstance(value, (list, tuple)):
        return len(value)
    number = _number(value)
    return None if number is None else round(number)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _found(arguments: Mapping[str, Any], place: str) -> Any:
    """The argument of that name, or what a path of names leads to: ``batch.rows``."""
    value: Any = arguments
    for name in place.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _paths(value: Any) -> Iterator[str]:
    """Paths of local files, the first of each value."""
    inner: Iterable[Any] = (value,)
    if isinstance(value, Mapping):
        inner = list(value.values())[:_MOST_ITEMS]
    elif isinstance(value, (list, tuple)):
        inner = value[:_MOST_ITEMS]
    yield from (each for each in inner if isinstance(each, str) and local_path(each) is not None)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=6).hexdigest()
