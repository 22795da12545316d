"""``aiops db``: create, upgrade and check the store."""

from __future__ import annotations

import typer

from aiops_provider.cli.options import ConfigOption, open_installation
from aiops_provider.cli.output import OutputFormat, OutputOption, emit


def register(app: typer.Typer) -> None:
    """Add the command."""
    group = typer.Typer(help="Create or upgrade the store.", no_args_is_help=True)
    group.command("upgrade")(upgrade)
    group.command("check")(check)
    group.command("revision")(revision)
    app.add_typer(group, name="db")


def upgrade(config: ConfigOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """Create the tables, or bring them to the schema that this version needs."""
    store = open_installation(config, checked=False).require_store()
    before, after = store.upgrade()
    emit(
        {"store": store.url_redacted, "from": before, "to": after},
        output=output,
        view=lambda: [
            f"{store.url_redacted}: {'already at' if before == after else 'upgraded to'} {after}"
        ],
    )


def check(config: ConfigOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """Exit with 0 if the store answers and has the schema that this version needs."""
    store = open_installation(config, checked=False).require_store()
    store.check()
    emit(
        {"store": store.url_redacted, "revision": store.revision(), "ok": True},
        output=output,
        view=lambda: [f"{store.url_redacted}: fine, at {store.revision()}"],
    )


def revision(config: ConfigOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """Print the schema that the store has and the one that this version needs."""
    store = open_installation(config, checked=False).require_store()
    found = store.revision()
    emit(
        {"store": store.url_redacted, "revision": found, "head": store.head()},
        output=output,
        view=lambda: [f"{store.url_redacted}: {found or 'no tables'}, needed {store.head()}"],
    )
