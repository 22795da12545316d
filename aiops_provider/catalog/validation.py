"""Is a draft good enough to replace what is known? An answer cut short or misread must not be."""

from __future__ import annotations

from collections.abc import Collection

from aiops_provider.catalog.draft import Draft
from aiops_provider.domain.machine import InstanceType, Price, StoragePrice
from aiops_provider.errors import DataError

# Beyond the dearest machine on a list of the three large clouds in 2026 by a factor of five.
_DEAREST_USD_PER_HOUR = 1000.0
# Memory that is sold as a store by key, the dearest class, is some 10 to 30 USD a month.
_DEAREST_USD_PER_GIB_MONTH = 100.0
# A price list that shrinks by more than half between two looks was cut short.
_LEAST_SHARE_KEPT = 0.5
# Prices do move, spot prices by a factor of three; most of a list by a factor of five does not.
_MOST_FACTOR = 5.0
_MOST_SHARE_MOVED = 0.1
_ENOUGH_TO_COMPARE = 10


def validate(draft: Draft, known: Draft, regions: Collection[str]) -> None:
    """
    Check a draft before it replaces anything.

    Args:
        draft: What was fetched or imported.
        known: What is known so far.
        regions: Of which the draft is all there is; none if it only adds.

    Raises:
        DataError: It cannot be right; the old catalogue stays.
    """
    if not (draft.machines or draft.prices or draft.storage):
        raise DataError(
            "holds no machine type and no price",
            field="catalog",
            mend="Check the provider, the regions and the permissions.",
        )
    for machine in draft.machines.values():
        _check_machine(machine)
    for price in draft.prices.values():
        _check_price(price)
    for stored in draft.storage.values():
        _check_storage_price(stored)
    _check_length(draft, known, regions)
    _check_movement(draft, known)


def _check_machine(machine: InstanceType) -> None:
    for field, figure in (("cores", machine.cores), ("memory_gib", machine.memory_gib)):
        if figure <= 0:
            raise DataError(
                f"machine type {machine.name} of {machine.provider} would have none",
                field=field,
                value=figure,
                mend="Leave the row out if it is unknown.",
            )


def _check_price(price: Price) -> None:
    if not 0 < price.usd_per_hour <= _DEAREST_USD_PER_HOUR:
        raise DataError(
            f"{price.name} of {price.provider} in {price.region} cannot cost this {price.purchase}",
            field="usd_per_hour",
            value=price.usd_per_hour,
            mend=f"Prices are above 0 and at most {_DEAREST_USD_PER_HOUR:g} USD; leave unknown ones out.",
        )


def _check_storage_price(price: StoragePrice) -> None:
    if not 0 < price.usd_per_gib_month <= _DEAREST_USD_PER_GIB_MONTH:
        raise DataError(
            f"{price.storage_class} storage of {price.provider} in {price.region} cannot cost this",
            field="usd_per_gib_month",
            value=price.usd_per_gib_month,
            mend=f"Prices are above 0 and at most {_DEAREST_USD_PER_GIB_MONTH:g} USD; leave unknown "
            "ones out. What costs nothing stands in aiops.yaml.",
        )


def _check_length(draft: Draft, known: Draft, regions: Collection[str]) -> None:
    """Compares only kinds of purchase that the draft has: spot alone may be refreshed."""
    kinds = {(price.provider, price.purchase) for price in draft.prices.values()}
    before = sum(
        (price.provider, price.purchase) in kinds and price.region in regions
        for price in known.prices.values()
    )
    if len(draft.prices) < before * _LEAST_SHARE_KEPT:
        raise DataError(
            f"holds {len(draft.prices)} prices where {before} were known: it was cut short",
            field="catalog",
            mend="Try again; the old catalogue stays.",
        )


def _check_movement(draft: Draft, known: Draft) -> None:
    pairs = [
        (price, old)
        for key, price in draft.prices.items()
        if (old := known.prices.get(key)) is not None
    ]
    moved = [
        price
        for price, old in pairs
        if not 1 / _MOST_FACTOR <= price.usd_per_hour / old.usd_per_hour <= _MOST_FACTOR
    ]
    if len(pairs) >= _ENOUGH_TO_COMPARE and len(moved) > len(pairs) * _MOST_SHARE_MOVED:
        first = moved[0]
        raise DataError(
            f"moves {len(moved)} of {len(pairs)} prices by more than a factor of {_MOST_FACTOR:g}, "
            f"such as {first.name} in {first.region}",
            field="usd_per_hour",
            value=first.usd_per_hour,
            mend="Check currency and unit; the old catalogue stays.",
        )
