"""Options that several commands share, and the installation they name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
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


def read_settings(config: Path | None) -> Settings:
    """
    The settings that a command works with; a file named on the command line always wins.

    Raises:
        ConfigurationError: With file, line, field, value and mend.
    """
    from aiops_provider.settings.load import load_settings

    environment = dict(os.environ)
    if config is not None:
        environment["AIOPS_CONFIG"] = str(config)
    return load_settings(environ=environment)


def open_installation(config: Path | None) -> Installation:
    """
    The installation that a command works on, its store checked.

    Raises:
        ConfigurationError: As above.
        StoreUnreachableError: The database does not answer.
        StoreNotMigratedError: Run ``aiops db upgrade`` first.
    """
    from aiops_provider.control.installation import Installation

    installation = Installation.open(read_settings(config))
    installation.require_store().check()
    return installation
