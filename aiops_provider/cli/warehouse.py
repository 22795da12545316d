"""``aiops warehouse``: what size of a data warehouse a query should run on, and how much it uses in a week."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aiops_provider.cli.output import OutputFormat, OutputOption, emit, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aiops_provider.control.choose_warehouse_size import WarehouseSizeChoice

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("warehouse")(warehouse)


def warehouse(
    runs: Annotated[
        Path,
        typer.Argument(
            metavar="RUNS",
            help="Runs of all queries: query, size, units, threads, memory_gib, price_per_hour, volume_gib, "
            "runtime_s, spilled_gib, outcome, started_at.",
        ),
    ],
    *,
    query: Annotated[str, typer.Option("--query", help="Whose size; it may have no runs yet.")],
    volume_gib: Annotated[
        float | None,
        typer.Option(
            "--volume-gib", min=1e-9, help="GiB that it will read. Default: as in its last line."
        ),
    ] = None,
    deadline_s: Annotated[
        float | None, typer.Option("--deadline-s", min=1e-9, help="Seconds that one run may take.")
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Choose the size of a data warehouse for a query from runs of other queries and its own."""
    from aiops_provider.control.choose_warehouse_size import choose_warehouse_size

    found = choose_warehouse_size(runs, query, volume_gib=volume_gib, deadline_s=deadline_s)
    emit(found, output=output, view=lambda: _view(found))


def _view(found: WarehouseSizeChoice) -> Iterator[RenderableType]:
    choice = found.choice
    yield f"{found.query}: {choice.reason}"
    yield table(
        f"One run on {choice.size.name}, reading {found.volume_gib:.4g} GiB",
        ["figure", "p50", "p80", "p95"],
        [
            (what, one.p50, one.p80, one.p95)
            for what, one in (
                ("seconds", choice.runtime_s),
                ("units (unit-hours)", choice.units),
                ("cost", choice.cost),
            )
        ],
        right=["p50", "p80", "p95"],
    )
    yield table(
        "Sizes, the least expected cost first",
        ["size", "seconds", "cost", "may fail", "spills", "keeps the deadline"],
        [
            (
                one.size.name,
                one.p50_s,
                one.cost,
                f"{one.failing:.0%}",
                f"{one.spilling:.0%}",
                "yes" if one.keeps_deadline else "no",
            )
            for one in found.forecasts
        ],
        right=["seconds", "cost", "may fail", "spills"],
    )
    if not found.units_by_hour_of_week:
        yield "Use over the week: unknown, for too few of its runs say when they started (started_at)"
        return
    used = found.units_by_hour_of_week
    yield table(
        f"Units in use over the week (UTC), {sum(used):.4g} unit-hours in all",
        ["day", "unit-hours", "busiest hour", "units then"],
        [
            (day, sum(hours), f"{hours.index(max(hours)):02}:00" if any(hours) else "", max(hours))
            for day, hours in (
                (day, used[24 * number : 24 * number + 24]) for number, day in enumerate(_DAYS)
            )
        ],
        right=["unit-hours", "units then"],
    )
