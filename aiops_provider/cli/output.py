"""
What commands print: JSON for scripts or tables for people on stdout, never mixed with logs.

Use it so::

    def routes(output: OutputOption = OutputFormat.TABLE) -> None:
        emit(routes, output=output, view=lambda: [table("Routes", ["task", "cluster"], rows)])
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import typer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

# Piped tables are read by people with a pager or by grep: cutting cells at 80 columns loses them.
_PIPED_WIDTH = 240


class OutputFormat(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"


OutputOption = Annotated[
    OutputFormat, typer.Option("--output", "-o", help="A table for people or JSON for scripts.")
]


def emit(
    data: object,
    *,
    output: OutputFormat,
    view: Callable[[], Iterable[RenderableType]] | None = None,
) -> None:
    """
    Print a result to stdout.

    Args:
        data: The result: dataclasses, pydantic models, mappings, sequences, datetimes, enums …
        output: JSON prints *data*, table prints what *view* makes.
        view: Makes tables, texts or other rich renderables; without it JSON is printed.
    """
    if output is OutputFormat.JSON or view is None:
        print(to_json(data), flush=True)
        return
    console = _console()
    for part in view():
        console.print(part)


def to_json(data: object) -> str:
    """
    The same as JSON text; secrets are masked, NaN and infinity become null.

    >>> print(to_json({"state": OutputFormat.JSON, "load": float("nan")}))
    {
      "state": "json",
      "load": null
    }
    """
    from pydantic_core import to_jsonable_python

    plain = to_jsonable_python(_with_text_keys(data), inf_nan_mode="null", fallback=_plain)
    return json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False)


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[str] = (),
) -> Table:
    """
    A table whose cells are plain text: what users named ``[red]`` stays as it is.

    Args:
        title: Stands above.
        columns: Headings.
        rows: One cell per column; ``None`` is shown as a dash, floats with three digits.
        right: Headings of the columns to align to the right, such as figures.
    """
    from rich.table import Table
    from rich.text import Text

    made = Table(title=Text(title), title_justify="left", header_style="bold")
    for column in columns:
        made.add_column(
            Text(column), justify="right" if column in right else "left", overflow="fold"
        )
    for row in rows:
        made.add_row(*(Text(_cell(value)) for value in row))
    return made


def note(message: str) -> None:
    """Tell people something that is not the result, on stderr."""
    print(message, file=sys.stderr)


@contextmanager
def working(description: str) -> Iterator[None]:
    """Show a spinner on stderr while long work goes on; silent where nobody watches."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(description):
        yield


class ShowProgress(Protocol):
    """Moves a bar."""

    def __call__(self, name: str, done: int, total: int | None, *, text: str | None = None) -> None:
        """
        Move a bar, which appears when it is first named.

        Args:
            name: Of the bar.
            done: Steps that are done.
            total: Steps in all; ``None``: nobody knows yet.
            text: Beside the bar; default: its name.
        """


@contextmanager
def progress() -> Iterator[ShowProgress]:
    """Show bars on stderr while long work goes on; silent where nobody watches."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    console = Console(stderr=True)
    with Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True
    ) as bars:
        rows: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int | None, *, text: str | None = None) -> None:
            if name not in rows:
                rows[name] = bars.add_task(name, total=total)
            bars.update(rows[name], completed=done, total=total, description=text or name)

        yield show


def _console() -> Console:
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH, soft_wrap=False)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    return str(value)


def _plain(value: Any) -> Any:
    """What pydantic does not know: routes rank their alternatives and word their refusals on demand."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    return str(value)


def _with_text_keys(data: Any) -> Any:
    if isinstance(data, dict):
        return {
            key if isinstance(key, (str, int)) else str(key): _with_text_keys(value)
            for key, value in data.items()
        }
    if isinstance(data, (list, tuple)):
        return [_with_text_keys(item) for item in data]
    return data
