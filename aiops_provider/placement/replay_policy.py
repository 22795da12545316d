"""What a replay asks of whoever places its tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from aiops_provider.placement.replay_task import Attempt, Moves, Nomination, ReplayTask

if TYPE_CHECKING:
    from aiops_provider.placement.replay import Replay


class Policy(Protocol):
    """
    Says where tasks go; called in order of virtual time, by one thread.

    ``notices_after_s`` are the seconds between the loss of a place and the moment at which what ran
    or waited there is nominated anew; ``period_s`` those between two calls of :meth:`tick`, if any.
    """

    @property
    def notices_after_s(self) -> float:
        """See above."""

    @property
    def period_s(self) -> float | None:
        """See above."""

    def choose(self, task: ReplayTask, lost_on: Sequence[str], replay: Replay) -> Nomination:
        """
        Nominate places.

        Args:
            task: That arrived, lost its place, or waited for long.
            lost_on: Clusters that were lost under it, the oldest first.
            replay: Its time, load and lost places may be read.

        Raises:
            InfeasibleError: It can run nowhere.
        """

    def changed(self, replay: Replay) -> None:
        """A place was lost or came back."""

    def repriced(self, replay: Replay) -> None:
        """Machines cost something else from now on; the replay's clusters have the new prices."""

    def moves(self, replay: Replay) -> Moves:
        """There is more room, a new price, or it is the time asked for: what is to be moved?"""

    def ended(self, attempt: Attempt) -> None:
        """An attempt came to its end, good or bad."""

    def tick(self, replay: Replay) -> None:
        """Another period has passed."""
