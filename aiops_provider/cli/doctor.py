"""``aiops doctor``: is this installation in order, and if not, what is to be done?"""

from __future__ import annotations

import os

import typer

from aiops_provider.cli.options import ConfigOption
from aiops_provider.cli.output import OutputFormat, OutputOption, emit, table, working


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(config: ConfigOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """
    Check this installation and say what to do; run it where each component runs.

    The exit status is 0 when nothing failed, 2 when a file or variable must be mended, else 1.
    """
    from aiops_provider.control.doctor import examine
    from aiops_provider.control.finding import exit_status

    environ = dict(os.environ)
    if config is not None:
        environ["AIOPS_CONFIG"] = str(config)
    with working("Looking around"):
        findings = examine(environ)
    status = exit_status(findings)
    emit(
        {"ok": status == 0, "findings": findings},
        output=output,
        view=lambda: [
            table(
                "aiops doctor",
                ["check", "verdict", "found", "what to do"],
                [(item.check, item.verdict.value, item.detail, item.mend) for item in findings],
            )
        ],
    )
    if status:
        raise typer.Exit(status)
