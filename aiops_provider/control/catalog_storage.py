"""What ``aiops catalog storage`` and ``import-storage`` do: show prices of storage, and take more in."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from aiops_provider.catalog.draft import Draft
from aiops_provider.catalog.publish import publish
from aiops_provider.catalog.tables import STORAGE_COLUMNS, read_rows, read_storage_prices
from aiops_provider.domain.machine import StoragePrice
from aiops_provider.errors import DataError

if TYPE_CHECKING:
    from aiops_provider.settings.schema import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownStorage:
    """
    A price of storage and how far it can be trusted.

    Attributes:
        price: With its source and date.
        age_days: Since it was observed.
        stale: Too old to be trusted.
    """

    price: StoragePrice
    age_days: int
    stale: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageImport:
    """
    What an import of prices of storage changed.

    Attributes:
        folder: Where the catalogue of the user lies.
        prices: That were read.
        providers: Whose they are.
    """

    folder: str
    prices: int
    providers: tuple[str, ...]


def list_storage(settings: Settings, today: date) -> list[ShownStorage]:
    """
    Every known price of storage, by provider, region and class.

    Args:
        settings: With the catalogue and the user's own prices.
        today: For the age.

    Raises:
        DataError: The table of the user's folder cannot be used.
    """
    prices = sorted(settings.open_catalog.storage, key=lambda price: price.key)
    return [
        ShownStorage(price=price, age_days=price.age_days(today), stale=price.stale(today))
        for price in prices
    ]


def import_storage(settings: Settings, file: Path) -> StorageImport:
    """
    Let the prices of a file win over those of the catalogue; others stay.

    Args:
        settings: With the folder of the user's catalogue.
        file: CSV with the columns provider, region, storage_class, usd_per_gib_month, source, date.

    Raises:
        DataError: The file cannot be used; nothing was changed.
    """
    _check_heading(file)
    by_provider: dict[str, list[StoragePrice]] = defaultdict(list)
    for price in read_storage_prices(file):
        by_provider[price.provider].append(price)
    if not by_provider:
        raise DataError("holds no price", file=str(file), mend="Write a row for each price.")
    # All of them are checked with the first, so that nothing is changed if one cannot be right.
    everything = Draft.of(price for prices in by_provider.values() for price in prices)
    first = next(iter(by_provider))
    folder = settings.catalog.refreshed
    publish(everything, folder, provider=first, regions=(), whole=False)
    return StorageImport(
        folder=str(folder),
        prices=len(everything.storage),
        providers=tuple(sorted(by_provider)),
    )


def _check_heading(file: Path) -> None:
    row = next(iter(read_rows(file)), None)
    missing = [name for name in STORAGE_COLUMNS if row is not None and name not in row.columns]
    if missing:
        raise DataError(
            f"has no column {missing[0]}",
            file=str(file),
            mend=f"The heading must name {', '.join(STORAGE_COLUMNS)}.",
        )
