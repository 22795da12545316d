"""``aiops plan schedule``: machines of each pool over the week, for whatever scales them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aiops_provider.cli.options import ConfigOption, open_installation, read_settings
from aiops_provider.cli.output import OutputFormat, OutputOption, emit, table, working
from aiops_provider.control.schedule_export import Export, export_schedule, export_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aiops_provider.control.plan_schedule import PoolSchedule


def schedule(
    *,
    workloads: Annotated[
        Path | None,
        typer.Option(metavar="TASKS.yaml", help="Of a plan of these instead of the one in force."),
    ] = None,
    cluster: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    pool: Annotated[str | None, typer.Option(help="Only pools of this name.")] = None,
    cold_start: Annotated[
        float, typer.Option(metavar="SECONDS", help="From a machine's order until it takes tasks.")
    ] = 60.0,
    minimum: Annotated[int, typer.Option(min=0, help="Machines of each pool that always run.")] = 0,
    export: Annotated[
        Export | None, typer.Option(help="Print what this system takes; of one pool.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="What it is called there; default: cluster and pool, joined by a dash."),
    ] = None,
    namespace: Annotated[str, typer.Option(help="Of a Deployment.")] = "default",
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Say how many machines of each pool the plan needs over the week, ahead of demand."""
    from aiops_provider.control.plan_file import plan_file
    from aiops_provider.control.plan_schedule import pool_schedule_as_data, schedule_pools
    from aiops_provider.control.plan_versions import required_plan
    from aiops_provider.domain.units import utc_now

    if workloads is not None:
        settings = read_settings(config)
        with working("Looking for the best plan …"):
            plan = plan_file(workloads, settings, utc_now()).plan
        clusters = settings.cluster_specs
    else:
        installation = open_installation(config)
        plan, clusters = required_plan(installation), installation.clusters
    assert plan is not None  # noqa: S101 - a file always makes one, or raises
    made = schedule_pools(
        plan, clusters, cluster=cluster, pool=pool, cold_start_s=cold_start, minimum=minimum
    )
    if export is None:
        data = [pool_schedule_as_data(each) for each in made]
        emit(data, output=output, view=lambda: _view(made))
        return
    if len(made) != 1:
        raise typer.BadParameter(
            f"--export is for one pool, and these are {len(made)}: name it with --cluster and --pool."
        )
    (one,) = made
    named = target or f"{one.cluster}-{one.pool}"
    exported = export_schedule(one.schedule, export, target=named, namespace=namespace)
    if output is OutputFormat.JSON:
        emit(exported, output=output)
    else:
        typer.echo(export_text(exported, export), nl=False)


def _view(made: Sequence[PoolSchedule]) -> Iterator[RenderableType]:
    from aiops_provider.control.schedule_task import clock

    yield table(
        "Machines over the week (UTC)",
        ["cluster", "pool", "least", "most", "changes", "why"],
        [
            [
                each.cluster,
                each.pool,
                each.schedule.smallest,
                each.schedule.largest,
                len(each.schedule.events),
                each.schedule.reason,
            ]
            for each in made
        ],
        right=("least", "most", "changes"),
    )
    rows = [
        [each.cluster, each.pool, clock(event.minute_of_week), event.before, event.instances]
        for each in made
        for event in each.schedule.events
    ]
    if rows:
        columns = ["cluster", "pool", "order at", "from", "to"]
        yield table("Changes", columns, rows, right=("from", "to"))
