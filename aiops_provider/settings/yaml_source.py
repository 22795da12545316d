"""YAML that remembers where each key stood, so that an error can name file and line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from aiops_provider.errors import ConfigurationError
from aiops_provider.settings.problem import Location, field_name

# Aliases can make a small file describe an enormous tree; no configuration is that large.
_MAX_NODES = 100_000


@dataclass(frozen=True, slots=True)
class YamlSource:
    """
    A parsed file.

    Attributes:
        file: As it is named in messages.
        data: The mapping it holds; empty for an empty file.
        lines: Line (from 1) of each key or list item, by its location from the top.
    """

    file: str
    data: Mapping[str, Any]
    lines: Mapping[Location, int]

    def line_of(self, location: Location) -> int | None:
        """Line of that setting, or of the nearest section around it that is in the file."""
        for length in range(len(location), -1, -1):
            if location[:length] in self.lines:
                return self.lines[location[:length]]
        return None


def read_yaml(path: Path) -> YamlSource:
    """
    Read a configuration file.

    Raises:
        ConfigurationError: It cannot be read, is not YAML, or is not a mapping.
    """
    return parse_yaml(_text_of(path), str(path))


def read_yaml_items(path: Path) -> list[YamlSource]:
    """
    Read a file that holds a list of mappings; a single mapping counts as a list of one.

    Returns:
        One source for each item; its locations start at the item, its lines at the file.

    Raises:
        ConfigurationError: It cannot be read, is not YAML, or holds something else.
    """
    file = str(path)
    data, lines = _parsed(_text_of(path), file)
    if isinstance(data, dict):
        return [YamlSource(file=file, data=data, lines=lines)]
    items = []
    for position, item in enumerate(data if isinstance(data, list) else [data]):
        if not isinstance(item, dict):
            raise ConfigurationError(
                f"the file holds a {type(item).__name__}, not settings",
                file=file,
                line=lines.get((position,), 1),
                mend="Write a list of mappings.",
            )
        inside: dict[Location, int] = {
            at[1:]: line for at, line in lines.items() if at[0] == position
        }
        items.append(YamlSource(file=file, data=item, lines=inside))
    return items


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(
            "the file does not exist", file=str(path), mend="Create it or name another one."
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"the file is not UTF-8 text (byte {error.start})",
            file=str(path),
            mend="Save it as UTF-8.",
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"the file cannot be read: {error.strerror}",
            file=str(path),
            mend="Mend its permissions.",
        ) from error


def parse_yaml(text: str, file: str) -> YamlSource:
    r"""
    Parse configuration text; *file* only names it in messages.

    >>> source = parse_yaml("server:\n  port: 80\n", "aiops.yaml")
    >>> source.line_of(("server", "port"))
    2

    Raises:
        ConfigurationError: It is not YAML, not a mapping, or names a key twice.
    """
    data, lines = _parsed(text, file)
    if not isinstance(data, dict):
        raise ConfigurationError(
            f"the file holds a {type(data).__name__}, not settings",
            file=file,
            line=1,
            mend="Write `key: value` lines, such as `mode: observe`.",
        )
    return YamlSource(file=file, data=data, lines=lines)


def _parsed(text: str, file: str) -> tuple[Any, dict[Location, int]]:
    """What the text holds, empty as an empty mapping, and the line of each key or item."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        lines = dict(_walk(root, file)) if root is not None else {}
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ConfigurationError(
            f"this is not valid YAML: {error.problem or error.context}",
            file=file,
            line=mark.line + 1 if mark else None,
            mend="Mend the indentation, brackets or quotes there.",
        ) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        # Characters that YAML forbids, nesting without end, dates that are none.
        raise ConfigurationError(
            f"this is not valid YAML: {str(error).splitlines()[0]}", file=file, mend="Mend it."
        ) from error
    return ({} if data is None else data), lines


def _walk(root: yaml.Node, file: str) -> Iterator[tuple[Location, int]]:
    pending: list[tuple[Location, yaml.Node]] = [((), root)]
    seen = 0
    while pending:
        location, node = pending.pop()
        children = _children(location, node, file)
        seen += len(children)
        if seen > _MAX_NODES:
            raise ConfigurationError(
                f"the file describes more than {_MAX_NODES} values",
                file=file,
                mend="Check its aliases (*name).",
            )
        for child, line, value in children:
            yield child, line
            pending.append((child, value))


def _children(
    location: Location, node: yaml.Node, file: str
) -> list[tuple[Location, int, yaml.Node]]:
    if isinstance(node, yaml.SequenceNode):
        return [
            ((*location, position), item.start_mark.line + 1, item)
            for position, item in enumerate(node.value)
        ]
    if not isinstance(node, yaml.MappingNode):
        return []
    found: dict[str, tuple[Location, int, yaml.Node]] = {}
    for key, value in node.value:
        line, name = key.start_mark.line + 1, str(key.value)
        if name in found:
            raise ConfigurationError(
                f"this key stands there twice, first in line {found[name][1]}",
                field=field_name((*location, name)),
                file=file,
                line=line,
                mend="Keep one of them.",
            )
        found[name] = ((*location, name), line, value)
    return list(found.values())
