"""The closing tables of a demo, or all of it as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aiops_provider.cli.demo.outcome import DemoReport
from aiops_provider.cli.output import OutputFormat, emit, table

if TYPE_CHECKING:
    from rich.console import RenderableType


def show(report: DemoReport, *, output: OutputFormat) -> None:
    """Print the report to stdout."""
    emit(as_data(report), output=output, view=lambda: _tables(report))


def as_data(report: DemoReport) -> dict[str, Any]:
    """The report as plain data, with the verdicts that its properties hold."""
    data = asdict(report)
    data["met"] = report.met
    for act, plain in zip(report.acts, data["acts"], strict=True):
        plain["met"] = act.met
    return data


def _tables(report: DemoReport) -> Iterator[RenderableType]:
    yield ""
    if report.tasks:
        yield _task_table(report)
    if report.super_alarms:
        yield table(
            "Super-alarms",
            ["summary", "alarms", "hypotheses, best first", "response"],
            (
                (one.summary, one.alarms, "\n".join(one.hypotheses), one.response)
                for one in report.super_alarms
            ),
            right=["alarms"],
        )
    yield table(
        "Acts",
        ["act", "title", "met", "seconds"],
        (
            (act.act, act.title, _count(act.expectations), round(act.duration_s, 1))
            for act in report.acts
        ),
        right=["met", "seconds"],
    )
    from rich.text import Text

    for note in report.notes:
        yield Text(note)
    if report.commands:
        yield Text("To look further:")
        yield from (Text(f"  {command}") for command in report.commands)


def _count(expectations: tuple[Any, ...]) -> str:
    return f"{sum(one.met for one in expectations)} of {len(expectations)}"


def _task_table(report: DemoReport) -> RenderableType:
    alone = f"alone on {report.single_cluster} USD" if report.single_cluster else "alone USD"
    right = ["GiB", "cores", "cost USD", alone]
    columns = ["task", "profile from", "GiB", "cores", "cluster", "why there", "cost USD", alone]
    return table("Tasks: asked → used", columns, _task_rows(report), right=right)


def _task_rows(report: DemoReport) -> Iterator[list[str]]:
    for line in report.tasks:
        yield [
            line.task,
            f"{line.runs_known} runs" if line.runs_known else "prior",
            f"{line.memory_gib_asked:.2f} → {_figure(line.memory_gib_used)}",
            f"{line.cores_asked:.2f} → {_figure(line.cores_used)}",
            line.cluster,
            line.reason,
            _money(line.cost_usd),
            _money(line.single_cluster_cost_usd),
        ]
    spent = [line.cost_usd for line in report.tasks]
    alone = [line.single_cluster_cost_usd for line in report.tasks]
    yield ["all of them", "", "", "", "", "", _money(_total(spent)), _money(_total(alone))]


def _total(costs: list[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None


def _figure(value: float | None) -> str:
    return "?" if value is None else f"{value:.2f}"


def _money(value: float | None) -> str:
    return "?" if value is None else f"{value:.6f}"
