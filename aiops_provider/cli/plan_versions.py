"""``aiops plan list``, ``diff``, ``nominate`` and ``schedule``: the stored plans, and the one in force for others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from aiops_provider.cli.options import ConfigOption, open_installation
from aiops_provider.cli.output import OutputFormat, OutputOption, emit, table
from aiops_provider.cli.plan_schedule import schedule

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aiops_provider.domain.plan_difference import PlanDifference


def add_commands(group: typer.Typer) -> None:
    """Add the commands to ``aiops plan``."""
    group.command("list")(list_)
    group.command("diff")(diff)
    group.command("nominate")(nominate)
    group.command("schedule")(schedule)


def list_(config: ConfigOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """List the stored plans, latest first."""
    from aiops_provider.control.plan_versions import list_plans

    found = list_plans(open_installation(config))
    emit(
        found,
        output=output,
        view=lambda: [
            table(
                "Plans",
                ["version", "made", "put in force", "in force"],
                [
                    [
                        str(each.version),
                        f"{each.created_at:%Y-%m-%d %H:%M}",
                        f"{each.activated_at:%Y-%m-%d %H:%M}" if each.activated_at else None,
                        "yes" if each.in_force else None,
                    ]
                    for each in found
                ],
            )
        ],
    )


def diff(
    old: Annotated[
        int | None, typer.Argument(help="Version; default: in force before the new one.")
    ] = None,
    new: Annotated[int | None, typer.Argument(help="Version; default: the one in force.")] = None,
    *,
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Say what a plan does otherwise than another, task by task."""
    from aiops_provider.control.plan_versions import diff_plans

    found = diff_plans(open_installation(config), old, new)
    emit(found, output=output, view=lambda: _difference(found))


def nominate(config: ConfigOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """Print where each task should be tried, as a dispatcher such as MultiKueue wants to be told."""
    from aiops_provider.control.plan_versions import nominate_clusters
    from aiops_provider.domain.units import utc_now

    found = nominate_clusters(open_installation(config), utc_now())
    named = [
        {
            "task": str(each.task),
            "group": each.group,
            "nominatedClusterNames": each.nominated,  # as Kueue spells it
            "nextClusterNames": each.next,
        }
        for each in found
    ]
    emit(
        named,
        output=output,
        view=lambda: [
            table(
                "Where to try",
                ["task", "group", "nominated", "after them"],
                [
                    [str(each.task), each.group, ", ".join(each.nominated), ", ".join(each.next)]
                    for each in found
                ],
            )
        ],
    )


def _difference(found: PlanDifference) -> Iterator[RenderableType]:
    yield table(
        f"Plan {found.new_version} against plan {found.old_version}",
        ["task", "change", "before", "after"],
        [
            [str(each.task), each.change.value, _places(each.before), _places(each.after)]
            for each in found.changes
        ],
    )
    rows: list[list[object]] = [
        ["tasks that stay", str(found.unchanged)],
        ["cost", f"{found.cost_usd_per_hour:+.4g} USD/h"],
        ["SLA attained", f"{found.sla_attainment:+.2%}"],
        ["gap to the proven bound", f"{found.gap:+.2%}"],
    ]
    if found.objective_changed:
        rows.append(["objective", "changed, so the figures do not compare"])
    yield table("In all", ["figure", "new minus old"], rows)


def _places(places: Mapping[str, float]) -> str | None:
    """Shares only where there is more than one place, or some without."""
    ranked = sorted(places.items(), key=lambda pair: (-pair[1], pair[0]))
    if len(ranked) == 1 and round(ranked[0][1], 4) == 1:
        return ranked[0][0]
    return ", ".join(f"{place} {share:.1%}" for place, share in ranked) or None
