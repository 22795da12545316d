"""Which tasks of a serialized DAG belong to a mapped group, and over what that is expanded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class MappedGroup:
    """
    A group of tasks that is expanded as a whole.

    Attributes:
        expand_input: As Airflow's serialization has it.
        tasks: Ids of those within, of inner groups too.
    """

    expand_input: Mapping[str, Any]
    tasks: frozenset[str]


def mapped_groups(serialized: Mapping[str, Any]) -> dict[str, MappedGroup]:
    """
    The mapped group of each task that is in one.

    A task in several, one within the other, is left out: which one its map index counts is not told.

    Args:
        serialized: A DAG as Airflow's serialization has it, both of 3.2 and 3.3.
    """
    found: dict[str, MappedGroup] = {}
    several: set[str] = set()
    for group in _groups(serialized.get("task_group") or {}):
        several |= found.keys() & group.tasks
        found |= dict.fromkeys(group.tasks, group)
    return {task: group for task, group in found.items() if task not in several}


def _groups(told: Mapping[str, Any]) -> Iterator[MappedGroup]:
    if told.get("is_mapped") and told.get("expand_input"):
        yield MappedGroup(told["expand_input"], frozenset(_tasks(told)))
    for kind, child in (told.get("children") or {}).values():
        if kind == "taskgroup":
            yield from _groups(child)


def _tasks(told: Mapping[str, Any]) -> Iterator[str]:
    for kind, child in (told.get("children") or {}).values():
        if kind == "taskgroup":
            yield from _tasks(child)
        else:
            yield str(child)
