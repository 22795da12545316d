"""A list that a cloud gives page by page, and what its items mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from aiops_provider.catalog.draft import Row

Item = dict[str, Any]
"""As much of an item as is needed later; JSON holds it."""


@dataclass(frozen=True, slots=True)
class Page:
    """
    One answer of a cloud.

    Attributes:
        items: In the order of the answer.
        next: Asks for the page after this one; ``None``: this is the last.
    """

    items: tuple[Item, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Listing:
    """
    A list of a cloud.

    Attributes:
        name: Unique, such as ``aws us-east-1 spot prices``.
        page: The page that a token asks for, or the first one; raises ``CatalogError``.
        rows: What the items of all pages say on a day.
    """

    name: str
    page: Callable[[str | None], Page]
    rows: Callable[[Iterable[Item], date], Iterator[Row]]
