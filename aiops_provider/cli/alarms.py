"""``aiops alarms``: super-alarms with their causes and responses, and what to do about them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from aiops_provider.cli.options import ConfigOption, open_installation
from aiops_provider.cli.output import OutputFormat, OutputOption, emit, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aiops_provider.domain.alarm import Alarm, Response, SuperAlarm

alarms = typer.Typer(
    help="Show alarms and super-alarms, acknowledge or release them.", no_args_is_help=True
)

_Id = Annotated[str, typer.Argument(metavar="ID", help="Of a super-alarm.")]
_SHOWN_MEMBERS = 20


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(alarms, name="alarms")


@alarms.command("list")
def list_(
    *,
    every: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Super-alarms and the responses in force."""
    from aiops_provider.domain.units import utc_now

    store = open_installation(config).require_store()
    found = store.super_alarms(open_only=not every)
    responses = store.responses(active_at=utc_now())
    emit(
        {"super_alarms": found, "responses": responses},
        output=output,
        view=lambda: _overview(found, responses),
    )


@alarms.command("show")
def show(
    id_: _Id, *, config: ConfigOption = None, output: OutputOption = OutputFormat.TABLE
) -> None:
    """One super-alarm with its hypotheses and members."""
    from aiops_provider.control.triage import find_super_alarm

    found, members = find_super_alarm(open_installation(config), id_)
    emit(
        {"super_alarm": found, "alarms": members},
        output=output,
        view=lambda: _detail(found, members),
    )


@alarms.command("ack")
def acknowledge(
    id_: _Id, *, config: ConfigOption = None, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Say that somebody cares for it."""
    from aiops_provider.control.triage import acknowledge as acknowledge_
    from aiops_provider.domain.units import utc_now

    changed = acknowledge_(open_installation(config), id_, utc_now())
    emit(changed, output=output, view=lambda: [f"{changed.id} is {changed.state.value}"])


@alarms.command("false-positive")
def false_positive(
    id_: _Id, *, config: ConfigOption = None, output: OutputOption = OutputFormat.TABLE
) -> None:
    """Say that it was nothing: its members are learned as normal, its response is lifted."""
    from aiops_provider.control.triage import reject
    from aiops_provider.domain.units import utc_now

    changed = reject(open_installation(config), id_, utc_now())
    emit(changed, output=output, view=lambda: [f"{changed.id} is {changed.state.value}"])


@alarms.command("release")
def release(
    response: Annotated[str, typer.Argument(metavar="RESPONSE", help="Id of a response.")],
    *,
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Lift a quarantine or a hold before it lapses."""
    from aiops_provider.control.triage import release as release_
    from aiops_provider.domain.units import utc_now

    lifted = release_(open_installation(config), response, utc_now())
    emit(lifted, output=output, view=lambda: [f"{lifted.id} is lifted"])


def _overview(found: list[SuperAlarm], responses: list[Response]) -> Iterator[RenderableType]:
    yield table(
        "Super-alarms",
        ["id", "since", "severity", "state", "alarms", "cause", "summary"],
        [
            [
                one.id,
                one.opened_at.isoformat(timespec="seconds"),
                one.severity.value,
                one.state.value,
                len(one.alarms),
                _cause(one.root_cause.best.cause),
                one.summary,
            ]
            for one in found
        ],
        right=("alarms",),
    )
    yield table(
        "Responses in force",
        ["id", "action", "of", "until", "reason"],
        [
            [
                each.id,
                each.action.value,
                ", ".join(each.clusters) or (str(each.task) if each.task else None),
                each.expires_at.isoformat(timespec="seconds"),
                each.reason,
            ]
            for each in responses
        ],
    )


def _detail(found: SuperAlarm, members: list[Alarm]) -> Iterator[RenderableType]:
    yield f"{found.severity.value}, {found.state.value}: {found.summary}"
    yield table(
        "Hypotheses",
        ["cause", "explains", "of its own", "lift", "confidence", "against it", "next check"],
        [
            [
                _cause(each.cause),
                each.support,
                each.precision,
                each.lift,
                each.confidence,
                each.counter_evidence,
                each.next_check,
            ]
            for each in found.root_cause.hypotheses
        ],
        right=("explains", "of its own", "lift", "confidence"),
    )
    shown = sorted(members, key=lambda alarm: alarm.p_value)[:_SHOWN_MEMBERS]
    yield table(
        f"{len(shown)} of {len(members)} alarms",
        ["since", "series", "value", "expected", "reason"],
        [[a.observed_at.isoformat(), str(a.series), a.value, a.expected, a.reason] for a in shown],
        right=("value", "expected"),
    )


def _cause(cause: object) -> str:
    pairs = dict(cause) if isinstance(cause, dict) else {}
    return ", ".join(f"{key}={value}" for key, value in pairs.items()) or "unknown"
