"""
``aiops demo``: the whole story on this machine, on a real Airflow or a real Prefect.

The acts read what happened as any user would: through the host's REST API, the layer's API and
its store. Nothing here is imported by the rest of the package, and nothing heavy is imported
before the command runs: example DAGs import ``medical`` and ``partitions`` in every task.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    from aiops_provider.cli.demo.command import demo

    app.command("demo")(demo)
