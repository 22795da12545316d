"""Reads the catalogue's tables; a cell that cannot be used is named with its file and line."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import NoReturn

from aiops_provider.catalog.names import provider_name
from aiops_provider.domain.cluster import Purchase
from aiops_provider.domain.machine import (
    Accelerator,
    CorePower,
    InstanceType,
    Price,
    Region,
    StoragePrice,
)
from aiops_provider.domain.profile import PRICED_STORAGE
from aiops_provider.errors import DataError

MACHINE_COLUMNS = (
    "provider", "name", "cores", "memory_gib", "accelerator", "accelerator_count",
    "accelerator_memory_gib", "network_gbps", "local_disk_gib", "architecture", "source", "date",
)  # fmt: skip
PRICE_COLUMNS = ("provider", "region", "name", "purchase", "usd_per_hour", "source", "date")
STORAGE_COLUMNS = ("provider", "region", "storage_class", "usd_per_gib_month", "source", "date")


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows of the embedded catalogue come from; ``date`` is when it was observed."""

    id: str
    title: str
    url: str
    licence: str
    date: date


class Cells:
    """The cells of one row, which know where they stand."""

    __slots__ = ("_columns", "_file", "_line", "_values")

    def __init__(self, values: list[str], columns: dict[str, int], file: Path, line: int) -> None:
        self._values, self._columns, self._file, self._line = values, columns, file, line

    @property
    def columns(self) -> Iterable[str]:
        """Names of the table's columns."""
        return self._columns

    def text(self, column: str) -> str:
        """The cell, which must not be empty."""
        return self.text_or_none(column) or self._refuse(column, "is empty", "Fill it in.")

    def text_or_none(self, column: str) -> str | None:
        """The cell; ``None`` if it is empty or its column is missing."""
        at = self._columns.get(column)
        return (self._values[at] or None) if at is not None and at < len(self._values) else None

    def number(self, column: str) -> float:
        """The cell as a number >= 0, which must be given."""
        figure = self.number_or_none(column)
        return self._refuse(column, "is empty", "Write a number.") if figure is None else figure

    def number_or_none(self, column: str) -> float | None:
        """The cell as a number >= 0; ``None`` is unknown."""
        text = self.text_or_none(column)
        if text is None:
            return None
        try:
            figure = float(text)
        except ValueError:
            figure = math.nan
        if not (math.isfinite(figure) and figure >= 0):
            self._refuse(column, "is no number >= 0", "Write one, or leave the cell empty.")
        return figure

    def day(self, column: str) -> date:
        """The cell as a date."""
        try:
            return date.fromisoformat(self.text(column))
        except ValueError:
            self._refuse(column, "is no date", "Write it as 2026-11-28.")

    def purchase(self, column: str) -> Purchase:
        """The cell as a way of buying."""
        try:
            return Purchase(self.text(column))
        except ValueError:
            self._refuse(column, "is no way of buying", "Write on_demand, spot or reserved.")

    def storage_class(self, column: str) -> str:
        """The cell as a class of storage that has a price."""
        name = self.text(column)
        if name not in PRICED_STORAGE:
            known = ", ".join(PRICED_STORAGE)
            self._refuse(column, "is no class of storage with a price", f"Write one of {known}.")
        return name

    def _refuse(self, column: str, problem: str, mend: str) -> NoReturn:
        raise DataError(
            problem,
            field=column,
            value=self.text_or_none(column),
            mend=mend,
            file=str(self._file),
            line=self._line,
        )


