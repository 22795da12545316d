"""Writes the user's part of the catalogue: checked first, then each table replaced in one go."""

from __future__ import annotations

import csv
import fcntl
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aiops_provider.catalog.catalog import Catalog
from aiops_provider.catalog.draft import Draft, Row
from aiops_provider.catalog.storage import TABLE as STORAGE
from aiops_provider.catalog.tables import (
    MACHINE_COLUMNS,
    PRICE_COLUMNS,
    STORAGE_COLUMNS,
    read_machines,
    read_prices,
    read_storage_prices,
)
from aiops_provider.catalog.validation import validate
from aiops_provider.domain.machine import InstanceType, Price, StoragePrice

MACHINES, PRICES = "machines.csv", "prices.csv"


def publish(
    draft: Draft, folder: Path, *, provider: str, regions: Collection[str], whole: bool = True
) -> None:
    """
    Make a draft part of the user's catalogue; readers see the old table or the new one.

    Machine types go first: a price whose machine is not known yet is found by nobody.

    Args:
        draft: Of one provider.
        folder: Of the user; made when it is missing.
        provider: Whose rows they are.
        regions: That the draft is about.
        whole: Whether the draft is all there is in these regions, so that what it does not name is
            gone; otherwise other rows stay.

    Raises:
        DataError: The draft cannot be right, or a table of the folder cannot be read; the old
            catalogue stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _only_one(folder / ".lock"):
        catalog = Catalog.load(folder)
        present = read_draft(folder, catalog)
        validate(draft, Draft.of(catalog.prices()), regions if whole else ())
        kept = present.without(provider, regions) if whole else present
        new = draft.over(kept)
        machines = sorted(new.machines.values(), key=lambda m: (m.provider, m.name))
        prices = sorted(
            new.prices.values(), key=lambda p: (p.provider, p.region, p.name, p.purchase)
        )
        _replace(
            folder / MACHINES,
            MACHINE_COLUMNS,
            map(machine_cells, machines),
            lambda file: list(read_machines(file, str)),
        )
        _replace(
            folder / PRICES,
            PRICE_COLUMNS,
            map(price_cells, prices),
            lambda file: list(read_prices(file)),
        )
        if new.storage:
            _replace(
                folder / STORAGE,
                STORAGE_COLUMNS,
                (storage_cells(new.storage[key]) for key in sorted(new.storage)),
                lambda file: list(read_storage_prices(file)),
            )


def read_draft(folder: Path, catalog: Catalog) -> Draft:
    """
    What the user's folder holds.

    Args:
        folder: With or without tables.
        catalog: Knows what accelerators stand for.

    Raises:
        DataError: A table cannot be read.
    """
    rows: list[Row] = []
    if (folder / MACHINES).is_file():
        rows += read_machines(folder / MACHINES, catalog.model_of)
    if (folder / PRICES).is_file():
        rows += read_prices(folder / PRICES)
    if (folder / STORAGE).is_file():
        rows += read_storage_prices(folder / STORAGE)
    return Draft.of(rows)


def machine_cells(machine: InstanceType) -> tuple[object, ...]:
    """A machine type in the order of ``MACHINE_COLUMNS``."""
    return (
        machine.provider,
        machine.name,
        _figure(machine.cores),
        _figure(machine.memory_gib),
        machine.accelerator,
        machine.accelerator_count,
        _figure(machine.accelerator_memory_gib),
        _figure(machine.network_gbps),
        _figure(machine.local_disk_gib),
        machine.architecture,
        machine.source,
        machine.observed_on.isoformat(),
    )


def price_cells(price: Price) -> tuple[object, ...]:
    """A price in the order of ``PRICE_COLUMNS``."""
    return (
        price.provider,
        price.region,
        price.name,
        price.purchase.value,
        _figure(price.usd_per_hour),
        price.source,
        price.observed_on.isoformat(),
    )


def storage_cells(price: StoragePrice) -> tuple[object, ...]:
    """A price of storage in the order of ``STORAGE_COLUMNS``."""
    return (
        price.provider,
        price.region,
        price.storage_class,
        _figure(price.usd_per_gib_month),
        price.source,
        price.observed_on.isoformat(),
    )


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def _replace(
    file: Path,
    columns: tuple[str, ...],
    rows: Iterable[tuple[object, ...]],
    read: Callable[[Path], object],
) -> None:
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}")
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)
            out.flush()
            os.fsync(out.fileno())
        read(draft)  # what cannot be read back must not replace what can
        draft.chmod(0o644)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _only_one(file: Path) -> Iterator[None]:
    """Two refreshes at once would each lose the other's rows."""
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
