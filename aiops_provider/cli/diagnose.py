"""``aiops diagnose``: where in a multi-dimensional KPI it deviates, or which service is at fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aiops_provider.cli.output import OutputFormat, OutputOption, emit, table, working
from aiops_provider.errors import DataError

if TYPE_CHECKING:
    from datetime import datetime

    from rich.console import RenderableType

    from aiops_provider.control.diagnose_calls import CallDiagnosis
    from aiops_provider.control.diagnose_file import Diagnosis

_MEND = "Write `aiops diagnose KPIS.csv --calls CALLS.csv --target SERVICE --onset MOMENT`."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("diagnose")(diagnose)


def diagnose(
    snapshot: Annotated[
        Path,
        typer.Argument(
            help="A row per leaf: dimension columns and actual, expected (of a ratio: actual_num, "
            "actual_den, expected_num, expected_den). With --calls: observed_at, service, value, requests."
        ),
    ],
    *,
    conditions: Annotated[
        int, typer.Option("--conditions", min=1, max=5, help="Conditions of a cause at most.")
    ] = 3,
    calls: Annotated[
        Path | None,
        typer.Option("--calls", help="Which service calls which: a file with caller, callee."),
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", help="With --calls: the service that users see.")
    ] = None,
    onset: Annotated[
        str | None,
        typer.Option("--onset", metavar="MOMENT", help="With --calls: when the trouble began."),
    ] = None,
    lower_is_worse: Annotated[
        bool, typer.Option("--lower-is-worse", help="With --calls: as of an availability.")
    ] = False,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Say which combinations of values explain why a KPI deviates, or which service is at fault."""
    if calls is not None:
        _services(snapshot, calls, target, onset, lower_is_worse=lower_is_worse, output=output)
        return
    for name, given in (("--target", target), ("--onset", onset)):
        if given is not None:
            raise DataError("is of use with --calls only", field=name, value=given, mend=_MEND)
    from aiops_provider.control.diagnose_file import diagnose_file

    with working(f"searching {snapshot.name}"):
        found = diagnose_file(snapshot, most_conditions=conditions)
    emit(found, output=output, view=lambda: _view(found))


def _services(
    kpis: Path,
    calls: Path,
    target: str | None,
    onset: str | None,
    *,
    lower_is_worse: bool,
    output: OutputFormat,
) -> None:
    from aiops_provider.control.diagnose_calls import diagnose_calls

    if target is None:
        raise DataError("is missing", field="--target", mend=_MEND)
    found = diagnose_calls(
        kpis, calls, target=target, onset=_onset(onset), lower_is_worse=lower_is_worse
    )
    emit(found, output=output, view=lambda: _service_view(found))


def _onset(text: str | None) -> datetime:
    from aiops_provider.control.row_file import moment_of

    def wrong(problem: str, mend: str) -> DataError:
        return DataError(problem, field="--onset", value=text, mend=mend)

    return moment_of(text or "", wrong)


def _service_view(found: CallDiagnosis) -> Iterator[RenderableType]:
    yield f"{found.target} since {found.onset:%Y-%m-%d %H:%M %Z}, over {found.moments} moments"
    if not found.causes:
        yield "Nothing that it calls, nor it itself, got worse."
        return
    yield table(
        "Who does the harm",
        ["service", "own harm", "share", "seen by its callers", "calls away"],
        [(one.service, one.own, one.share, one.harm, one.calls_away) for one in found.causes],
        right=["own harm", "share", "seen by its callers", "calls away"],
    )


def _view(found: Diagnosis) -> Iterator[RenderableType]:
    yield f"{found.leaves} leaves: {found.actual:.6g} measured, {found.expected:.6g} expected"
    if not found.causes:
        yield "Nothing but noise is off."
        return
    yield table(
        "What explains it",
        ["cause", "measured", "expected", "explained", "share of the excess", "leaves"],
        [
            (
                ", ".join(f"{name}={value}" for name, value in one.cause.items()),
                one.actual,
                one.expected,
                one.explained,
                one.deviation_share,
                one.leaves,
            )
            for one in found.causes
        ],
        right=["measured", "expected", "explained", "share of the excess", "leaves"],
    )
