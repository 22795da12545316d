"""``aiops score``: how good detections are, measured against labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aiops_provider.cli.output import OutputFormat, OutputOption, emit, table, working

if TYPE_CHECKING:
    from rich.console import RenderableType


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("score")(score)


def score(
    detections: Annotated[
        Path,
        typer.Argument(help="One row per sample: observed_at, score in [0, 1], series."),
    ],
    labels: Annotated[
        Path,
        typer.Argument(
            help="begin, end, series of each anomaly; or observed_at, label, series; or NAB's JSON."
        ),
    ],
    *,
    threshold: Annotated[
        float, typer.Option("--threshold", help="Score from which on a sample is detected.")
    ] = 0.5,
    rest: Annotated[
        int, typer.Option("--rest", min=0, help="Samples of silence after each detection.")
    ] = 0,
    delay: Annotated[
        int | None,
        typer.Option("--delay", min=0, help="Later detections, in samples, find nothing."),
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Score detections against labels: NAB, VUS-PR, event-F1, false alarms per series-week."""
    from aiops_provider.control.score_file import figures, score_file

    with working(f"scoring {detections.name}"):
        found = score_file(detections, labels, threshold=threshold, rest=rest, delay=delay)
    plain = figures(found)
    emit(plain, output=output, view=lambda: _view(plain))


def _view(plain: dict[str, Any]) -> Iterator[RenderableType]:
    yield table(
        "Detections against labels",
        ["what", "value"],
        [(name.replace("_", " "), value) for name, value in plain.items()],
        right=["value"],
    )
