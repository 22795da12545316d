"""What storage costs by class and region: as imported or refreshed, and what the user overrides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from aiops_provider.catalog.names import provider_name
from aiops_provider.catalog.tables import read_storage_prices
from aiops_provider.domain.cluster import StorageRate
from aiops_provider.domain.machine import StorageKey, StoragePrice

TABLE = "storage.csv"


class StoragePrices:
    """
    Prices of storage, read at the first look-up.

    The package brings none: no list of them under a licence that allows it covers its regions.

    Args:
        folders: Of the catalogue; those without a table of storage are passed over, later ones win.
        own: Prices that win over those of the folders.
    """

    EVERY_REGION = ""
    """Region of a price of the user that holds in all of a provider's."""

    def __init__(self, folders: Iterable[Path], own: Iterable[StoragePrice] = ()) -> None:
        self._folders = tuple(folders)
        self._own = {price.key: price for price in own}

    def __iter__(self) -> Iterator[StoragePrice]:
        """All prices, those of the user instead of listed ones."""
        yield from self._own.values()
        for key, price in self._listed.items():
            everywhere = (price.provider, self.EVERY_REGION, price.storage_class)
            if self._own.keys().isdisjoint({key, everywhere}):
                yield price

    def price(self, provider: str, region: str, storage_class: str) -> StoragePrice | None:
        """What a class costs there, the user's own price first; ``None`` is unknown."""
        maker = provider_name(provider)
        for where in (region, self.EVERY_REGION):
            own = self._own.get((maker, where, storage_class))
            if own is not None:
                return own
        return self._listed.get((maker, region, storage_class))

    def rates(self, provider: str, region: str) -> dict[str, StorageRate]:
        """
        What storage costs in a region by class, as far as any price of the class is known.

        Where the region's own price is unknown the dearest known one of the class stands for it, so
        that no place looks cheap because nobody knows its price.
        """
        dearest: dict[str, float] = {}
        for price in self:
            usd = max(price.usd_per_gib_month, dearest.get(price.storage_class, 0.0))
            dearest[price.storage_class] = usd
        return {
            name: StorageRate(usd_per_gib_month=usd, known=False)
            if (own := self.price(provider, region, name)) is None
            else StorageRate(usd_per_gib_month=own.usd_per_gib_month)
            for name, usd in sorted(dearest.items())
        }

    @cached_property
    def _listed(self) -> dict[StorageKey, StoragePrice]:
        tables = (folder / TABLE for folder in self._folders)
        return {
            price.key: price
            for table in tables
            if table.is_file()
            for price in read_storage_prices(table)
        }
