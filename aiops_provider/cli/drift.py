"""``aiops drift``: which columns of a file moved against a reference."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aiops_provider.cli.output import OutputFormat, OutputOption, emit, table, working

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aiops_provider.control.drift_file import FileDrift


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("drift")(drift)


def drift(
    current: Annotated[Path, typer.Argument(help="CSV, JSON lines or Parquet of now.")],
    *,
    reference: Annotated[Path, typer.Option("--reference", help="The same of before.")],
    level: Annotated[
        float,
        typer.Option("--level", min=1e-9, max=0.5, help="Share of false alarms of stable files."),
    ] = 0.01,
    least_effect: Annotated[
        float, typer.Option("--least-effect", min=0.0, help="Smaller drifts do not matter.")
    ] = 0.1,
    fail_on_drift: Annotated[
        bool, typer.Option("--fail-on-drift", help="End with 1 if something drifted.")
    ] = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Say which columns moved by more than chance explains, and how far."""
    from aiops_provider.control.drift_file import drift_files

    with working(f"comparing {current.name} with {reference.name}"):
        found = drift_files(current, reference, level=level, least_effect=least_effect)
    emit(found, output=output, view=lambda: _view(found))
    if fail_on_drift and found.drifted:
        raise typer.Exit(1)


def _view(found: FileDrift) -> Iterator[RenderableType]:
    yield table(
        f"{found.rows_now} rows against {found.rows_before} of the reference",
        ["column", "drifted", "effect", "p-value", "compared as", "missing before", "missing now"],
        [
            (
                one.column,
                "yes" if one.drifted else "no",
                one.values.effect if one.values else None,
                f"{one.values.p_value:.2g}" if one.values else None,
                one.kind,
                one.missing_before,
                one.missing_now,
            )
            for one in found.columns
        ],
        right=["effect", "p-value", "missing before", "missing now"],
    )
    if found.together is not None:
        yield (
            f"All numeric columns together: effect {found.together.effect:.3g}, "
            f"p-value {found.together.p_value:.2g}"
        )
    if found.absent:
        yield f"Gone: {', '.join(found.absent)}"
    if found.new:
        yield f"New: {', '.join(found.new)}"
    yield "Something drifted." if found.drifted else "Nothing drifted."
