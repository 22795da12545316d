"""``aiops route --dag FILE``: a whole DAG file profiled, routed and priced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from aiops_provider.cli.options import open_installation, read_settings
from aiops_provider.cli.output import OutputFormat, emit, note, table, working

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aiops_provider.control.route_dag import RoutedDagFile, RoutedDagTask

_INFEASIBLE_STATUS = 2


def route_file(file: Path, *, dry_run: bool, config: Path | None, output: OutputFormat) -> None:
    """
    Route every task of a file; ends with status 2 if one of them can run nowhere.

    Args:
        file: Python file with DAGs.
        dry_run: Ask no store.
        config: As given on the command line.
        output: As given on the command line.
    """
    from aiops_provider.control.installation import Installation
    from aiops_provider.control.route_dag import route_dag_file
    from aiops_provider.domain.units import utc_now

    installation = (
        Installation.without_store(read_settings(config)) if dry_run else open_installation(config)
    )
    with working("Airflow imports the file"):
        routed = route_dag_file(installation, file, utc_now())
    emit(routed, output=output, view=lambda: _view(routed))
    if not routed.feasible:
        raise typer.Exit(_INFEASIBLE_STATUS)
    if routed.unpriced:
        note(f"The cost of {routed.unpriced} tasks is unknown: their machines have no price.")


def _view(routed: RoutedDagFile) -> Iterator[RenderableType]:
    yield table(
        f"Where the tasks of {routed.file} would run",
        ["task", "operator", "cluster", "cores", "GiB", "expected s", "expected USD", "why"],
        [_row(each) for each in routed.tasks],
        right=("cores", "GiB", "expected s", "expected USD"),
    )
    yield table(
        "One run of it", ["what", "value"], [["cost", f"{routed.expected_cost_usd:.4g} USD"]]
    )


def _row(routed: RoutedDagTask) -> list[object]:
    route, profile = routed.route, routed.profile
    if route is None or profile is None:
        return [routed.task, routed.operator, "nowhere", "", "", "", "", routed.problem]
    cost = route.expected_cost_usd
    return [
        routed.task,
        routed.operator,
        route.cluster,
        f"{route.request.cores:g}",
        f"{route.request.memory_gib:.3g}",
        f"{profile.duration_s.p50:.3g}",
        "unknown" if cost is None else f"{cost:.4g}",
        route.reason.sentence,
    ]
