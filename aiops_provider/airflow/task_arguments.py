"""
The arguments of a task's instances, as far as Airflow's serialized DAG and its XComs tell them.

Literals stand in the serialized DAG; what a mapped task expands over is there too, or what it came from.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MAP_LENGTH = "map_length"
# Longer literals are given up: they would be kept in memory for every version of their DAG.
_MOST_ELEMENTS = 2_000
_DICT_OF_LISTS, _LIST_OF_DICTS = "dict-of-lists", "list-of-dicts"
_XCOM = "xcomref"

XComs = Mapping[tuple[str, str], Any]
"""What tasks of the same run have returned, by task and key; of a mapped one a list."""


@dataclass(frozen=True, slots=True)
class _Reference:
    """What an upstream task returns, or what Airflow makes of several of that."""

    kind: str
    task: str = ""
    key: str = ""
    parts: tuple[_Reference, ...] = ()
    fill: bool = False

    @property
    def upstream(self) -> frozenset[tuple[str, str]]:
        if self.task:
            return frozenset({(self.task, self.key)})
        return frozenset(each for part in self.parts for each in part.upstream)

    def value(self, xcoms: XComs) -> Any:
        """``None`` while it is unknown. Of a transformed list the elements are those before it."""
        if self.task:
            return xcoms.get((self.task, self.key))
        values = [part.value(xcoms) for part in self.parts]
        if self.kind == "map":
            return values[0]
        if not all(isinstance(value, (Sequence, Mapping)) for value in values):
            return None
        lists = [_elements(value) for value in values]
        if self.kind == "concat":
            return list(itertools.chain(*lists))
        return list(itertools.zip_longest(*lists) if self.fill else zip(*lists, strict=False))


@dataclass(frozen=True, slots=True)
class TaskArguments:
    """
    How the arguments of one task come about.

    Attributes:
        same: Literals that all of its instances get.
        expands: By what a mapped task is expanded; ``None``: it is not mapped, or nothing is known.
        kind: Airflow's name for that.
    """

    same: Mapping[str, Any] = field(default_factory=dict)
    expands: Any = None
    kind: str = ""

    def __bool__(self) -> bool:
        return bool(self.same) or self.expands is not None

    @property
    def upstream(self) -> frozenset[tuple[str, str]]:
        """The XComs without which they are not known, by task and key."""
        within = self.expands
        if isinstance(within, Mapping):
            within = list(within.values())
        each = within if isinstance(within, list) else [within]
        return frozenset(
            xcom for one in each if isinstance(one, _Reference) for xcom in one.upstream
        )

    def of(self, map_index: int, xcoms: XComs) -> dict[str, Any]:
        """
        The arguments of one instance; those that are not known are left out.

        Args:
            map_index: -1 for a task that is not mapped.
            xcoms: At least :attr:`upstream`, as far as there are any.
        """
        if map_index < 0 or self.expands is None:
            return dict(self.same)
        if self.kind == _LIST_OF_DICTS:
            rows = _resolved(self.expands, xcoms)
            known = {MAP_LENGTH: len(rows)} if isinstance(rows, (Sequence, Mapping)) else {}
            row = _resolved(_at(rows, map_index), xcoms)
            own = row if isinstance(row, Mapping) else {}
        else:
            columns = {name: _resolved(value, xcoms) for name, value in self.expands.items()}
            known, own = {}, {}
            if all(isinstance(column, (Sequence, Mapping)) for column in columns.values()):
                known[MAP_LENGTH] = math.prod(len(column) for column in columns.values())
                own = _of_columns(columns, map_index)
        named = {str(name): value for name, value in own.items()}
        return {**known, **self.same, **named}


def arguments_of(told: Mapping[str, Any]) -> TaskArguments:
    """
    The arguments of a task, of a Python task those of its function.

    Args:
        told: The task as Airflow's serialization has it, both of 3.2 and 3.3.
    """
    mapped = bool(told.get("_is_mapped"))
    given = _plain(told.get("partial_kwargs") or {}) if mapped else told
    same = _literals(_plain(given.get("op_kwargs") or {}))
    positional = _plain(given.get("op_args") or ())
    same |= _literals({str(number): value for number, value in enumerate(positional)})
    if not mapped:
        return TaskArguments(same)
    expands = _plain(told.get(told.get("_expand_input_attr") or "expand_input") or {})
    if _size(expands.get("value")) > _MOST_ELEMENTS:
        return TaskArguments(same)
    value, kind = _parsed(expands.get("value")), str(expands.get("type"))
    fits = isinstance(value, Mapping) if kind == _DICT_OF_LISTS else kind == _LIST_OF_DICTS
    return TaskArguments(same, value, kind) if fits else TaskArguments(same)


def given_arguments(task: Any) -> dict[str, Any]:
    """
    The arguments of a task that is about to run in this process, under the names of :func:`arguments_of`.

    Args:
        task: As Airflow has unmapped and rendered it; only Python tasks have any.
    """
    positional = enumerate(getattr(task, "op_args", None) or ())
    given = {str(number): value for number, value in positional}
    return {**given, **(getattr(task, "op_kwargs", None) or {})}


def _of_columns(columns: Mapping[str, Any], map_index: int) -> dict[str, Any]:
    """Every combination, the last argument changing first, as Airflow counts them."""
    own: dict[str, Any] = {}
    for name in reversed(list(columns)):
        length = len(columns[name])
        if length < 1:
            return {}
        map_index, place = divmod(map_index, length)
        own[name] = _at(columns[name], place)
    return own


def _at(value: Any, place: int) -> Any:
    if not isinstance(value, (Sequence, Mapping)) or isinstance(value, str):
        return None
    elements = _elements(value)
    return elements[place] if place < len(elements) else None


def _elements(value: Sequence[Any] | Mapping[Any, Any]) -> Sequence[Any]:
    return list(value.items()) if isinstance(value, Mapping) else value


def _resolved(value: Any, xcoms: XComs) -> Any:
    return value.value(xcoms) if isinstance(value, _Reference) else value


def _parsed(value: Any) -> Any:
    """Without envelopes, and with references for what comes from other tasks."""
    if isinstance(value, Mapping) and "__var" in value:
        within = value["__var"]
        if value.get("__type") == _XCOM:
            return _reference(within)
        return _parsed(within)
    if isinstance(value, Mapping):
        return {str(name): _parsed(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_parsed(each) for each in value]
    return value


def _reference(told: Mapping[str, Any]) -> _Reference:
    kind = str(told.get("type") or "")
    if kind == "map":
        return _Reference(kind, parts=(_reference(told["arg"]),))
    if kind in {"zip", "concat"}:
        parts = tuple(_reference(each) for each in told["args"])
        return _Reference(kind, parts=parts, fill="fillvalue" in told)
    return _Reference(kind, str(told.get("task_id", "")), str(told.get("key", "")))


def _literals(given: Mapping[str, Any]) -> dict[str, Any]:
    """Templates are known only when they are rendered, by the worker."""
    plain = {str(name): _parsed(value) for name, value in given.items()}
    return {
        name: value
        for name, value in plain.items()
        if not isinstance(value, _Reference)
        and not (isinstance(value, str) and ("{{" in value or "{%" in value))
        and _size(value) <= _MOST_ELEMENTS
    }


def _plain(thing: Any) -> Any:
    """Without the envelope that names the type."""
    return thing["__var"] if isinstance(thing, Mapping) and "__var" in thing else thing


def _size(value: Any) -> int:
    """Number of values in a literal; a long text counts as several."""
    if isinstance(value, Mapping):
        return 1 + sum(_size(each) for each in value.values())
    if isinstance(value, (list, tuple)):
        return 1 + sum(_size(each) for each in value)
    return 1 + len(value) // 100 if isinstance(value, str) else 1
