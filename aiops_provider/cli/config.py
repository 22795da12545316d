"""``aiops config``: what holds here, what may be written, and what is wrong with a file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from aiops_provider.cli.options import ConfigOption, read_settings
from aiops_provider.cli.output import OutputFormat, OutputOption, emit


def register(app: typer.Typer) -> None:
    """Add the command."""
    group = typer.Typer(help="Show, check or describe the configuration.", no_args_is_help=True)
    group.command("show")(show)
    group.command("schema")(schema)
    group.command("check")(check)
    app.add_typer(group, name="config")


def show(config: ConfigOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """Print the settings in force, as YAML or JSON; secrets are masked."""
    import yaml

    from aiops_provider.control.installation import Installation

    read = read_settings(config)
    settings = read.model_dump(mode="json")  # masks secrets
    if read.store is not None:
        settings["store"] = Installation.open(read).require_store().url_redacted
    if output is OutputFormat.JSON:
        emit(settings, output=output)
        return
    print(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), end="")


def schema(
    output: OutputOption = OutputFormat.JSON,  # noqa: ARG001 - every command has the option
) -> None:
    """Print the JSON Schema of aiops.yaml, for editors."""
    from aiops_provider.settings.schema import Settings

    described = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Settings.model_json_schema(),
        "title": "aiops.yaml",
    }
    print(json.dumps(described, indent=2))


def check(
    file: Annotated[
        Path | None, typer.Argument(help="File to check; default: the one in force.")
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Say everything that is wrong with a configuration file; exit with 2 if anything is."""
    from aiops_provider.settings.load import find_config, inspect_settings

    path = file or find_config()
    _, problems = inspect_settings(path, os.environ)
    found: list[dict[str, Any]] = [
        {
            "file": problem.file,
            "line": problem.line,
            "field": problem.field,
            "problem": problem.problem,
            "value": problem.value,
            "mend": problem.mend,
        }
        for problem in problems
    ]
    emit(
        {"file": None if path is None else str(path), "ok": not problems, "problems": found},
        output=output,
        view=lambda: (
            [str(problem) for problem in problems] or [f"{path or 'no file: the defaults'}: fine"]
        ),
    )
    if problems:
        raise typer.Exit(2)
