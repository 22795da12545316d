"""The command ``aiops demo``: chooses the host, runs its acts, prints the report."""

from __future__ import annotations

from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

import aiops_provider
from aiops_provider.cli.demo.narrator import Narrator
from aiops_provider.cli.demo.outcome import DemoOptions, DemoReport
from aiops_provider.cli.output import OutputFormat, OutputOption
from aiops_provider.errors import ConfigurationError


class DemoHost(StrEnum):
    """On which host the story is told."""

    AIRFLOW = "airflow"
    PREFECT = "prefect"


_FOLDERS = {DemoHost.AIRFLOW: "dags", DemoHost.PREFECT: "flows"}


def demo(
    host: Annotated[
        DemoHost | None, typer.Option(help="Default: whichever of the two is installed.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the host running; print its URL and login.")
    ] = False,
    examples: Annotated[
        Path | None, typer.Option(help="Folder with aiops.yaml and the DAGs or flows.")
    ] = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Run the whole story on this machine: observe, place, lose a cluster, meet an incident."""
    chosen = host or installed_host()
    from aiops_provider.cli.demo.report import show

    shown: list[DemoReport] = []

    def show_once(report: DemoReport) -> None:
        if not shown:
            shown.append(report)
            show(report, output=output)

    options = DemoOptions(
        examples=examples or default_examples(chosen), keep=keep, on_report=show_once
    )
    if not (options.examples / "aiops.yaml").is_file():
        raise ConfigurationError(
            "there is no aiops.yaml in the folder of examples",
            field="--examples",
            value=str(options.examples),
            mend="Name the folder dags_examples or flows_examples of the repository",
        )
    report = run_demo(chosen, options, Narrator(stderr=output is OutputFormat.JSON))
    show_once(report)
    raise typer.Exit(0 if report.met else 1)


def run_demo(host: DemoHost, options: DemoOptions, narrator: Narrator) -> DemoReport:
    """Run the acts on that host."""
    if host is DemoHost.PREFECT:
        from aiops_provider.cli.demo import prefect_demo

        return prefect_demo.run(options, narrator)
    from aiops_provider.cli.demo import airflow_demo

    return airflow_demo.run(options, narrator)


def installed_host() -> DemoHost:
    """
    The host in this environment; Airflow wins where both are.

    Raises:
        ConfigurationError: Neither is installed.
    """
    for host in DemoHost:
        if find_spec(host.value) is not None:
            return host
    raise ConfigurationError(
        "neither Airflow nor Prefect is installed here",
        mend="pip install 'aiops-provider[airflow]' or 'aiops-provider[prefect]'",
    )


def default_examples(host: DemoHost) -> Path:
    """The examples inside the wheel, else those of the repository."""
    package = Path(aiops_provider.__file__).parent
    packed = package / "cli" / "demo" / "examples" / _FOLDERS[host]
    return packed if packed.is_dir() else package.parent / f"{_FOLDERS[host]}_examples"
