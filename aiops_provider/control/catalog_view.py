"""What ``aiops catalog list`` and ``show`` tell: machine types with prices, their age and source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from aiops_provider.catalog.names import provider_name
from aiops_provider.domain.cluster import Purchase
from aiops_provider.domain.machine import Accelerator, InstanceType, Price
from aiops_provider.errors import DataError
from aiops_provider.settings.explain import did_you_mean

if TYPE_CHECKING:
    from aiops_provider.catalog.catalog import Catalog
    from aiops_provider.settings.schema import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """
    What a machine must offer; see ``Catalog.machines``.

    Attributes:
        provider: Only of this one.
        region: Only with a price there.
        purchase: Whose prices are shown.
        min_cores: Virtual CPUs.
        min_memory_gib: Memory.
        accelerator: Model or variant, by any of its names.
        min_accelerators: How many.
    """

    provider: str | None = None
    region: str | None = None
    purchase: Purchase = Purchase.ON_DEMAND
    min_cores: float = 0.0
    min_memory_gib: float = 0.0
    accelerator: str | None = None
    min_accelerators: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPrice:
    """A price, how old it is, and where it is from."""

    region: str
    purchase: Purchase
    usd_per_hour: float
    observed_on: date
    age_days: int
    stale: bool
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownMachine:
    """A machine type with some of its prices, the cheapest first."""

    machine: InstanceType
    prices: tuple[ShownPrice, ...]
    accelerator: Accelerator | None = None


def list_machines(settings: Settings, wanted: Wanted, today: date) -> list[ShownMachine]:
    """
    Machine types that offer what is wanted, by provider, then cores and memory.

    Args:
        settings: With the catalogue and the user's own prices.
        wanted: Filters.
        today: For the age of prices.

    Raises:
        DataError: A table of the user's folder cannot be used, or a name is not in the catalogue.
    """
    catalog = settings.open_catalog
    _check_names(catalog, wanted)
    found = catalog.machines(
        provider=wanted.provider,
        region=wanted.region,
        min_cores=wanted.min_cores,
        min_memory_gib=wanted.min_memory_gib,
        accelerator=wanted.accelerator,
        min_accelerators=wanted.min_accelerators,
    )
    by_machine = _prices_by_machine(catalog, today)
    shown = [
        ShownMachine(
            machine=machine,
            prices=tuple(
                price
                for price in by_machine.get((machine.provider, machine.name), [])
                if price.purchase is wanted.purchase and wanted.region in {None, price.region}
            ),
        )
        for machine in found
    ]
    shown.sort(key=_order)
    return shown


def show_machine(
    settings: Settings, name: str, provider: str | None, today: date
) -> list[ShownMachine]:
    """
    All that is known of a machine type, of every provider that has one of that name.

    Args:
        settings: With the catalogue and the user's own prices.
        name: The provider's name of the machine type.
        provider: Only of this one.
        today: For the age of prices.

    Raises:
        DataError: No provider has it; the nearest names are named.
    """
    catalog = settings.open_catalog
    makers = [provider] if provider else sorted({m.provider for m in catalog.machines()})
    known = [found for maker in makers if (found := catalog.find(maker, name)) is not None]
    if not known:
        nearest = next((maker for maker in makers if catalog.nearest(maker, name)), makers[0])
        known = [catalog.machine(nearest, name)]  # raises, with the nearest names
    by_machine = _prices_by_machine(catalog, today)
    return [
        ShownMachine(
            machine=machine,
            prices=tuple(by_machine.get((machine.provider, machine.name), [])),
            accelerator=catalog.accelerator(machine.accelerator) if machine.accelerator else None,
        )
        for machine in known
    ]


def _check_names(catalog: Catalog, wanted: Wanted) -> None:
    """A misspelt name must not look like one that nobody sells."""
    accelerator, provider, region = wanted.accelerator, wanted.provider, wanted.region
    if accelerator is not None and catalog.accelerator(accelerator) is None:
        sold = {m.accelerator for m in catalog.machines() if m.accelerator}
        if accelerator not in sold:
            raise DataError(
                "is no accelerator that the catalogue knows",
                field="accelerator",
                value=accelerator,
                mend=catalog.accelerator_suggestion(accelerator),
            )
    if provider is not None:
        providers = sorted({machine.provider for machine in catalog.machines()})
        if provider_name(provider) not in providers:
            raise DataError(
                "is no provider that the catalogue knows",
                field="provider",
                value=provider,
                mend=did_you_mean(provider, providers),
            )
    if region is not None:
        maker = None if provider is None else provider_name(provider)
        prices = list(catalog.prices())
        regions = {price.region for price in prices if maker in {None, price.provider}}
        everywhere = None in regions or "" in regions
        regions |= {each.name for each in catalog.regions(provider)}
        if region not in regions and not everywhere:
            near = did_you_mean(region, sorted(str(name) for name in regions))
            raise DataError(
                "is no region that the catalogue knows",
                field="region",
                value=region,
                mend=near
                if near.startswith("Did")
                else "`aiops catalog list` shows those with prices.",
            )


def _prices_by_machine(catalog: Catalog, today: date) -> dict[tuple[str, str], list[ShownPrice]]:
    found: dict[tuple[str, str], list[ShownPrice]] = {}
    for price in sorted(catalog.prices(), key=lambda p: (p.purchase, p.usd_per_hour, p.region)):
        found.setdefault((price.provider, price.name), []).append(_shown(catalog, price, today))
    return found


def _shown(catalog: Catalog, price: Price, today: date) -> ShownPrice:
    source = catalog.source(price.source)
    return ShownPrice(
        region=price.region or "every region",
        purchase=price.purchase,
        usd_per_hour=price.usd_per_hour,
        observed_on=price.observed_on,
        age_days=price.age_days(today),
        stale=price.stale(today),
        source=source.title if source else price.source,
    )


def _order(shown: ShownMachine) -> tuple[object, ...]:
    machine = shown.machine
    return (
        machine.provider,
        machine.accelerator_count,
        machine.cores,
        machine.memory_gib,
        machine.name,
    )
