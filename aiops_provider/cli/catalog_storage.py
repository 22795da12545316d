"""``aiops catalog storage`` and ``import-storage``: what storage costs, and where that is known from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aiops_provider.cli.options import ConfigOption, read_settings
from aiops_provider.cli.output import OutputFormat, OutputOption, emit, note, table

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aiops_provider.control.catalog_storage import ShownStorage


def add_commands(group: typer.Typer) -> None:
    """Add the commands."""
    group.command("storage")(storage)
    group.command("import-storage")(import_storage)


def storage(*, config: ConfigOption = None, output: OutputOption = OutputFormat.TABLE) -> None:
    """Show what storage costs by class and region, with age and source."""
    from aiops_provider.control.catalog_storage import list_storage
    from aiops_provider.domain.units import utc_now

    found = list_storage(read_settings(config), utc_now().date())
    if not found:
        note(
            "No price of storage is known: give catalog.storage or storage_usd_per_gib_month of a "
            "cluster in aiops.yaml, or `aiops catalog import-storage FILE`."
        )
    emit(found, output=output, view=lambda: [_prices(found)])


def import_storage(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV: provider, region, storage_class, usd_per_gib_month, source, date."
        ),
    ],
    *,
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Let prices of storage of a file win over the catalogue's."""
    from aiops_provider.control.catalog_storage import import_storage as take_in

    done = take_in(read_settings(config), file)
    emit(
        done,
        output=output,
        view=lambda: [
            f"{done.prices} prices of storage of {', '.join(done.providers)} are in {done.folder}"
        ],
    )


def _prices(found: list[ShownStorage]) -> RenderableType:
    return table(
        "Storage, USD for one GiB and month",
        ["provider", "region", "class", "USD/GiB-month", "observed", "source"],
        [
            [
                each.price.provider,
                each.price.region or "every region",
                each.price.storage_class,
                f"{each.price.usd_per_gib_month:g}",
                f"{each.price.observed_on:%Y-%m-%d}{' (stale)' if each.stale else ''}",
                each.price.source,
            ]
            for each in found
        ],
        right=("USD/GiB-month",),
    )
