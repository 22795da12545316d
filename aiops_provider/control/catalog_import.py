"""What ``aiops catalog import`` does: a file of SkyPilot's form becomes part of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from aiops_provider.catalog.publish import publish
from aiops_provider.catalog.skypilot import COLUMNS, read_skypilot
from aiops_provider.errors import DataError

if TYPE_CHECKING:
    from aiops_provider.settings.schema import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """
    What an import changed.

    Attributes:
        folder: Where the catalogue of the user lies.
        machines: Machine types that were read.
        prices: Prices that were read.
        regions: That they are about.
        skipped: Rows without a machine type or its size.
    """

    folder: str
    machines: int
    prices: int
    regions: tuple[str, ...]
    skipped: int


def import_file(settings: Settings, file: Path, provider: str, observed_on: date) -> ImportReport:
    """
    Read a file and, if it can be right, let its rows win over the catalogue's; others stay.

    Args:
        settings: With the folder of the user's catalogue.
        file: CSV in SkyPilot's column order.
        provider: Whose machines they are.
        observed_on: When its prices were.

    Raises:
        DataError: The file cannot be used; nothing was changed.
    """
    folder = settings.catalog.refreshed
    read = read_skypilot(file, provider, observed_on, settings.open_catalog.model_of)
    if not read.draft.machines:
        raise DataError(
            f"names no machine type in {read.skipped} rows" if read.skipped else "holds no row",
            file=str(file),
            mend=f"Give it a heading with {', '.join(COLUMNS)} and a row per machine type and zone.",
        )
    publish(read.draft, folder, provider=provider, regions=read.regions, whole=False)
    return ImportReport(
        folder=str(folder),
        machines=len(read.draft.machines),
        prices=len(read.draft.prices),
        regions=tuple(sorted(read.regions)),
        skipped=read.skipped,
    )
