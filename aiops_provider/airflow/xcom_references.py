"""
What stands in a serialized DAG for a value that is known only when a task runs.

It is the XCom of another task, by itself or within a template, or the element that a mapped group hands to
one of its tasks.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiops_provider.control.argument_facts import names_a_secret

XComs = Mapping[tuple[str, str], Any]
"""What tasks of the same run have returned, by task and key; of a mapped one :class:`OfInstances`."""

RETURNED = "return_value"
_XCOM = "xcomref"
_ELEMENT, _LIST = "element", "list"
_EXPRESSION = re.compile(r"\{\{[-+]?(.*?)[-+]?\}\}", re.DOTALL)
_PULL = "xcom_pull"
_INSTANCE_NAMES = frozenset({"ti", "task_instance"})
_PARAMETERS = ("task_ids", "dag_id", "key", "include_prior_dates")
# As Airflow writes down what a mapped group is given where one of its tasks takes it.
_MAPPED_ARGUMENT = re.compile(r"MappedArgument\(_input=.*, _key='([^']+)'\)", re.DOTALL)


class OfInstances(dict[int, Any]):
    """What the instances of a mapped task, or of a task in a mapped group, returned, by their index."""


@dataclass(frozen=True, slots=True)
class Placed:
    """
    What references are resolved by.

    Attributes:
        xcoms: What is known of other tasks.
        map_index: Of the instance; -1 where it is not mapped.
        element: What a mapped group hands to this instance, by name.
    """

    xcoms: XComs
    map_index: int = -1
    element: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reference:
    """
    What an upstream task returns, or what Airflow makes of several of that.

    Attributes:
        kind: How Airflow calls it.
        task: Whose XCom; empty for what is made of others.
        key: Of the XCom, or of the element.
        parts: What it is made of.
        fill: Whether the shorter of them are filled up.
        path: Keys and numbers that lead to the value within the XCom.
        own: Whether the value of the same map index is meant, in one mapped group.
    """

    kind: str
    task: str = ""
    key: str = ""
    parts: tuple[Reference, ...] = ()
    fill: bool = False
    path: tuple[str | int, ...] = ()
    own: bool = False

    @property
    def sources(self) -> Iterator[Reference]:
        """The XComs that it rests on."""
        if self.task:
            yield self
        for part in self.parts:
            yield from part.sources

    @property
    def name(self) -> str:
        """For people, where no argument has one."""
        key = () if self.key == RETURNED else (self.key,)
        return ".".join((self.task, *key, *map(str, self.path)))

    def value(self, placed: Placed) -> Any:
        """``None`` while it is unknown. Of a transformed list the elements are those before it."""
        if self.kind == _ELEMENT:
            return placed.element.get(self.key)
        return self._returned(placed) if self.task else self._combined(placed)

    def _returned(self, placed: Placed) -> Any:
        found = placed.xcoms.get((self.task, self.key))
        if isinstance(found, OfInstances):
            found = found.get(placed.map_index) if self.own else list(found.values())
        return _within(found, self.path)

    def _combined(self, placed: Placed) -> Any:
        values = [part.value(placed) for part in self.parts]
        if self.kind == "map":
            return values[0]
        if self.kind == _LIST:
            return None if any(value is None for value in values) else values
        if not all(isinstance(value, (Sequence, Mapping)) for value in values):
            return None
        lists = [elements(value) for value in values]
        if self.kind == "concat":
            return list(itertools.chain(*lists))
        return list(itertools.zip_longest(*lists) if self.fill else zip(*lists, strict=False))


@dataclass(frozen=True, slots=True)
class ReferenceReader:
    """
    Finds references in what Airflow has serialized of one task.

    Attributes:
        dag_id: XComs of other DAGs are left out.
        beside: Tasks of the same mapped group.
    """

    dag_id: str = ""
    beside: frozenset[str] = frozenset()

    def parsed(self, value: Any) -> Any:
        """Without envelopes, and with references for what comes from other tasks."""
        if isinstance(value, Mapping) and "__var" in value:
            within = value["__var"]
            return self._told(within) if value.get("__type") == _XCOM else self.parsed(within)
        if isinstance(value, Mapping):
            return {str(name): self.parsed(each) for name, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.parsed(each) for each in value]
        return self._of_text(value) if isinstance(value, str) else value

    def _told(self, told: Mapping[str, Any]) -> Reference:
        kind = str(told.get("type") or "")
        if kind == "map":
            return Reference(kind, parts=(self._told(told["arg"]),))
        if kind in {"zip", "concat"}:
            parts = tuple(self._told(each) for each in told["args"])
            return Reference(kind, parts=parts, fill="fillvalue" in told)
        task = str(told.get("task_id", ""))
        return Reference(kind, task, str(told.get("key", "")), own=task in self.beside)

    def _of_text(self, text: str) -> Any:
        """The reference that a text is, those within it by name, or the text itself."""
        element = _MAPPED_ARGUMENT.fullmatch(text)
        if element is not None:
            return Reference(_ELEMENT, key=element[1])
        if _PULL not in text:
            return text
        found: list[Reference] = []
        for expression in _EXPRESSION.finditer(text):
            try:
                node = ast.parse(expression[1].strip(), mode="eval").body
            except (SyntaxError, ValueError, RecursionError):  # Jinja knows more than Python does
                continue
            whole = self._of_node(node)
            if whole is not None and expression[0] == text.strip():
                return whole
            found += self._within_node(node)
        return {each.name: each for each in found} or text

    def _within_node(self, node: ast.AST) -> Iterator[Reference]:
        reference = self._of_node(node)
        if reference is not None:
            if reference.task:
                yield reference
            yield from reference.parts
            return
        for child in ast.iter_child_nodes(node):
            yield from self._within_node(child)

    def _of_node(self, node: ast.AST, path: tuple[str | int, ...] = ()) -> Reference | None:
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            key = node.slice.value
            return self._of_node(node.value, (key, *path)) if isinstance(key, (str, int)) else None
        if isinstance(node, ast.Attribute):
            return self._of_node(node.value, (node.attr, *path))
        if isinstance(node, ast.Call) and _pulls(node.func):
            return self._pulled(_given(node), path)
        return None

    def _pulled(
        self, given: Mapping[str, Any] | None, path: tuple[str | int, ...]
    ) -> Reference | None:
        if given is None or {"include_prior_dates", "map_indexes", "run_id"} & given.keys():
            return None
        if given.get("dag_id", self.dag_id) != self.dag_id:
            return None
        tasks, key = given.get("task_ids"), given.get("key", RETURNED)
        # So Airflow writes what is handed over directly, which is of the same index; a template of the
        # author's own gets those of all.
        direct = "dag_id" in given
        if isinstance(tasks, str) and isinstance(key, str):
            return Reference("", tasks, key, path=path, own=direct and tasks in self.beside)
        if isinstance(tasks, (list, tuple)) and isinstance(key, str) and not path:
            return Reference(_LIST, parts=tuple(Reference("", str(task), key) for task in tasks))
        return None


def references(value: Any) -> Iterator[Reference]:
    """All references within a parsed value."""
    if isinstance(value, Reference):
        yield value
    elif isinstance(value, Mapping):
        yield from itertools.chain(*map(references, value.values()))
    elif isinstance(value, (list, tuple)):
        yield from itertools.chain(*map(references, value))


def is_element(value: Any) -> bool:
    """Whether a parsed value is what a mapped group hands to an instance."""
    return isinstance(value, Reference) and value.kind == _ELEMENT


def is_secret(value: Any) -> bool:
    """Whether a parsed value rests on an XCom whose task or key is called like a secret."""
    return any(
        names_a_secret(one.task) or names_a_secret(one.key)
        for each in references(value)
        for one in each.sources
    )


def resolved(value: Any, placed: Placed) -> Any:
    """
    A parsed value with what its references stand for; ``None`` while they are unknown.

    Of a map the entries that are known are left; a list is as long as it is, or unknown.
    """
    if isinstance(value, Reference):
        return value.value(placed)
    if not any(references(value)):
        return value
    if isinstance(value, Mapping):
        entries = {name: resolved(each, placed) for name, each in value.items()}
        told = {
            name: each
            for name, each in entries.items()
            if each is not None or not any(references(value[name]))
        }
        return told or None
    each = [resolved(one, placed) for one in value]
    unknown = any(
        one is None and any(references(said)) for one, said in zip(each, value, strict=True)
    )
    return None if unknown else each


def elements(value: Sequence[Any] | Mapping[Any, Any]) -> Sequence[Any]:
    """As Airflow maps over them: of a map its pairs."""
    return list(value.items()) if isinstance(value, Mapping) else value


def _pulls(called: ast.AST) -> bool:
    return (
        isinstance(called, ast.Attribute)
        and called.attr == _PULL
        and isinstance(called.value, ast.Name)
        and called.value.id in _INSTANCE_NAMES
    )


def _given(call: ast.Call) -> dict[str, Any] | None:
    """What a call is given, without what says nothing; ``None`` where only rendering tells it."""
    try:
        given = dict(zip(_PARAMETERS, map(ast.literal_eval, call.args), strict=False))
        given |= {str(one.arg): ast.literal_eval(one.value) for one in call.keywords}
    except ValueError:
        return None
    return {
        name: value for name, value in given.items() if value is not None and value is not False
    }


def _within(value: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
            value = value[key]
        else:
            return None
    return value
