"""``aiops catalog``: what can be bought, from which source, how old, and how to renew it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aiops_provider.cli.options import ConfigOption, read_settings
from aiops_provider.cli.output import OutputFormat, OutputOption, emit, note, progress, table
from aiops_provider.domain.cluster import Purchase

if TYPE_CHECKING:
    from rich.console import RenderableType

    from aiops_provider.control.catalog_refresh import Progress
    from aiops_provider.control.catalog_view import ShownMachine, ShownPrice

ProviderOption = Annotated[
    str | None, typer.Option(help="aws, azure or google_cloud; default: all.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    from aiops_provider.cli.catalog_storage import add_commands as add_storage_commands

    group = typer.Typer(help="Show and renew machine types and prices.", no_args_is_help=True)
    group.command("list")(list_)
    group.command("show")(show)
    group.command("refresh")(refresh)
    group.command("import")(import_)
    add_storage_commands(group)
    app.add_typer(group, name="catalog")


def list_(
    *,
    provider: ProviderOption = None,
    region: Annotated[
        str | None, typer.Option(help="Only machine types with a price there.")
    ] = None,
    purchase: Annotated[
        Purchase, typer.Option(help="Whose prices are shown.")
    ] = Purchase.ON_DEMAND,
    min_cores: Annotated[float, typer.Option(min=0, help="At least so many virtual CPUs.")] = 0.0,
    min_memory_gib: Annotated[float, typer.Option(min=0, help="At least so much memory.")] = 0.0,
    accelerator: Annotated[
        str | None, typer.Option(help="Only with this one, such as A100-80GB.")
    ] = None,
    min_accelerators: Annotated[int, typer.Option(min=0, help="At least so many of them.")] = 0,
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """List machine types with their cheapest price."""
    from aiops_provider.control.catalog_view import Wanted, list_machines
    from aiops_provider.domain.units import utc_now

    wanted = Wanted(
        provider=provider,
        region=region,
        purchase=purchase,
        min_cores=min_cores,
        min_memory_gib=min_memory_gib,
        accelerator=accelerator,
        min_accelerators=min_accelerators,
    )
    found = list_machines(read_settings(config), wanted, utc_now().date())
    if not found:
        note("No machine type that the catalogue knows offers that.")
    emit(found, output=output, view=lambda: [_machines(found, purchase)])


def show(
    name: Annotated[str, typer.Argument(help="The provider's name of the machine type.")],
    *,
    provider: ProviderOption = None,
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Show all that is known of a machine type: every price with its age and source."""
    from aiops_provider.control.catalog_view import show_machine
    from aiops_provider.domain.units import utc_now

    found = show_machine(read_settings(config), name, provider, utc_now().date())
    emit(found, output=output, view=lambda: _details(found))


