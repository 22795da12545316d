"""``aiops detect``: anomalies in a file of KPIs, folded into super-alarms with their causes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aiops_provider.cli.options import ConfigOption, read_settings
from aiops_provider.cli.output import OutputFormat, OutputOption, emit, table, working

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aiops_provider.control.detect_file import Replay

_SHOWN_ALARMS = 20


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("detect")(detect)


def detect(
    kpis: Annotated[
        Path,
        typer.Argument(
            metavar="KPIS.csv|jsonl|parquet",
            help="Columns observed_at, name, value and any dimensions.",
        ),
    ],
    *,
    rules: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Expert rules (YAML) over the shipped ones.")
    ] = None,
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Replay a stream of KPIs; print what deviated, what caused it and what would be done."""
    from aiops_provider.control.detect_file import detect_file

    settings = read_settings(config)
    detection = settings.detection
    if rules is not None:
        detection = detection.model_copy(update={"rules_file": str(rules)})
    with working(f"Replaying {kpis}"):
        found = detect_file(kpis, detection, clusters=settings.cluster_specs)
    emit(found.as_json(), output=output, view=lambda: _view(found))


def _view(found: Replay) -> Iterator[RenderableType]:
    yield (
        f"{found.samples} samples, {found.judged} judged, {len(found.alarms)} alarms, "
        f"{len(found.super_alarms)} super-alarms"
    )
    for one in found.super_alarms:
        rows = [
            [
                ", ".join(f"{key}={value}" for key, value in each.cause.items()) or "unknown",
                each.support,
                each.precision,
                each.confidence,
                each.next_check,
            ]
            for each in one.root_cause.hypotheses
        ]
        yield table(
            f"{one.severity.value}: {one.summary}",
            ["cause", "explains", "of its own", "confidence", "next check"],
            rows,
            right=("explains", "of its own", "confidence"),
        )
        if one.response is not None:
            yield f"  response: {one.response.action.value} – {one.response.reason}"
    if found.alarms:
        worst = sorted(found.alarms, key=lambda alarm: alarm.p_value)[:_SHOWN_ALARMS]
        yield table(
            f"The {len(worst)} surest alarms of {len(found.alarms)}",
            ["since", "series", "value", "expected", "score", "reason"],
            [
                [a.observed_at.isoformat(), str(a.series), a.value, a.expected, a.score, a.reason]
                for a in worst
            ],
            right=("value", "expected", "score"),
        )
