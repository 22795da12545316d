"""An interrupted list goes on where it was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from aiops_provider.catalog.checkpoint import RESUME_WITHIN_S, Checkpoint, items_of
from aiops_provider.catalog.listing import Item, Listing, Page
from aiops_provider.errors import CatalogError

PAGES = 4


class Cloud:
    """A list of four pages that may stop answering."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        self.fails_at: str | None = None

    def page(self, token: str | None) -> Page:
        self.asked.append(token)
        if token is not None and token == self.fails_at:
            raise CatalogError
        number = int(token or 0)
        following = str(number + 1) if number + 1 < PAGES else None
        return Page(({"n": number},), following)

    def listing(self) -> Listing:
        def rows(_: object, __: date) -> Iterator[object]:
            return iter(())

        return Listing("cloud region list", self.page, rows)  # type: ignore[arg-type]


def numbers(checkpoint: Checkpoint, cloud: Cloud) -> list[Item]:
    return list(items_of(list(checkpoint.pages(cloud.listing()))))


ALL = [{"n": number} for number in range(PAGES)]


def test_only_what_is_missing_is_asked_for(tmp_path):
    """After an interruption the pages that were fetched are not asked for again."""
    cloud = Cloud()
    cloud.fails_at = "2"
    with pytest.raises(CatalogError):
        numbers(Checkpoint.of(cloud.listing(), tmp_path), cloud)
    cloud.fails_at, cloud.asked = None, []

    assert ALL == numbers(Checkpoint.of(cloud.listing(), tmp_path), cloud)
    assert ["2", "3"] == cloud.asked


def test_complete_list_is_not_asked_for_again(tmp_path):
    """When another list of the refresh failed, this one is kept."""
    cloud = Cloud()
    numbers(Checkpoint.of(cloud.listing(), tmp_path), cloud)
    cloud.asked = []

    assert ALL == numbers(Checkpoint.of(cloud.listing(), tmp_path), cloud)
    assert [] == cloud.asked


def test_line_cut_short_by_a_crash_is_fetched_again(tmp_path):
    """Half a line is no page."""
    cloud = Cloud()
    checkpoint = Checkpoint.of(cloud.listing(), tmp_path)
    numbers(checkpoint, cloud)
    content = checkpoint.file.read_bytes()
    checkpoint.file.write_bytes(content[:-7])
    cloud.asked = []

    assert ALL == numbers(checkpoint, cloud)
    assert ["3"] == cloud.asked
    assert content == checkpoint.file.read_bytes()


def test_old_pages_are_not_mixed_with_new_ones(tmp_path):
    """After an hour a list starts anew: tokens and prices do not keep."""
    cloud = Cloud()
    checkpoint = Checkpoint.of(cloud.listing(), tmp_path)
    numbers(checkpoint, cloud)
    written = checkpoint.file.stat().st_mtime
    later = Checkpoint(checkpoint.file, clock=lambda: written + RESUME_WITHIN_S + 1)
    cloud.asked = []

    assert ALL == numbers(later, cloud)
    assert [None, "1", "2", "3"] == cloud.asked


def test_used_pages_are_forgotten(tmp_path):
    """Nothing is left behind."""
    cloud = Cloud()
    checkpoint = Checkpoint.of(cloud.listing(), tmp_path)
    numbers(checkpoint, cloud)
    checkpoint.forget()

    assert [] == list(tmp_path.iterdir())
