"""``aiops simulate``: what a trace of tasks would have cost, placed in several ways."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aiops_provider.cli.options import ConfigOption, read_settings
from aiops_provider.cli.output import OutputFormat, OutputOption, emit, note, progress, table
from aiops_provider.control.simulate import PolicyName

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aiops_provider.control.simulate import SimulatedPolicy


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("simulate")(simulate)


def simulate(
    trace: Annotated[
        Path,
        typer.Argument(
            metavar="TRACE",
            help="CSV, JSON lines or Parquet: arrived_at, task, duration_s, cores, memory_gib, "
            "accelerators, accelerator, deadline_s, checkpoint_s, stored_gib, storage_class, "
            "spread, apart_from, run_id.",
        ),
    ],
    *,
    outages: Annotated[
        Path | None,
        typer.Option("--outages", help="The same: cluster, pool, begin_at, end_at, kind."),
    ] = None,
    prices: Annotated[
        Path | None,
        typer.Option(
            "--prices",
            help="The same: at, cluster, pool, purchase, price_usd_per_hour; until a pool's first row "
            "its price is that of aiops.yaml.",
        ),
    ] = None,
    policy: Annotated[
        list[PolicyName] | None, typer.Option("--policy", help="Only this one; may be repeated.")
    ] = None,
    single: Annotated[
        str | None,
        typer.Option("--single", help="Cluster of single_cluster; default: the fallback cluster."),
    ] = None,
    plan_every: Annotated[
        float, typer.Option("--plan-every", min=0, help="Hours between plans; 0: router alone.")
    ] = 24.0,
    choose_again: Annotated[
        float, typer.Option("--choose-again", min=1, help="Seconds after which waiting tasks move.")
    ] = 300.0,
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """
    Replay a trace of tasks in virtual time, and say what each way to place them comes to.

    Clusters and objective come from aiops.yaml, and so do prices until --prices change them; nothing is stored and no cluster is asked.
    """
    from aiops_provider.control.simulate import simulate as replay

    settings = read_settings(config)
    with progress() as watch:
        found = replay(
            trace,
            settings,
            outages=outages,
            prices=prices,
            policies=policy or tuple(PolicyName),
            single=single,
            plan_every_hours=plan_every or None,
            choose_again_s=choose_again,
            watch=watch,
        )
    emit(found, output=output, view=lambda: _view(found))
    for each in found:
        for reason in each.why_refused:
            note(f"{each.policy}: {reason}")
        if each.failed_plans:
            note(f"{each.policy}: {each.failed_plans} plans failed; the one in force stayed.")
        if each.figures.unpriced:
            note(f"{each.policy}: {each.figures.unpriced} attempts had no known price.")


def _view(found: Sequence[SimulatedPolicy]) -> Iterator[RenderableType]:
    figures = (
        "tasks",
        "finished",
        "lost",
        "doubled",
        "refused",
        "USD",
        "of it wasted",
        "of it storage",
        "SLA",
        "utilisation",
        "queue mean s",
        "queue p95 s",
        "interrupted",
        "moved",
    )
    yield table(
        "Policies",
        ["policy", *figures],
        [[each.policy.value, *_totals(each)] for each in found],
        right=figures,
    )
    per_cluster = ("attempts", "interrupted", "machine hours", "utilisation", "USD")
    yield table(
        "Clusters",
        ["policy", "cluster", *per_cluster],
        [
            [
                each.policy.value,
                one.cluster,
                one.attempts,
                one.lost_attempts,
                one.machine_hours,
                _percent(one.utilisation),
                f"{one.cost_usd:.2f}",
            ]
            for each in found
            for one in each.figures.clusters
        ],
        right=per_cluster,
    )


def _totals(each: SimulatedPolicy) -> list[object]:
    figures = each.figures
    return [
        figures.tasks,
        figures.finished,
        figures.lost,
        figures.doubled,
        figures.refused,
        f"{figures.cost_usd:.2f}",
        f"{figures.wasted_usd:.2f}",
        f"{figures.stored_usd:.2f}",
        _percent(figures.sla_attainment),
        _percent(figures.utilisation),
        figures.queueing_mean_s,
        figures.queueing_p95_s,
        figures.interruptions,
        figures.moves,
    ]


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.2%}"
