"""``aiops plan --pareto``: what more SLA would cost, as a table and as bars."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from aiops_provider.cli.options import open_installation, read_settings
from aiops_provider.cli.output import OutputFormat, emit, note, progress, table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from aiops_provider.domain.plan_front import PlanFront

NO_TASK = "no task is known yet. Run some, or name a file with --workloads."


def show_front(
    workloads: Path | None, *, points: int, config: Path | None, output: OutputFormat
) -> None:
    """Print the plans of which none is both cheaper and better than another."""
    from aiops_provider.control.plan_front import front_of_file, front_of_installation
    from aiops_provider.domain.units import utc_now

    with progress() as bar:
        numbers = count()

        def count_one() -> None:
            bar("Looking for plans", next(numbers), points)

        count_one()
        found: PlanFront | None
        if workloads is not None:
            settings = read_settings(config)
            found = front_of_file(workloads, settings, utc_now(), plans=points, made=count_one)
        else:
            installation = open_installation(config)
            found = front_of_installation(installation, utc_now(), plans=points, made=count_one)
    if found is None:
        note(f"There is no front: {NO_TASK}")
        emit(None, output=output, view=list)
        return
    for line in found.failed:
        note(f"A plan is missing {line}")
    emit(found, output=output, view=lambda: _view(found))


def _view(found: PlanFront) -> Iterator[RenderableType]:
    yield table(
        "What more SLA costs",
        ["SLA attained", "USD/h", "at least", "USD/h per further %", "groups left out"],
        [
            [
                f"{point.sla_attainment:.3%}",
                f"{point.cost_usd_per_hour:.4g}",
                None if point.least_usd_per_hour is None else f"{point.least_usd_per_hour:.4g}",
                None if point.usd_per_percent is None else f"{point.usd_per_percent:.4g}",
                str(point.unplaced_groups),
            ]
            for point in found.points
        ],
        right=("SLA attained", "USD/h", "at least", "USD/h per further %", "groups left out"),
    )
    yield _bars(found)
    yield table(
        "How well the front is known",
        ["figure", "value"],
        [
            ["plans made", str(found.plans_made)],
            ["widest step between two points", f"{found.largest_step:.2%} of the SLA weight"],
            ["what a better plan could hide in", f"{found.hidden:.2%} of the area"],
        ],
    )


def _bars(found: PlanFront) -> Table:
    from rich.bar import Bar
    from rich.table import Table
    from rich.text import Text

    dearest = max(point.cost_usd_per_hour for point in found.points)
    plot = Table(title=Text("Cost by SLA"), title_justify="left", box=None, padding=(0, 1))
    plot.add_column(Text("SLA"), justify="right")
    plot.add_column(Text("USD/h"), justify="right")
    plot.add_column(Text(""), min_width=40)
    for point in found.points:
        plot.add_row(
            f"{point.sla_attainment:.2%}",
            f"{point.cost_usd_per_hour:.4g}",
            Bar(dearest or 1.0, 0.0, point.cost_usd_per_hour, width=40),
        )
    return plot
