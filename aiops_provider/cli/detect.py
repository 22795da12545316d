"""``aiops detect``: find anomalies in the KPIs of a file and say what caused them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aiops_provider.cli.options import ConfigOption, read_settings
from aiops_provider.cli.output import OutputFormat, OutputOption, emit, table, working
from aiops_provider.domain.alarm import Alarm, Hypothesis, Response, SimilarIncident, SuperAlarm
from aiops_provider.domain.change import PrecedingChange

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aiops_provider.control.detect_file import Detection

_SHOWN_ALARMS = 20


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("detect", help="Find anomalies in KPIs and say what caused them.")(detect)


def detect(  # noqa: PLR0917 - typer reads them by name
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV, JSON lines or Parquet with observed_at, name, value and dimension columns."
        ),
    ],
    rules: Annotated[
        Path | None, typer.Option("--rules", help="Expert rules beside the shipped ones.")
    ] = None,
    changes: Annotated[
        Path | None,
        typer.Option(
            "--changes",
            help="What was changed when: observed_at, kind, words and columns of what it concerns.",
        ),
    ] = None,
    lineage: Annotated[
        Path | None,
        typer.Option(
            "--lineage", help="Which tasks use what others make: upstream, downstream as dag/task."
        ),
    ] = None,
    scores: Annotated[
        Path | None,
        typer.Option("--scores", help="Write every sample's score there, for `aiops score`."),
    ] = None,
    ranked: Annotated[
        bool,
        typer.Option(
            "--ranked",
            help="Scores that put the moments of a series in order: all of a lasting trouble.",
        ),
    ] = False,
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Replay a file of KPIs; each sample is judged by what came before it only."""
    from aiops_provider.control.detect_file import detect_file

    settings = read_settings(config).detection
    with working(f"replaying {file.name}"):
        found = detect_file(
            file,
            rules_file=str(rules) if rules else None,
            settings=settings,
            changes_file=changes,
            lineage_file=lineage,
            scores_file=scores,
            ranked=ranked,
        )
    emit(as_plain(found), output=output, view=lambda: _view(found))


def as_plain(found: Detection) -> dict[str, Any]:
    """The result as scripts get it."""
    return {
        "samples": found.samples,
        "judged": found.judged,
        "expected_false_alarms_per_week": found.false_alarms_per_week,
        "expected_false_super_alarms_per_week": found.false_super_alarms_per_week,
        "alarms": [_plain_alarm(alarm) for alarm in found.alarms],
        "super_alarms": [_plain_super_alarm(one) for one in found.super_alarms],
    }


def _plain_alarm(alarm: Alarm) -> dict[str, Any]:
    return {
        "id": alarm.id,
        "observed_at": alarm.observed_at,
        "name": alarm.series.name,
        "dimensions": {key: value for key, value in alarm.attributes.items() if key != "kpi"},
        "score": alarm.score,
        "p_value": alarm.p_value,
        "super_alarm": alarm.super_alarm,
    }


def _plain_super_alarm(one: SuperAlarm) -> dict[str, Any]:
    return {
        "id": one.id,
        "summary": one.summary,
        "state": one.state,
        "phase": one.phase,
        "reopened": one.reopened,
        "opened_at": one.opened_at,
        "closed_at": one.closed_at,
        "severity": one.severity,
        "size": len(one.alarms),
        "impact": one.impact,
        "representative": one.representative,
        "cause": dict(one.root_cause.best.cause),
        "hypotheses": [_plain_hypothesis(h) for h in one.root_cause.hypotheses],
        "changes": [_plain_change(each) for each in one.changes],
        "similar": [_plain_similar(each) for each in one.similar],
        "response": _plain_response(one.response),
    }


def _plain_hypothesis(hypothesis: Hypothesis) -> dict[str, Any]:
    return {
        "cause": dict(hypothesis.cause),
        "kind": hypothesis.kind,
        "depth": hypothesis.depth,
        "parent": dict(hypothesis.parent) if hypothesis.parent is not None else None,
        "support": hypothesis.support,
        "precision": hypothesis.precision,
        "lift": hypothesis.lift,
        "p_value": hypothesis.p_value,
        "confidence": hypothesis.confidence,
        "counter_evidence": hypothesis.counter_evidence,
        "next_check": hypothesis.next_check,
        "remedy": hypothesis.remedy,
        "downstream": [str(task) for task in hypothesis.downstream],
    }