def refresh(
    *,
    provider: Annotated[
        list[str] | None,
        typer.Option(
            help="aws, azure or google_cloud, may be repeated; default: those of the clusters."
        ),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(help="Of one provider, may be repeated; default: those of the clusters."),
    ] = None,
    storage: Annotated[
        bool, typer.Option("--storage", help="Ask for prices of object storage too.")
    ] = False,
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Renew machine types and prices from the clouds' own APIs; goes on where it was interrupted."""
    from aiops_provider.control.catalog_refresh import refresh as renew
    from aiops_provider.domain.units import utc_now

    settings, today = read_settings(config), utc_now().date()
    with progress() as bar:
        bar("catalogue", 0, None, text="Asking the clouds")

        def watch(seen: Progress) -> None:
            pages = f", page {seen.pages}" if seen.pages else ""
            bar("catalogue", seen.done, seen.total, text=f"{seen.listing}{pages}")

        found = renew(
            settings,
            today,
            providers=provider or (),
            regions=region or (),
            storage=storage,
            watch=watch,
        )
    emit(
        found,
        output=output,
        view=lambda: [
            table(
                f"In {settings.catalog.refreshed}",
                ["provider", "regions", "machine types", "prices", "storage", "problem"],
                [
                    [
                        each.provider,
                        ", ".join(each.regions),
                        each.machines,
                        each.prices,
                        each.storage,
                        each.problem,
                    ]
                    for each in found
                ],
                right=("machine types", "prices", "storage"),
            )
        ],
    )
    worst = max(each.exit_status for each in found)
    if worst:
        raise typer.Exit(worst)


def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV: InstanceType, AcceleratorName, AcceleratorCount, vCPUs, MemoryGiB, Price, "
            "SpotPrice, Region, GpuInfo, AvailabilityZone."
        ),
    ],
    *,
    provider: Annotated[str, typer.Option(help="Whose machine types they are.")],
    observed_on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="When the prices were; default: today."),
    ] = None,
    config: ConfigOption = None,
    output: OutputOption = OutputFormat.TABLE,
) -> None:
    """Let machine types and prices of a file in SkyPilot's form win over the catalogue's."""
    from aiops_provider.control.catalog_import import import_file
    from aiops_provider.domain.units import utc_now

    day = (observed_on or utc_now()).date()
    done = import_file(read_settings(config), file, provider, day)
    emit(
        done,
        output=output,
        view=lambda: [
            f"{done.machines} machine types and {done.prices} prices in {len(done.regions)} regions "
            f"are in {done.folder}; {done.skipped} rows without a machine were left out"
        ],
    )


def _machines(found: list[ShownMachine], purchase: Purchase) -> RenderableType:
    return table(
        f"Machine types, {purchase.value} prices",
        ["provider", "machine type", "cores", "GiB", "accelerators", "region", "USD/h", "observed"],
        [
            [
                shown.machine.provider,
                shown.machine.name,
                shown.machine.cores,
                shown.machine.memory_gib,
                _accelerators(shown),
                shown.prices[0].region if shown.prices else None,
                _usd(shown.prices[0]) if shown.prices else None,
                _age(shown.prices[0]) if shown.prices else None,
            ]
            for shown in found
        ],
        right=("cores", "GiB", "USD/h"),
    )


def _details(found: list[ShownMachine]) -> Iterator[RenderableType]:
    for shown in found:
        yield table(
            f"{shown.machine.name} of {shown.machine.provider}",
            ["what", "figure"],
            _figures(shown),
        )
        yield table(
            "Prices",
            ["region", "purchase", "USD/h", "observed", "source"],
            [
                [price.region, price.purchase.value, _usd(price), _age(price), price.source]
                for price in shown.prices
            ],
            right=("USD/h",),
        )


def _figures(shown: ShownMachine) -> list[list[object]]:
    machine, chip = shown.machine, shown.accelerator
    rows: list[list[object]] = [
        ["cores", machine.cores],
        ["memory, GiB", machine.memory_gib],
        ["architecture", machine.architecture],
        ["network, Gbit/s", machine.network_gbps],
        ["local disks, GiB", machine.local_disk_gib],
        ["accelerators", _accelerators(shown)],
    ]
    if chip is not None:
        rows += [
            ["memory of one, GiB", machine.accelerator_memory_gib or chip.memory_gib],
            ["FP16 of one, dense, TFLOPS", chip.fp16_tflops],
            ["memory bandwidth of one, GB/s", chip.bandwidth_gb_per_s],
            ["datasheet", chip.source],
        ]
    return [*rows, ["source", f"{machine.source}, {machine.observed_on}"]]


def _accelerators(shown: ShownMachine) -> str | None:
    machine = shown.machine
    return f"{machine.accelerator_count} {machine.accelerator}" if machine.accelerator else None


def _usd(price: ShownPrice) -> str:
    return f"{price.usd_per_hour:,.4f}"


def _age(price: ShownPrice) -> str:
    stale = ", stale" if price.stale else ""
    return f"{price.age_days} days ago{stale}"
