"""
The table of commands, and the app that has only the wanted one loaded.

Each command lives in a module of its own with ``register(app)``. ``aiops --help`` must not import
the engines, so the app holds a stand-in with the one-line summary for every command but the one
that the arguments name.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

import typer

from aiops_provider import __version__


@dataclass(frozen=True, slots=True)
class _Command:
    module: str
    summary: str


COMMANDS = {
    "profile": _Command("profile", "Predict what a task will need."),
    "schedule": _Command("schedule", "Plan instances ahead of demand, over a week."),
    "plan": _Command("plan", "Plan where the workloads should run, or show the plan in force."),
    "simulate": _Command("simulate", "Say what a trace of tasks would have cost."),
    "machines": _Command("machines", "Choose the configuration of machines for a task."),
    "warehouse": _Command("warehouse", "Choose the size of a data warehouse for a query."),
    "route": _Command("route", "Say where a task would run now, or why it ran where it did."),
    "clusters": _Command("clusters", "Show the clusters, check one, list what was fenced."),
    "costs": _Command("costs", "Show what tries cost, by DAG, task, team, run or cluster."),
    "catalog": _Command("catalog", "Show and renew machine types and prices."),
    "detect": _Command("detect", "Find anomalies in KPIs and say what caused them."),
    "diagnose": _Command("diagnose", "Say where in a multi-dimensional KPI it deviates."),
    "drift": _Command("drift", "Say which columns of a file moved against a reference."),
    "score": _Command("score", "Score detections against labels."),
    "rules": _Command("rules", "Check and test expert rules."),
    "alarms": _Command(
        "alarms", "Show alarms and super-alarms, acknowledge, explain or release them."
    ),
    "server": _Command("server", "Serve the API and the page."),
    "doctor": _Command("doctor", "Check this installation and say what to do."),
    "config": _Command("config", "Show, check or describe the configuration."),
    "db": _Command("db", "Create or upgrade the store."),
    "token": _Command("token", "Make tokens for the API."),
    "demo": _Command("demo", "Run the whole story on this machine."),
}


def build_app(arguments: Sequence[str]) -> typer.Typer:
    """The app for these arguments; commands that they do not name are stand-ins."""
    app = typer.Typer(
        name="aiops",
        help="Profile, place, watch and reroute the tasks of Airflow and Prefect.",
        no_args_is_help=True,
        # Tracebacks with local variables would print tokens and passwords.
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_global_options)
    wanted = next((word for word in arguments if not word.startswith("-")), None)
    everything = "_AIOPS_COMPLETE" in os.environ  # the shell asks for completions
    for name, command in COMMANDS.items():
        if everything or name == wanted:
            import_module(f"aiops_provider.cli.{command.module}").register(app)
        else:
            app.command(name, help=command.summary)(_stand_in)
    return app


def _stand_in() -> None:
    """Never called: the command that the arguments name is always loaded."""


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"aiops {__version__}")
        raise typer.Exit


def _global_options(
    *,
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Log more, to stderr."),
    _version: bool = typer.Option(
        False,
        "--version",
        callback=_print_version,
        is_eager=True,
        help="Print the version and leave.",
    ),
) -> None:
    if verbose:
        logging.getLogger("aiops_provider").setLevel(logging.DEBUG)