def _plain_change(one: PrecedingChange) -> dict[str, Any]:
    change = one.change
    return {
        "at": change.at,
        "kind": change.kind,
        "words": change.words,
        "dimensions": dict(change.attributes),
        "before_s": one.before_s,
        "concerns": one.concerns,
    }


def _plain_similar(one: SimilarIncident) -> dict[str, Any]:
    return {
        "id": one.id,
        "similarity": one.similarity,
        "opened_at": one.opened_at,
        "closed_at": one.closed_at,
        "cause": dict(one.cause),
        "closed_by": one.closed_by,
    }


def _plain_response(response: Response | None) -> dict[str, Any] | None:
    if response is None:
        return None
    return {
        "action": response.action,
        "clusters": list(response.clusters),
        "task": str(response.task) if response.task else None,
        "data_of": [str(task) for task in response.data_of],
        "reason": response.reason,
    }


def _view(found: Detection) -> Iterator[RenderableType]:
    yield (
        f"{found.samples} samples, {found.judged} judged: {len(found.alarms)} alarms, "
        f"{len(found.super_alarms)} super-alarms"
    )
    if found.false_alarms_per_week is not None:
        yield (
            f"By chance alone at most {found.false_alarms_per_week:.2g} alarms and "
            f"{found.false_super_alarms_per_week:g} super-alarms a week are to be expected."
        )
    for one in found.super_alarms:
        yield from super_alarm_view(one)
    alone = [alarm for alarm in found.alarms if alarm.super_alarm is None]
    if alone:
        yield table(
            f"Alarms of no super-alarm (the first {min(len(alone), _SHOWN_ALARMS)} of {len(alone)})",
            ["observed at", "series", "value", "expected", "score", "state"],
            [
                (a.observed_at, a.series, a.value, a.expected, a.score, a.state.value)
                for a in alone[:_SHOWN_ALARMS]
            ],
            right=["value", "expected", "score"],
        )


def _times(one: SuperAlarm) -> str:
    return f", came back {one.reopened} times" if one.reopened > 1 else ""


def super_alarm_view(one: SuperAlarm) -> Iterator[RenderableType]:
    """A super-alarm with its hypotheses and what is done about it, for people."""
    from rich.text import Text

    yield Text(f"\n{one.id}  {one.severity.value}, {one.phase}{_times(one)}", style="bold")
    yield Text(one.summary)
    yield Text(f"Affected: {one.impact or 'nothing that is known'}")
    if one.owners:
        yield Text(f"Owner: {', '.join(one.owners)}")
    downstream = one.root_cause.best.downstream
    if downstream:
        yield Text(f"Downstream of the cause: {', '.join(map(str, downstream))}")
    for change in one.changes:
        yield Text(
            f"Changed {change}" + ("" if change.concerns else " (may have nothing to do with it)")
        )
    if one.response is not None:
        dry = " (dry run)" if one.response.dry_run else ""
        done = f"{one.response.action.value} {one.response.target}".strip()
        yield Text(f"Response{dry}: {done} – {one.response.reason}")
    yield table(
        "Hypotheses",
        [
            "cause",
            "kind",
            "support",
            "precision",
            "lift",
            "p",
            "confidence",
            "against",
            "next check",
            "remedy",
        ],
        [
            (
                "  " * h.depth + (", ".join(f"{k}={v}" for k, v in h.cause.items()) or "unknown"),
                h.kind.value,
                h.support,
                h.precision,
                h.lift,
                f"{h.p_value:.1g}",
                h.confidence,
                h.counter_evidence,
                h.next_check,
                h.remedy,
            )
            for h in one.root_cause.hypotheses
        ],
        right=["support", "precision", "lift", "p", "confidence"],
    )
    for each in one.similar:
        what = ", ".join(f"{k}={v}" for k, v in each.cause.items()) or "unknown"
        how = each.closed_by or "ended by itself"
        yield Text(
            f"Like {each.id} ({each.similarity:.0%}) of {each.opened_at:%Y-%m-%d}: {what}; {how}"
        )
    if one.real_cause:
        real = ", ".join(f"{k}={v}" for k, v in one.real_cause.items())
        yield Text(f"Real cause, as somebody found: {real}")
    if one.note:
        yield Text(f"Note: {one.note}")
