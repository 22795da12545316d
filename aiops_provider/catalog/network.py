"""Figures by pair of regions: the price of moving data and the round trip."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Self

from aiops_provider.catalog.tables import read_rows

Place = tuple[str, str]
"""Name of the provider and name of the region."""

_NOT_REGIONS = frozenset({"from", "source", "date"})


@dataclass(frozen=True, slots=True)
class PairFigure:
    """A figure between two regions, where it is from and when it was observed."""

    value: float
    source: str
    observed_on: date


class RegionMatrix:
    """
    Figures from regions to regions, as a matrix whose rows have a source and a date.

    A pair that is not in the matrix is unknown, whichever direction.
    """

    def __init__(self, rows: dict[Place, dict[Place, PairFigure]]) -> None:
        self._rows = rows

    @classmethod
    def read(cls, file: Path) -> Self:
        """
        Read a matrix: first the columns ``from``, ``source`` and ``date``, then one per region.

        Raises:
            DataError: A cell cannot be used.
        """
        rows: dict[Place, dict[Place, PairFigure]] = {}
        for row in read_rows(file):
            source, day = row.text("source"), row.day("date")
            rows[_place(row.text("from"))] = {
                _place(target): PairFigure(value, source, day)
                for target in row.columns
                if target not in _NOT_REGIONS and (value := row.number_or_none(target)) is not None
            }
        return cls(rows)

    def figure(self, start: Place, target: Place) -> PairFigure | None:
        """The figure from one region to another; ``None`` is unknown."""
        return self._rows.get(start, {}).get(target)

    def places(self) -> list[Place]:
        """Regions from which something is known."""
        return list(self._rows)


def _place(text: str) -> Place:
    provider, _, region = text.partition(":")
    return provider, region
