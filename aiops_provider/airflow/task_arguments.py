"""
The arguments of a task's instances, as far as Airflow's serialized DAG and its XComs tell them.

Literals stand in the serialized DAG; what a mapped task expands over is there too, or what it came from,
and which XComs other arguments are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiops_provider.airflow.mapped_groups import MappedGroup
from aiops_provider.airflow.xcom_references import (
    Placed,
    Reference,
    ReferenceReader,
    XComs,
    elements,
    is_element,
    is_secret,
    references,
    resolved,
)

MAP_LENGTH = "map_length"
# Longer literals are given up: they would be kept in memory for every version of their DAG.
_MOST_ELEMENTS = 2_000
_DICT_OF_LISTS, _LIST_OF_DICTS = "dict-of-lists", "list-of-dicts"
_OF_FUNCTION = frozenset({"op_args", "op_kwargs"})


@dataclass(frozen=True, slots=True)
class TaskArguments:
    """
    How the arguments of one task come about.

    Attributes:
        same: Literals that all of its instances get.
        expands: By what a mapped task is expanded; ``None``: it is not mapped, or nothing is known.
        kind: Airflow's name for that.
        of_group: Whether its group is what is mapped: what that is given counts for each task within,
            under the name of the group's parameter where the task does not take it by one of its own.
        reads: Arguments that hold what other tasks have returned, or an element of a mapped group.
        upstream: The XComs without which they are not known, by task and key; true: that of the same
            index.
    """

    same: Mapping[str, Any] = field(default_factory=dict)
    expands: Any = None
    kind: str = ""
    of_group: bool = False
    reads: Mapping[str, Any] = field(default_factory=dict)
    upstream: Mapping[tuple[str, str], bool] = field(init=False)

    def __post_init__(self) -> None:
        needed: dict[tuple[str, str], bool] = {}
        for each in (*references(self.reads), *references(self.expands)):
            for source in each.sources:
                at = source.task, source.key
                needed[at] = source.own or needed.get(at, False)
        object.__setattr__(self, "upstream", needed)

    def __bool__(self) -> bool:
        return bool(self.same) or bool(self.reads) or self.expands is not None

    def of(self, map_index: int, xcoms: XComs) -> dict[str, Any]:
        """
        The arguments of one instance; those that are not known are left out.

        Args:
            map_index: -1 for a task that is not mapped.
            xcoms: At least :attr:`upstream`, as far as there are any.
        """
        known: dict[str, Any] = {}
        own: dict[str, Any] = {}
        if map_index >= 0 and self.expands is not None:
            known, own = self._expanded(map_index, Placed(xcoms, map_index))
        placed = Placed(xcoms, map_index, own if self.of_group else {})
        read = {name: resolved(value, placed) for name, value in self.reads.items()}
        read = {name: value for name, value in read.items() if value is not None}
        if self.of_group:
            taken = {each.key for each in self.reads.values() if is_element(each)}
            own = {name: value for name, value in own.items() if name not in taken}
        return {**known, **self.same, **read, **own}

    def _expanded(self, map_index: int, placed: Placed) -> tuple[dict[str, Any], dict[str, Any]]:
        """How many instances there are, and what is this one's own."""
        own: Any = {}
        known: dict[str, Any] = {}
        if self.kind == _LIST_OF_DICTS:
            rows = _whole(self.expands, placed)
            if isinstance(rows, (Sequence, Mapping)):
                known[MAP_LENGTH] = len(rows)
            row = _whole(_at(rows, map_index), placed)
            own = row if isinstance(row, Mapping) else {}
        else:
            columns = {name: _whole(value, placed) for name, value in self.expands.items()}
            if all(isinstance(column, (Sequence, Mapping)) for column in columns.values()):
                known[MAP_LENGTH] = math.prod(len(column) for column in columns.values())
                own = _of_columns(columns, map_index)
        return known, {str(name): resolved(value, placed) for name, value in own.items()}


def arguments_of(
    told: Mapping[str, Any], *, dag_id: str = "", group: MappedGroup | None = None
) -> TaskArguments:
    """
    The arguments of a task: of a Python task those of its function, of any those that are XComs.

    Args:
        told: The task as Airflow's serialization has it, both of 3.2 and 3.3.
        dag_id: Of its DAG.
        group: The mapped group that it is in.
    """
    reader = ReferenceReader(dag_id, group.tasks if group is not None else frozenset())
    mapped = bool(told.get("_is_mapped"))
    given = _plain(told.get("partial_kwargs") or {}) if mapped else told
    arguments: dict[str, Any] = dict(reader.parsed(given.get("op_kwargs") or {}))
    positional = reader.parsed(given.get("op_args") or ())
    # What the group calls an element says more than a number.
    arguments |= {str(n): value for n, value in enumerate(positional) if not is_element(value)}
    for name in told.get("template_fields") or ():
        if name not in _OF_FUNCTION:
            arguments |= _referring(name, reader.parsed(given.get(name)))
    kept = _kept(arguments)
    reads = {name: value for name, value in kept.items() if any(references(value))}
    same = {name: value for name, value in kept.items() if name not in reads}
    if mapped:
        expands = _plain(told.get(told.get("_expand_input_attr") or "expand_input") or {})
    elif group is not None:
        expands = group.expand_input
    else:
        return TaskArguments(same, reads=reads)
    if _size(expands.get("value")) > _MOST_ELEMENTS:
        return TaskArguments(same, reads=reads)
    value, kind = reader.parsed(expands.get("value")), str(expands.get("type"))
    fits = isinstance(value, Mapping) if kind == _DICT_OF_LISTS else kind == _LIST_OF_DICTS
    if not fits or is_secret(value):
        return TaskArguments(same, reads=reads)
    return TaskArguments(same, value, kind, of_group=not mapped, reads=reads)


def given_arguments(task: Any) -> dict[str, Any]:
    """
    The arguments of a task that is about to run in this process, under the names of :func:`arguments_of`.

    Args:
        task: As Airflow has unmapped and rendered it; only Python tasks have any.
    """
    positional = enumerate(getattr(task, "op_args", None) or ())
    given = {str(number): value for number, value in positional}
    return {**given, **(getattr(task, "op_kwargs", None) or {})}


def _whole(value: Any, placed: Placed) -> Any:
    """What is expanded over: of what is no reference each element may be one, and is looked at alone."""
    return value.value(placed) if isinstance(value, Reference) else value


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
    each = elements(value)
    return each[place] if place < len(each) else None


def _kept(given: Mapping[str, Any]) -> dict[str, Any]:
    """Other templates are known only when they are rendered, by the worker."""
    return {
        name: value
        for name, value in given.items()
        if not (isinstance(value, str) and ("{{" in value or "{%" in value))
        and _size(value) <= _MOST_ELEMENTS
        and not is_secret(value)
    }


def _referring(name: str, value: Any) -> dict[str, Any]:
    """A templated field, or of a map those of its entries, that another task tells something of."""
    if isinstance(value, Mapping):
        value = {key: each for key, each in value.items() if any(references(each))}
    return {name: value} if any(references(value)) else {}


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
