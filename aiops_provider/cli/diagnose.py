"""``aiops diagnose``: where in a multi-dimensional KPI it deviates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aiops_provider.cli.output import OutputFormat, OutputOption, emit, table, working

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aiops_provider.control.diagnose_file import Diagnosis


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("diagnose")(diagnose)


def diagnose(
    snapshot: Annotated[
        Path,
        typer.Argument(
            help="A row per leaf: dimension columns and actual, expected (of a ratio: actual_num, "
            "actual_den, expected_num, expected_den)."
        ),
    ],
    *,
    conditions: Annotated[
        int, typer.Option("--conditions", min=1, max=5, help="Conditions of a cause at most.")
    ] = 3,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Say which combinations of values explain why a KPI deviates."""
    from aiops_provider.control.diagnose_file import diagnose_file

    with working(f"searching {snapshot.name}"):
        found = diagnose_file(snapshot, most_conditions=conditions)
    emit(found, output=output, view=lambda: _view(found))


def _view(found: Diagnosis) -> Iterator[RenderableType]:
    yield f"{found.leaves} leaves: {found.actual:.6g} measured, {found.expected:.6g} expected"
    if not found.causes:
        yield "Nothing but noise is off."
        return
    yield table(
        "What explains it",
        ["cause", "measured", "expected", "explained", "share of the excess", "leaves"],
        [
            (
                ", ".join(f"{name}={value}" for name, value in one.cause.items()),
                one.actual,
                one.expected,
                one.explained,
                one.deviation_share,
                one.leaves,
            )
            for one in found.causes
        ],
        right=["measured", "expected", "explained", "share of the excess", "leaves"],
    )
