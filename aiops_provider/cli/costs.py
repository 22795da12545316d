"""``aiops costs``: who used how much of which cluster."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from aiops_provider.cli.options import ConfigOption, SinceOption, moment, open_installation
from aiops_provider.cli.output import OutputFormat, OutputOption, emit, note, table
from aiops_provider.control.costs import CostKey

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aiops_provider.control.costs import CostReport, CostRow


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("costs")(costs)


def costs(
    *,
    by: Annotated[CostKey, typer.Option("--by", help="What to sum by.")] = CostKey.DAG,
    since: SinceOption = "30d",
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """
    Show what tries cost, by DAG, task, team, run or cluster.

    A try costs the share of a machine that it held, for as long as it ran, at the price of
    aiops.yaml or the catalogue. Idle machines belong to no task.
    """
    from aiops_provider.control.costs import report_costs

    report = report_costs(open_installation(config), by, since=moment(since))
    emit(report, output=output, view=lambda: _view(report))
    if report.total.unpriced:
        note(f"{report.total.unpriced} tries are not in it: their price or request is not known.")


def _view(report: CostReport) -> Iterator[RenderableType]:
    figures = ("tries", "hours", "USD", "of it wasted", "unpriced")
    yield table(
        f"Costs since {report.since:%Y-%m-%d %H:%M} UTC",
        [report.by.value, *figures],
        [_cells(row) for row in (*report.rows, report.total)],
        right=figures,
    )


def _cells(row: CostRow) -> list[object]:
    figures = [f"{row.hours:.2f}", f"{row.cost_usd:.4f}", f"{row.wasted_usd:.4f}"]
    return [row.name, f"{row.tries}", *figures, f"{row.unpriced}"]
