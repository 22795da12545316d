"""What an inner executor knows of an end beyond the words that Airflow shows."""

from __future__ import annotations

from typing import Self

from aiops_provider.domain.execution import Outcome


class LastWords(str):
    """
    The cluster's last words about a workload, and what follows from them.

    Attributes:
        outcome: How the work ended.
        begun: Whether the task itself had begun; if not, it can run elsewhere as if nothing had been.
    """

    __slots__ = ("begun", "outcome")

    outcome: Outcome
    begun: bool

    def __new__(cls, words: str, *, outcome: Outcome, begun: bool) -> Self:
        """Make them from plain words."""
        said = super().__new__(cls, words)
        said.outcome, said.begun = outcome, begun
        return said
