"""``aiops alarms``: what is going wrong now, and what is done about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aiops_provider.cli.detect import super_alarm_view
from aiops_provider.cli.options import ConfigOption, open_installation
from aiops_provider.cli.output import OutputFormat, OutputOption, emit, table
from aiops_provider.domain.alarm import Alarm, AlarmState, Response, SuperAlarm
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import DataError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aiops_provider.control.alarms import Found

_Id = Annotated[str, typer.Argument(metavar="ID", help="Of an alarm or a super-alarm.")]
_Note = Annotated[
    str,
    typer.Option("--note", help="What was found or helped; told with later ones that look alike."),
]
_SHOWN_MEMBERS = 20

commands = typer.Typer(help="Show alarms and super-alarms, acknowledge, explain or release them.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(commands, name="alarms")


@commands.callback(invoke_without_command=True)
def _default(
    context: typer.Context, config: ConfigOption = None, output: OutputOption = OutputFormat.TABLE
) -> None:
    if context.invoked_subcommand is None:
        list_alarms(closed=False, limit=100, config=config, output=output)


@commands.command("list")
def list_alarms(
    *,
    closed: Annotated[bool, typer.Option("--all", help="Also those that ended.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many of each.")] = 100,
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Super-alarms, alarms that belong to none, and responses in force."""
    from aiops_provider.control.watch_position import Position

    store = open_installation(config).require_store()
    super_alarms = store.super_alarms(open_only=not closed, limit=limit)
    alarms = store.alarms(open_only=not closed, limit=1_000_000)
    alone = [alarm for alarm in alarms if alarm.super_alarm is None][:limit]
    responses = store.responses(active_at=None if closed else utc_now(), limit=limit)
    data = {
        "super_alarms": super_alarms,
        "alarms": alone,
        "responses": responses,
        "expected_false_alarms_per_week": Position.read(store).false_alarms_per_week,
    }
    emit(data, output=output, view=lambda: _list_view(super_alarms, alone, responses))


@commands.command()
def show(
    wanted: _Id, config: ConfigOption = None, output: OutputOption = OutputFormat.TABLE
) -> None:
    """One alarm or super-alarm, with its hypotheses and members."""
    from aiops_provider.control.alarms import find

    found = find(open_installation(config), wanted)
    emit(_plain(found), output=output, view=lambda: _found_view(found))


@commands.command()
def ack(
    wanted: _Id,
    note: _Note = "",
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Somebody cares for it."""
    _mark(wanted, AlarmState.ACKNOWLEDGED, config, output, note)


@commands.command("false-positive")
def false_positive(
    wanted: _Id,
    note: _Note = "",
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """It was no trouble: its figures are learned as normal, its response is lifted."""
    _mark(wanted, AlarmState.FALSE_POSITIVE, config, output, note)


@commands.command()
def cause(
    wanted: Annotated[str, typer.Argument(metavar="ID", help="Of a super-alarm, open or over.")],
    real: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=VALUE…", help="What was at fault; nothing: nobody knows."),
    ] = None,
    note: _Note = "",
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Say what the real cause was: later super-alarms that look alike are judged by it."""
    from aiops_provider.control.alarms import tell_cause

    conditions = dict(_condition(text) for text in real or ())
    told = tell_cause(open_installation(config), wanted, conditions, utc_now(), note=note)
    words = ", ".join(f"{name}={value}" for name, value in conditions.items()) or "unknown"
    emit(told, output=output, view=lambda: [f"The real cause of {wanted}: {words}."])


def _condition(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (separator and name.strip() and value.strip()):
        raise DataError(
            "is no condition", field="cause", value=text, mend="Write it as cluster=aws-east."
        )
    return name.strip(), value.strip()


@commands.command()
def release(
    wanted: Annotated[
        str, typer.Argument(metavar="RESPONSE", help="Of a response or its super-alarm.")
    ],
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Lift a quarantine or a hold."""
    from aiops_provider.control.alarms import release as lift

    lifted = lift(open_installation(config), wanted, utc_now())
    emit(lifted, output=output, view=lambda: [f"{lifted.id} is released."])


@commands.command()
def notify(
    channel: Annotated[
        str, typer.Argument(metavar="CHANNEL", help="A name under detection.notify.")
    ],
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Send a message to try a channel out."""
    from aiops_provider.control.notify import try_out

    try_out(open_installation(config).settings.detection.notify, channel)
    emit({"sent": channel}, output=output, view=lambda: [f"{channel} took the message."])


def _mark(
    wanted: str, state: AlarmState, config: ConfigOption, output: OutputFormat, note: str
) -> None:
    from aiops_provider.control.alarms import mark

    found = mark(open_installation(config), wanted, state, utc_now(), note=note)
    text = f"{wanted} is marked {state.value}: {len(found.alarms)} alarms."
    emit(_plain(found), output=output, view=lambda: [text])


def _plain(found: Found) -> dict[str, Any]:
    return {"super_alarm": found.super_alarm, "alarms": found.alarms}


def _list_view(
    super_alarms: Sequence[SuperAlarm], alone: Sequence[Alarm], responses: Sequence[Response]
) -> Iterator[RenderableType]:
    yield table(
        "Super-alarms",
        ["id", "state", "severity", "alarms", "cause", "summary"],
        [
            (
                one.id,
                one.phase.replace("_", " "),
                one.severity.value,
                len(one.alarms),
                ", ".join(f"{k}={v}" for k, v in one.root_cause.best.cause.items()) or "unknown",
                one.summary,
            )
            for one in super_alarms
        ],
        right=["alarms"],
    )
    yield table("Alarms of no super-alarm", _ALARM_COLUMNS, map(_alarm_row, alone))
    yield table(
        "Responses",
        ["id", "action", "of", "until", "reason"],
        [
            (
                one.id,
                one.action.value + (" (dry run)" if one.dry_run else ""),
                one.target,
                "released" if one.released_at else f"{one.expires_at:%Y-%m-%d %H:%M} UTC",
                one.reason,
            )
            for one in responses
        ],
    )


def _found_view(found: Found) -> Iterator[RenderableType]:
    if found.super_alarm is not None:
        yield from super_alarm_view(found.super_alarm)
    shown = found.alarms[:_SHOWN_MEMBERS]
    yield table(
        f"Alarms ({len(shown)} of {len(found.alarms)})", _ALARM_COLUMNS, map(_alarm_row, shown)
    )


_ALARM_COLUMNS = ["id", "state", "severity", "since (UTC)", "series", "score", "reason"]


def _alarm_row(alarm: Alarm) -> tuple[object, ...]:
    return (
        alarm.id,
        alarm.state.value,
        alarm.severity.value,
        f"{alarm.observed_at:%Y-%m-%d %H:%M:%S}",
        alarm.series,
        alarm.score,
        alarm.reason,
    )
