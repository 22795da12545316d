"""Tells the story while it happens: a spinner on a terminal, plain lines everywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from aiops_provider.cli.demo.outcome import Expectation

# A log of a long wait should show that it is alive without filling a page.
_PLAIN_UPDATE_S = 10.0


class Narrator:
    """
    Prints what happens; used from one thread.

    Args:
        stderr: Leave stdout to the result (``--output json``).
    """

    def __init__(self, *, stderr: bool = False) -> None:
        from rich.console import Console

        self._console: Console = Console(stderr=stderr, highlight=False, soft_wrap=True)
        self._started = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the story began."""
        return time.monotonic() - self._started

    def title(self, text: str) -> None:
        """A new act begins."""
        self._console.print()
        self._console.print(f"[{self.elapsed_s:5.0f} s] {text}", style="bold", markup=False)

    def say(self, text: str) -> None:
        """One sentence."""
        self._console.print(f"          {text}", markup=False)

    def expectation(self, one: Expectation) -> None:
        """An expectation was checked."""
        mark, style = ("met  ", "green") if one.met else ("UNMET", "red")
        self._console.print(f"  {mark}   {one.what}: {one.observed}", style=style, markup=False)
        if not one.met:
            self._console.print(f"          expected: {one.expected}", style="red", markup=False)

    @contextmanager
    def waiting(self, what: str) -> Iterator[Callable[[str], None]]:
        """
        Something takes a while.

        Yields:
            Call it with what is seen so far.
        """
        if self._console.is_terminal:
            with self._console.status(what) as status:
                yield lambda seen: status.update(f"{what}: {seen}")
            return
        last = time.monotonic()

        def update(seen: str) -> None:
            nonlocal last
            if time.monotonic() - last >= _PLAIN_UPDATE_S:
                last = time.monotonic()
                self.say(f"{what}: {seen}")

        yield update
