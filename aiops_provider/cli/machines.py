"""``aiops machines``: on which configuration a task should run, and which is worth trying next."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aiops_provider.cli.output import OutputFormat, OutputOption, emit, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aiops_provider.control.choose_machine import MachineChoice

_SHOWN = 8


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("machines")(machines)


def machines(
    runs: Annotated[
        Path,
        typer.Argument(
            metavar="RUNS",
            help="Runs of all tasks: task, configuration, usd_per_hour, duration_s, outcome, and columns "
            "of what a configuration is made of.",
        ),
    ],
    *,
    task: Annotated[str, typer.Option("--task", help="Whose choice; it may have no runs yet.")],
    time_weight: Annotated[
        float,
        typer.Option("--time-weight", min=0.0, max=1.0, help="0: least cost, 1: least time."),
    ] = 0.0,
    input_gib: Annotated[
        float | None,
        typer.Option(
            "--input-gib",
            help="For a run over an input of this size, from the task's own runs alone, whose sizes stand "
            "in a column input_gib.",
        ),
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Choose the configuration of machines for a task from runs of other tasks and its own."""
    from aiops_provider.control.choose_machine import choose_machine

    found = choose_machine(runs, task, time_weight=time_weight, input_gib=input_gib)
    emit(found, output=output, view=lambda: _view(found))


def _view(found: MachineChoice) -> Iterator[RenderableType]:
    best = found.choice
    known = f"{found.own_runs} runs of its own, {found.other_tasks} other tasks"
    if found.input_gib is not None:
        known = f"for {found.input_gib:g} GiB of input, {found.own_runs} runs of its own"
    yield (
        f"{found.task}: {best.configuration.name}, about {best.p50_s:.4g} s for USD {best.cost_usd:.3g} "
        f"({known})"
    )
    if found.next_probe is not None:
        yield f"Worth trying next: {found.next_probe.configuration.name}"
    yield table(
        "Configurations, the cheapest expected first",
        ["configuration", "seconds", "off by a factor of", "USD", "may fail", "tried"],
        [
            (
                one.configuration.name,
                one.p50_s,
                math.exp(one.log_scale),
                one.cost_usd,
                f"{one.failure:.0%}",
                "yes" if one.probed else "",
            )
            for one in found.forecasts[:_SHOWN]
        ],
        right=["seconds", "off by a factor of", "USD", "may fail"],
    )