def read_rows(file: Path) -> Iterator[Cells]:
    """
    The rows of a table with a heading.

    Raises:
        DataError: The file is missing or no text.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines)
            columns = {name.strip(): at for at, name in enumerate(next(reader, []))}
            for values in reader:
                if values:
                    yield Cells(values, columns, file, reader.line_num)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"cannot be read: {error}", file=str(file)) from error


def read_machines(file: Path, model_of: Callable[[str], str]) -> Iterator[InstanceType]:
    """
    Machine types.

    Args:
        file: With the columns ``MACHINE_COLUMNS``.
        model_of: What tasks ask for, by the name of an accelerator.

    Raises:
        DataError: A row cannot be used.
    """
    for row in read_rows(file):
        accelerator = row.text_or_none("accelerator")
        yield InstanceType(
            provider=row.text("provider"),
            name=row.text("name"),
            cores=row.number("cores"),
            memory_gib=row.number("memory_gib"),
            accelerator=accelerator,
            accelerator_model=model_of(accelerator) if accelerator else None,
            accelerator_count=int(row.number_or_none("accelerator_count") or 0),
            accelerator_memory_gib=row.number_or_none("accelerator_memory_gib"),
            network_gbps=row.number_or_none("network_gbps"),
            local_disk_gib=row.number_or_none("local_disk_gib"),
            architecture=row.text_or_none("architecture"),
            source=row.text("source"),
            observed_on=row.day("date"),
        )


def read_prices(file: Path) -> Iterator[Price]:
    """
    Prices, from a file with the columns ``PRICE_COLUMNS``.

    Raises:
        DataError: A row cannot be used.
    """
    for row in read_rows(file):
        yield Price(
            provider=row.text("provider"),
            region=row.text("region"),
            name=row.text("name"),
            purchase=row.purchase("purchase"),
            usd_per_hour=row.number("usd_per_hour"),
            source=row.text("source"),
            observed_on=row.day("date"),
        )


def read_storage_prices(file: Path) -> Iterator[StoragePrice]:
    """
    Prices of storage, from a file with the columns ``STORAGE_COLUMNS``.

    Raises:
        DataError: A row cannot be used.
    """
    for row in read_rows(file):
        yield StoragePrice(
            provider=provider_name(row.text("provider")),
            region=row.text("region"),
            storage_class=row.storage_class("storage_class"),
            usd_per_gib_month=row.number("usd_per_gib_month"),
            source=row.text("source"),
            observed_on=row.day("date"),
        )


def read_accelerators(file: Path) -> Iterator[tuple[Accelerator, list[str]]]:
    """Accelerators, each with its other names."""
    for row in read_rows(file):
        accelerator = Accelerator(
            name=row.text("name"),
            model=row.text("model"),
            vendor=row.text("vendor"),
            memory_gib=row.number("memory_gib"),
            fp16_tflops=row.number_or_none("fp16_tflops"),
            fp32_tflops=row.number_or_none("fp32_tflops"),
            bandwidth_gb_per_s=row.number_or_none("bandwidth_gb_per_s"),
            tdp_watts=row.number_or_none("tdp_watts"),
            source=row.text("source"),
            observed_on=row.day("date"),
        )
        yield accelerator, (row.text_or_none("aliases") or "").split("|")


def read_core_power(file: Path) -> Iterator[CorePower]:
    """What the machines of providers draw."""
    for row in read_rows(file):
        yield CorePower(
            provider=row.text("provider"),
            idle_watts=row.number("core_idle_watts"),
            full_watts=row.number("core_full_watts"),
            overhead=row.number("overhead"),
            source=row.text("source"),
            observed_on=row.day("date"),
        )


def read_regions(file: Path) -> Iterator[Region]:
    """Regions with what is known of them."""
    for row in read_rows(file):
        known = row.text_or_none("carbon_g_per_kwh") is not None
        yield Region(
            provider=row.text("provider"),
            name=row.text("region"),
            place=row.text_or_none("place") or "",
            carbon_g_per_kwh=row.number_or_none("carbon_g_per_kwh"),
            source=row.text_or_none("source") or "",
            observed_on=row.day("date") if known else None,
        )


def read_sources(file: Path) -> Iterator[Source]:
    """Where the embedded rows come from."""
    for row in read_rows(file):
        yield Source(
            row.text("id"), row.text("title"), row.text("url"), row.text("licence"), row.day("date")
        )
