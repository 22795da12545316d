"""``aiops clusters``: how the clusters are, and what was lost with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from aiops_provider.cli.options import ConfigOption, SinceOption, moment, open_installation
from aiops_provider.cli.output import OutputFormat, OutputOption, emit, note, table, working
from aiops_provider.domain.units import utc_now

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aiops_provider.control.cluster_check import ClusterCheck
    from aiops_provider.control.cluster_view import ClusterView
    from aiops_provider.control.fencing import FencedTry
    from aiops_provider.domain.cluster import Pool

commands = typer.Typer(help="Show the clusters, check one, list what was fenced.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(commands, name="clusters")


@commands.callback(invoke_without_command=True)
def _default(
    context: typer.Context,
    since: SinceOption = "7d",
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    if context.invoked_subcommand is None:
        list_clusters(since=since, config=config, output=output)


@commands.command("list")
def list_clusters(
    *,
    since: SinceOption = "7d",
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Every cluster, how it is, and what keeps tasks off it."""
    from aiops_provider.control.cluster_view import view_clusters

    views = view_clusters(open_installation(config), utc_now(), since=moment(since))
    emit(views, output=output, view=lambda: _list_view(views))


@commands.command("check")
def check(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The cluster.")],
    *,
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=1, help="Seconds until the task must have ended.")
    ] = 300.0,
    connection: Annotated[
        list[str] | None,
        typer.Option("--connection", help="Id of a connection to be found there; repeatable."),
    ] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Drop the last result: the cluster gets tasks again.")
    ] = False,
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """
    Run a probe task on a cluster and say what would keep tasks from running there.

    Until a check succeeds, a cluster whose check failed gets no tasks. Call it where the scheduler
    runs. Exit status 1: something failed.
    """
    from aiops_provider.control.cluster_check import check_cluster, forget_check

    installation = open_installation(config)
    if forget:
        forget_check(installation.require_store(), name)
        note(f"The last check of {name} is forgotten.")
        return
    with working(f"A task looks around on {name}"):
        found = check_cluster(
            installation, name, utc_now(), timeout_s=timeout_s, connections=connection or []
        )
    emit(found, output=output, view=lambda: _check_view(found))
    if found.problem:
        raise typer.Exit(1)


@commands.command("fenced")
def list_fenced(
    *,
    since: SinceOption = "7d",
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Tries that were run elsewhere because their cluster was lost, and how long both ran."""
    from aiops_provider.control.fencing import fenced_tries

    tries = fenced_tries(open_installation(config).require_store(), since=moment(since))
    emit(tries, output=output, view=lambda: _fenced_view(tries))


def _list_view(views: Sequence[ClusterView]) -> Iterator[RenderableType]:
    right = ("fenced", "overlaps")
    yield table(
        "Clusters",
        ["cluster", "kind", "provider", "region", "machines", "state", "why", *right],
        [_row(view) for view in views],
        right=right,
    )


def _row(view: ClusterView) -> list[object]:
    spec, health = view.spec, view.health
    state = health.state.value if health is not None else "not probed"
    why = health.detail if health is not None else ""
    if view.quarantine:
        state, why = "quarantined", view.quarantine
    if view.unfit:
        state, why = "unfit", view.unfit
    machines = ", ".join(map(_machines, spec.pools))
    place = [spec.name, spec.kind, spec.provider, spec.region]
    return [*place, machines, state, why, f"{view.fenced}", f"{view.overlaps}"]


def _machines(pool: Pool) -> str:
    machine, price = pool.machine, pool.price_usd_per_hour
    cost = "price unknown" if price is None else f"{price:g} USD/h"
    size = f"{machine.cores:g} cores {machine.memory_gib:g} GiB"
    models = "".join(f" {count} {model}" for model, count in sorted(machine.accelerators.items()))
    return f"{pool.max_instances} x {size}{models} at {cost}"


def _check_view(found: ClusterCheck) -> Iterator[RenderableType]:
    yield table(
        f"{found.cluster}, as run {found.run_id} found it",
        ["check", "verdict", "what was found", "what to do"],
        [[f.check, f.verdict.value, f.detail, f.mend] for f in found.findings],
    )


def _fenced_view(tries: Sequence[FencedTry]) -> Iterator[RenderableType]:
    yield table(
        "Fenced tries",
        ["try", "was on", "placed at (UTC)", "runs on", "since (UTC)", "both ran s"],
        [
            [
                each.run,
                each.cluster,
                f"{each.placed_at:%Y-%m-%d %H:%M:%S}",
                each.rerun_on,
                f"{each.rerun_at:%Y-%m-%d %H:%M:%S}" if each.rerun_at else None,
                "unknown" if each.overlap_s is None else f"{each.overlap_s:.0f}",
            ]
            for each in tries
        ],
        right=("both ran s",),
    )
