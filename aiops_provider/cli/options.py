"""Options that several commands share, and the installation they name."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aiops_provider.cli.output import working
from aiops_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from aiops_provider.control.host_facts import HostFacts
    from aiops_provider.control.installation import Installation
    from aiops_provider.settings.schema import Settings

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="Configuration file; default: $AIOPS_CONFIG, else aiops.yaml here, else defaults.",
    ),
]


SinceOption = Annotated[
    str,
    typer.Option("--since", help="As far back as that: 12h, 7d, 4w, or a date such as 2026-03-01."),
]

_AGES = {"h": "hours", "d": "days", "w": "weeks"}


def moment(text: str) -> datetime:
    """
    The moment that a user means; a date or time without a zone is UTC.

    Args:
        text: An age such as ``7d``, or a date.

    Raises:
        typer.BadParameter: It is neither.
    """
    from aiops_provider.domain.units import utc_now

    age = re.fullmatch(r"(\d{1,6})([hdw])", text.strip())
    try:
        if age is not None:
            return utc_now() - timedelta(**{_AGES[age[2]]: int(age[1])})
        given = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is neither an age such as 7d nor a date such as 2026-03-01.",
            param_hint="--since",
        ) from None
    return given.replace(tzinfo=UTC) if given.tzinfo is None else given


def read_settings(config: Path | None, *, host_file: str | None = None) -> Settings:
    """
    The settings that a command works with; a file named on the command line always wins.

    Args:
        config: File named on the command line.
        host_file: File that the host was told about.

    Raises:
        ConfigurationError: With file, line, field, value and mend.
    """
    from aiops_provider.settings.load import load_settings

    environment = dict(os.environ)
    if config is not None:
        environment["AIOPS_CONFIG"] = str(config)
    return load_settings(host_file, environment)


def open_installation(
    config: Path | None, *, checked: bool = True, needs_secret: bool = False
) -> Installation:
    """
    The installation that a command works on: in an Airflow, the one of that Airflow.

    Args:
        config: File named on the command line.
        checked: Whether the store must answer and be migrated.
        needs_secret: Whether the command makes or checks tokens.

    Raises:
        ConfigurationError: As above, or because Airflow does not tell where its database is.
        StoreUnreachableError: The database does not answer.
        StoreNotMigratedError: Run ``aiops db upgrade`` first.
    """
    from aiops_provider.control.installation import Installation

    settings = read_settings(config)
    airflow = _airflow(settings, needs_secret=needs_secret)
    if airflow is not None:
        settings = read_settings(config, host_file=airflow.text("config_file"))
    installation = Installation.open(
        settings,
        default_store_url=airflow.text("store_url") if airflow else None,
        default_token_secret=airflow.text("token_secret") if airflow else None,
    )
    if checked:
        installation.require_store().check()
    return installation


def _airflow(settings: Settings, *, needs_secret: bool) -> HostFacts | None:
    """What the Airflow of this environment says, where the settings leave something to it."""
    from aiops_provider.control.host_facts import airflow_is_here, ask_host
    from aiops_provider.control.installation import SECRET_FILE_VARIABLE, SECRET_VARIABLE

    given = SECRET_VARIABLE in os.environ or SECRET_FILE_VARIABLE in os.environ
    has_secret = settings.server.token_secret is not None or given
    if settings.store is not None and (has_secret or not needs_secret):
        return None
    if not airflow_is_here(os.environ):
        return None
    with working("Asking Airflow where its database is"):
        facts = ask_host("airflow", os.environ)
    if facts is not None and facts.error:
        # The default store would be another one than that of the scheduler, without a word.
        raise ConfigurationError(
            f"Airflow, whose database is the default, does not answer: {facts.error}",
            field="store",
            mend="Mend Airflow, or set AIOPS__STORE and AIOPS_TOKEN_SECRET.",
        )
    return facts
