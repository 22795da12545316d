"""``aiops schedule``: how many instances to run in each slot of a week."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aiops_provider.cli.options import ConfigOption, read_settings
from aiops_provider.cli.output import OutputFormat, OutputOption, emit, note, table, working
from aiops_provider.control.schedule_export import Export, export_schedule, export_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aiops_provider.control.schedule_task import CapacitySchedule, PastDemand


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("schedule")(schedule)


def schedule(
    task_file: Annotated[
        Path | None,
        typer.Argument(
            metavar="TASK.yaml",
            help="A serving task with past_demand_per_s, or with --history any task that runs and ends.",
        ),
    ] = None,
    *,
    demand: Annotated[
        Path | None,
        typer.Option(
            metavar="DEMAND.csv|jsonl",
            help="Instead of a task: observed_at (with time zone) and value, in any unit.",
        ),
    ] = None,
    history: Annotated[
        Path | None, typer.Option(metavar="RUNS.csv|jsonl", help="Finished runs of the task.")
    ] = None,
    per_instance: Annotated[
        float | None,
        typer.Option(help="Demand that one instance serves; default: from the task's profile."),
    ] = None,
    shortage_cost: Annotated[
        float, typer.Option(help="How much worse unmet demand is than as much idle capacity.")
    ] = 100.0,
    patience: Annotated[
        float, typer.Option(metavar="SECONDS", help="Demand may wait this long for capacity.")
    ] = 0.0,
    quantile: Annotated[
        float | None,
        typer.Option(help="Of the forecast that the plan holds; default: from the last days."),
    ] = None,
    cold_start: Annotated[
        float, typer.Option(metavar="SECONDS", help="From an instance's order until it serves.")
    ] = 60.0,
    minimum: Annotated[int, typer.Option(help="Instances that always run.")] = 1,
    maximum: Annotated[int | None, typer.Option(help="Instances never exceeded.")] = None,
    slot: Annotated[float, typer.Option(metavar="MINUTES", help="Length of a slot.")] = 60.0,
    hold: Annotated[
        float, typer.Option(metavar="SECONDS", help="What is needed again this soon stays.")
    ] = 900.0,
    change_cost: Annotated[
        float, typer.Option(metavar="HOURS", help="Hours of an instance that a change must save.")
    ] = 2.0,
    timezone: Annotated[
        str, typer.Option(help="Wall clock that the demand follows, such as Europe/Berlin.")
    ] = "UTC",
    export: Annotated[
        Export | None, typer.Option(help="Print what this system takes instead of a table.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="Deployment, Auto Scaling group, service/CLUSTER/SERVICE, work pool or pool; "
            "default: the name of the task."
        ),
    ] = None,
    namespace: Annotated[str, typer.Option(help="Of a Deployment.")] = "default",
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Plan instances ahead of demand for a week, and export it to what scales them."""
    from aiops_provider.control.schedule_task import (
        CapacityPolicy,
        demand_of_file,
        demand_of_task,
        schedule_as_data,
        schedule_demand,
    )
    from aiops_provider.domain.units import utc_now

    if (task_file is None) == (demand is None):
        raise typer.BadParameter("give either a TASK.yaml or --demand")
    settings = read_settings(config)
    if task_file is not None:
        past = demand_of_task(
            task_file, history_file=history, now=utc_now(), catalog=settings.open_catalog
        )
    else:
        past = demand_of_file(demand or Path())
    policy = CapacityPolicy(
        capacity_per_instance=1.0,
        quantile=quantile,
        shortage_cost=shortage_cost,
        patience_s=patience,
        cold_start_s=cold_start,
        minimum=minimum,
        maximum=maximum,
        slot_s=60.0 * slot,
        hold_s=hold,
        change_cost_hours=change_cost,
        timezone=timezone,
    )
    with working("forecasting a week"):
        made = schedule_demand(
            past, capacity_per_instance=per_instance, policy=policy, settings=settings.profiling
        )
    if made.short_slots:
        note(f"Slots that need more than the maximum: {made.short_slots}")
    if export is not None:
        exported = export_schedule(made, export, target=target or past.name, namespace=namespace)
        if output is OutputFormat.JSON:
            emit(exported, output=output)
        else:
            typer.echo(export_text(exported, export), nl=False)
        return
    emit(schedule_as_data(made, past), output=output, view=lambda: _view(made, past))


def _view(made: CapacitySchedule, past: PastDemand) -> Iterator[RenderableType]:
    from aiops_provider.control.schedule_task import clock

    policy = made.policy
    rows = [
        [clock(event.minute_of_week), event.before, event.instances, event.reason]
        for event in made.events
    ]
    title = f"Instances of {past.name} over a week ({policy.timezone})"
    if rows:
        yield table(title, ["order at", "from", "to", "why"], rows, right=("from", "to"))
    reaction = made.reaction
    yield table(
        "Terms",
        ["term", "value"],
        [
            ["instances", f"{made.smallest} to {made.largest}, {len(rows)} changes a week"],
            ["demand", f"{past.unit}; {made.sample_count} slots seen"],
            ["why", made.reason],
            [
                "reaction",
                f"hold {100 * reaction.target_utilisation:.3g} % of use, scale in after "
                f"{reaction.scale_in_after_s:g} s: {reaction.reason}",
            ],
        ],
    )
