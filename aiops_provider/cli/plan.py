"""``aiops plan``: where workloads should run, and how good that is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aiops_provider.cli.options import ConfigOption, open_installation, read_settings
from aiops_provider.cli.output import OutputFormat, OutputOption, emit, note, table, working
from aiops_provider.cli.plan_front import NO_TASK, show_front

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aiops_provider.domain.plan import PlacementPlan, WorkloadGroup

_SHOWN_TASKS = 3
_OUT_OF_REACH = 2
_SOLVING = "Looking for the best plan …"


def register(app: typer.Typer) -> None:
    """Add the command."""
    from aiops_provider.cli.plan_versions import add_commands

    group = typer.Typer(invoke_without_command=True)
    group.callback()(plan)
    add_commands(group)
    app.add_typer(group, name="plan")


def plan(
    context: typer.Context,
    *,
    workloads: Annotated[
        Path | None,
        typer.Option(
            metavar="TASKS.yaml",
            help="Plan these instead: a list of descriptions, each with `task: namespace/name`.",
        ),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what limits the plan and what would help.")
    ] = False,
    pareto: Annotated[
        bool, typer.Option("--pareto", help="Show what more SLA would cost instead.")
    ] = False,
    points: Annotated[
        int, typer.Option(min=2, max=100, help="Plans made for --pareto at most.")
    ] = 12,
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """
    Plan where the workloads should run, or show the plan in force.

    The exit status is 2 if no plan reaches the SLA level: then the nearest one is shown, with the
    limits that conflict and ways out.
    """
    if context.invoked_subcommand is not None:
        return
    from aiops_provider.control.plan_file import plan_file, plan_in_force
    from aiops_provider.domain.plan import PlanStatus
    from aiops_provider.domain.units import utc_now

    if pareto:
        show_front(workloads, points=points, config=config, output=output)
        return
    if workloads is not None:
        settings = read_settings(config)
        with working(_SOLVING):
            shown = plan_file(workloads, settings, utc_now())
    else:
        installation = open_installation(config)
        with working(_SOLVING):
            shown = plan_in_force(installation, utc_now())
    if shown.problem is not None:
        note(f"The latest attempt to plan failed at {shown.problem}")
    made = shown.plan
    if made is None:
        emit(None, output=output, view=list)
        if shown.problem is not None:
            raise typer.Exit(1)
        note(f"There is no plan: {NO_TASK}")
        return
    emit(made, output=output, view=lambda: _view(made, explain=explain))
    if made.status is PlanStatus.INFEASIBLE:
        raise typer.Exit(_OUT_OF_REACH)


def _view(made: PlacementPlan, *, explain: bool) -> Iterator[RenderableType]:
    groups = {group.name: group for group in made.groups}
    from aiops_provider.domain.plan import PlanStatus

    yield table(
        _title(made),
        ["group", "tasks", "cluster", "pool", "share", "cores at peak", "USD/h"],
        _rows(made, groups),
        right=("share", "cores at peak", "USD/h"),
    )
    yield table("How good it is", ["figure", "value"], _figures(made))
    if explain and made.shadow_prices:
        yield table(
            "What one more core-hour would be worth",
            ["cluster", "USD"],
            sorted(made.shadow_prices.items()),
            right=("USD",),
        )
    if explain or made.status is PlanStatus.INFEASIBLE:
        yield table("Why", ["explanation"], [[line] for line in made.explanation])


def _title(made: PlacementPlan) -> str:
    name = f"Plan {made.version}" if made.version else "Plan"
    return f"{name} of {made.created_at:%Y-%m-%d %H:%M} UTC"


def _rows(made: PlacementPlan, groups: dict[str, WorkloadGroup]) -> Iterator[list[object]]:
    for given in sorted(made.assignments, key=lambda a: (a.group, a.cluster, a.pool)):
        group = groups[given.group]
        yield [
            given.group,
            _tasks(group),
            given.cluster,
            given.pool,
            f"{given.share:.1%}",
            group.peak_of_sum_cores * given.share,
            f"{given.cost_usd_per_hour:.4g}",
        ]
    for name, share in sorted(made.unplaced.items()):
        group = groups[name]
        peak = group.peak_of_sum_cores * share
        yield [name, _tasks(group), "no place", None, f"{share:.1%}", peak, None]


def _tasks(group: WorkloadGroup) -> str:
    named = ", ".join(map(str, group.tasks[:_SHOWN_TASKS]))
    more = len(group.tasks) - _SHOWN_TASKS
    return f"{named} and {more} more" if more > 0 else named


def _figures(made: PlacementPlan) -> list[list[object]]:
    goal = made.objective
    wanted = "most SLA" if goal.maximize_sla else f"least cost at {goal.sla:.2%} of the SLA weight"
    if goal.budget_usd_per_hour is not None:
        wanted += f", at most {goal.budget_usd_per_hour:g} USD/h"
    if goal.max_carbon_kg_per_hour is not None:
        wanted += f", at most {goal.max_carbon_kg_per_hour:g} kg/h of CO2e"
    if goal.carbon_usd_per_kg:
        wanted += f", CO2e at {goal.carbon_usd_per_kg:g} USD/kg"
    return [
        ["wanted", wanted],
        ["SLA attained", f"{made.sla_attainment:.2%}"],
        ["cost", f"{made.cost_usd_per_hour:.4g} USD/h"],
        *_carbon(made),
        ["status", made.status.value],
        ["gap to the proven bound", f"{made.gap:.2%}"],
        ["solver", f"{made.solver or 'none was needed'}, {made.solve_s:.2f} s"],
    ]


def _carbon(made: PlacementPlan) -> Iterator[list[object]]:
    """A row with the emissions as far as they are known; none where nothing is."""
    known = [a for a in made.assignments if a.carbon_kg_per_hour is not None]
    if not known:
        return
    kg_per_day = 24.0 * sum(a.carbon_kg_per_hour or 0.0 for a in known)
    unknown = len(made.assignments) - len(known)
    left_out = f", without {unknown} of {len(made.assignments)} assignments" if unknown else ""
    yield ["emissions", f"{kg_per_day:.4g} kg CO2e/day{left_out}"]
