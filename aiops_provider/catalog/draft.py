"""Machine types and prices that are about to become part of the user's catalogue."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Self

from aiops_provider.domain.machine import (
    InstanceType,
    Price,
    PriceKey,
    StorageKey,
    StoragePrice,
)

Row = InstanceType | Price | StoragePrice
"""What a draft holds."""


@dataclass(slots=True)
class Draft:
    """
    Rows by what they are about; a later row about the same replaces an earlier one.

    Attributes:
        machines: By provider and name.
        prices: By provider, region, name and purchase.
        storage: Prices of storage, by provider, region and class.
    """

    machines: dict[tuple[str, str], InstanceType] = field(default_factory=dict)
    prices: dict[PriceKey, Price] = field(default_factory=dict)
    storage: dict[StorageKey, StoragePrice] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Self:
        """The draft of these rows."""
        draft = cls()
        for row in rows:
            draft.add(row)
        return draft

    def add(self, row: Row) -> None:
        """Put a row in."""
        if isinstance(row, InstanceType):
            self.machines[row.provider, row.name] = row
        elif isinstance(row, StoragePrice):
            self.storage[row.key] = row
        else:
            self.prices[row.key] = row

    def without(self, provider: str, regions: Collection[str]) -> Draft:
        """
        The rest when the prices of a provider's machines in some regions go.

        Its machine types stay, and prices of storage, which no list of machines is all there is of.
        """
        return Draft(
            dict(self.machines),
            {
                key: price
                for key, price in self.prices.items()
                if price.provider != provider or price.region not in regions
            },
            dict(self.storage),
        )

    def over(self, other: Draft) -> Draft:
        """Both, where rows of this one win."""
        return Draft(
            {**other.machines, **self.machines},
            {**other.prices, **self.prices},
            {**other.storage, **self.storage},
        )
