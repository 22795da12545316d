"""What accelerators can be bought for, from the catalogue."""

from __future__ import annotations

from aiops_provider.catalog.catalog import Catalog
from aiops_provider.domain.cluster import Purchase
from aiops_provider.profiling.accelerator import Offer


def accelerator_offers(catalog: Catalog) -> tuple[Offer, ...]:
    """
    The cheapest on-demand price of each accelerator, per device with its share of the machine.

    Accelerators without a price anywhere are left out: they cannot be compared.
    """
    cheapest: dict[str, float] = {}
    for price in catalog.prices():
        machine = catalog.find(price.provider, price.name)
        if machine is None or not machine.accelerator or price.purchase is not Purchase.ON_DEMAND:
            continue
        each = price.usd_per_hour / machine.accelerator_count
        cheapest[machine.accelerator] = min(cheapest.get(machine.accelerator, each), each)
    offers = []
    for name, usd_per_hour in sorted(cheapest.items()):
        accelerator = catalog.accelerator(name)
        if accelerator is not None:
            offers.append(Offer(accelerator=accelerator, usd_per_hour=usd_per_hour))
    return tuple(offers)
