"""``aiops rules``: check and test expert rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aiops_provider.cli.output import OutputFormat, OutputOption, emit, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aiops_provider.control.check_rules import CheckedRules

_File = Annotated[Path, typer.Argument(metavar="RULES.yaml", help="Expert rules.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    group = typer.Typer(help="Check and test expert rules.", no_args_is_help=True)
    group.command("check")(check)
    group.command("test")(run_tests)
    app.add_typer(group, name="rules")


def check(file: _File, *, output: OutputOption = OutputFormat.TABLE) -> None:
    """Say whether a rules file can be used."""
    from aiops_provider.control.check_rules import check_rules

    found = check_rules(file)
    emit(found, output=output, view=lambda: [_summary(found)])


def run_tests(file: _File, *, output: OutputOption = OutputFormat.TABLE) -> None:
    """Run the tests of a rules file; the exit status is 1 if one fails or there is none."""
    from aiops_provider.control.check_rules import check_rules

    found = check_rules(file, run_tests=True)
    emit(found, output=output, view=lambda: _results(found))
    if found.failed or not found.results:
        raise typer.Exit(1)


def _summary(found: CheckedRules) -> str:
    replaced = f"; replaces the shipped {', '.join(found.replaced)}" if found.replaced else ""
    return f"{found.file}: {len(found.rules)} rules can be used{replaced}"


def _results(found: CheckedRules) -> Iterator[RenderableType]:
    yield _summary(found)
    if not found.results:
        yield "It has no tests: add a list of `tests`."
        return
    yield f"{len(found.results) - found.failed} of {len(found.results)} tests passed"
    if found.failed:
        yield table(
            "Failed",
            ["test", "field", "wanted", "said"],
            [(one.name, *wrong) for one in found.results for wrong in one.wrong],
        )
