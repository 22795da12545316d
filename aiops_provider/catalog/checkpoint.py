"""
Collects the pages of a list so that an interruption costs one page, not all.

Each page is appended to a file of its own list, one JSON text a line: the items and the token of
the next page. A line cut short by a crash is the page that is asked for again.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from aiops_provider.catalog.listing import Item, Listing, Page

# Tokens of a cloud's API are good for a while only, and prices of two days are not mixed.
RESUME_WITHIN_S = 3600.0


@dataclass(slots=True)
class Checkpoint:
    """
    The pages of one list as far as they were fetched.

    Attributes:
        file: Where they are kept.
        clock: Seconds since the epoch.
    """

    file: Path
    clock: Callable[[], float] = field(default=time.time)

    @classmethod
    def of(
        cls, listing: Listing, folder: Path, clock: Callable[[], float] = time.time
    ) -> Checkpoint:
        """The checkpoint of a list inside a folder."""
        return cls(folder / f"{re.sub(r'[^a-z0-9]+', '-', listing.name.lower())}.jsonl", clock)

    def pages(self, listing: Listing) -> Iterator[Page]:
        """
        All pages: those that are kept, then those that the cloud is asked for.

        Raises:
            CatalogError: The cloud does not answer; what was fetched stays for the next try.
        """
        token = None
        kept = self._kept()
        for page in kept:
            yield page
            token = page.next
        if kept and token is None:
            return
        if not kept:
            self._restart()
        while True:
            page = listing.page(token)
            self._append(page)
            yield page
            token = page.next
            if token is None:
                return

    def forget(self) -> None:
        """Everything was used: the next time starts anew."""
        self.file.unlink(missing_ok=True)

    def _kept(self) -> list[Page]:
        try:
            lines = self.file.read_text(encoding="utf-8").splitlines(keepends=True)
            age_s = self.clock() - self.file.stat().st_mtime
        except FileNotFoundError:
            return []
        pages: list[Page] = []
        for line in lines:
            if not line.endswith("\n"):
                break  # cut short by a crash
            content = json.loads(line)
            pages.append(Page(tuple(content["items"]), content["next"]))
        if age_s > RESUME_WITHIN_S:
            return []
        if len(pages) < len(lines):
            self._rewrite(pages)
        return pages

    def _restart(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text("", encoding="utf-8")

    def _rewrite(self, pages: list[Page]) -> None:
        self._restart()
        for page in pages:
            self._append(page)

    def _append(self, page: Page) -> None:
        with self.file.open("a", encoding="utf-8") as out:
            out.write(json.dumps({"items": page.items, "next": page.next}) + "\n")


def items_of(pages: list[Page]) -> Iterator[Item]:
    """The items of all pages, one after the other."""
    for page in pages:
        yield from page.items
