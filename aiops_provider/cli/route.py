"""``aiops route``: where a task would run now, and where its latest tries ran."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aiops_provider.cli.options import ConfigOption, open_installation
from aiops_provider.cli.output import OutputFormat, OutputOption, emit, note, table
from aiops_provider.cli.route_dag import route_file

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aiops_provider.control.route_run import RoutedTry
    from aiops_provider.control.route_task import RoutedTask
    from aiops_provider.domain.plan import Placement, Route
    from aiops_provider.domain.task import TaskRun


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("route")(route)


def route(
    task: Annotated[
        str | None,
        typer.Argument(metavar="TASK", help="namespace/name: DAG id/task id or flow/deployment."),
    ] = None,
    *,
    dag: Annotated[
        Path | None,
        typer.Option("--dag", metavar="FILE", help="Every task of a DAG file instead."),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option("--run", metavar="RUN_ID", help="Where each try of a run went, and why."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="With --dag: ask no store; priors and descriptions decide."),
    ] = False,
    why: Annotated[
        bool, typer.Option("--why", help="Say why every other cluster was passed over.")
    ] = False,
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """
    Say where a task would run now, or why it ran where it did.

    With --run every try of that run is told, of all DAGs or of the DAG or task that is named.
    With --dag the whole file is profiled, routed and priced; the exit status is 2 if one of its
    tasks can run nowhere.
    """
    if [task, dag, run].count(None) == 0 or (dag is not None and (task or run)):
        raise typer.BadParameter("--dag stands alone: `aiops route --dag FILE`.")
    if task is None and dag is None and run is None:
        raise typer.BadParameter(
            "Name a task, a DAG file (`aiops route --dag FILE`) or a run (`aiops route --run ID`)."
        )
    if dry_run and dag is None:
        raise typer.BadParameter("--dry-run needs --dag FILE.")
    if dag is not None:
        route_file(dag, dry_run=dry_run, config=config, output=output)
        return
    if run is not None:
        _route_run(run, task, config=config, output=output)
        return
    assert task is not None  # noqa: S101 - seen to above
    _route_task(task, why=why, config=config, output=output)


def _route_run(run: str, task: str | None, *, config: Path | None, output: OutputFormat) -> None:
    from aiops_provider.control.route_run import route_run

    tries = route_run(open_installation(config), run, within=task)
    emit(tries, output=output, view=lambda: _run_view(run, tries))


def _run_view(run: str, tries: Sequence[RoutedTry]) -> Iterator[RenderableType]:
    yield table(
        f"Where the tries of run {run} went",
        ["task", "try", "placed at (UTC)", "cluster", "mode", "state", "ended as", "why"],
        [
            [
                _mapped(each.placement.run),
                _counted(each.placement),
                f"{each.placement.placed_at:%Y-%m-%d %H:%M:%S}",
                each.placement.cluster,
                _mode(each.placement),
                each.placement.state.value,
                each.outcome.value if each.outcome else None,
                each.placement.route.reason.sentence,
            ]
            for each in tries
        ],
    )


def _mapped(run: TaskRun) -> str:
    return f"{run.task}[{run.map_index}]" if run.map_index >= 0 else str(run.task)


def _counted(placement: Placement) -> str:
    """A try that was placed more than once counts its placements."""
    again = f", placement {placement.epoch}" if placement.epoch > 1 else ""
    return f"{placement.run.try_number}{again}"


def _mode(placement: Placement) -> str:
    return placement.mode.value if placement.applied else f"{placement.mode.value}, not applied"


def _route_task(task: str, *, why: bool, config: Path | None, output: OutputFormat) -> None:
    from aiops_provider.control.route_task import route_task
    from aiops_provider.domain.task import TaskKey
    from aiops_provider.domain.units import utc_now

    routed = route_task(open_installation(config), TaskKey.parse(task), utc_now())
    if not routed.known:
        note(f"{routed.route.task} has no stored profile; this is what the priors say.")
    emit(routed, output=output, view=lambda: _view(routed, why=why))


def _view(routed: RoutedTask, *, why: bool) -> Iterator[RenderableType]:
    chosen = routed.route
    yield table(f"Where {chosen.task} would run now", ["what", "value"], _choice(chosen))
    if why:
        rejected = sorted(chosen.reason.rejected.items())
        yield table("Passed over", ["cluster", "why"], rejected)
        yield table("Figures behind it", ["figure", "value"], chosen.reason.figures.items())
    if chosen.alternatives:
        yield table(
            "Next best",
            ["cluster", "pool", "expected USD", "with scarcity USD"],
            [
                [each.cluster, each.pool, _usd(each.expected_cost_usd), _usd(each.score_usd)]
                for each in chosen.alternatives
            ],
            right=("expected USD", "with scarcity USD"),
        )
    if why and routed.storage:
        yield table(
            "What it stores there",
            ["cluster", "class", "GiB", "USD a month"],
            [
                [each.cluster, each.storage_class, f"{each.gib:.3g}", _usd(each.usd_per_month)]
                for each in routed.storage
            ],
            right=("GiB", "USD a month"),
        )
    if routed.placements:
        yield table(
            "Where its latest tries went",
            ["run", "placed at (UTC)", "cluster", "mode", "state", "why"],
            [
                [
                    f"{each.run.run_id} try {each.run.try_number}",
                    f"{each.placed_at:%Y-%m-%d %H:%M:%S}",
                    each.cluster,
                    _mode(each),
                    each.state.value,
                    each.route.reason.sentence,
                ]
                for each in routed.placements
            ],
        )


def _choice(chosen: Route) -> list[list[object]]:
    request = chosen.request
    asked = f"{request.cores:g} cores, {request.memory_gib:g} GiB"
    if request.accelerators:
        asked += f", {request.accelerators} x {request.accelerator or 'any GPU'}"
    return [
        ["cluster", f"{chosen.cluster} (pool {chosen.pool})"],
        ["request", asked],
        ["expected cost", _usd(chosen.expected_cost_usd, "price unknown")],
        ["reason", f"{chosen.reason.sentence} [{chosen.reason.code.value}]"],
        ["plan", str(chosen.plan_version) if chosen.plan_version else "none"],
    ]


def _usd(amount: float | None, unknown: str = "unknown") -> str:
    return unknown if amount is None else f"{amount:.4g} USD"
