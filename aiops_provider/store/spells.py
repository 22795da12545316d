"""
How clusters come and go, from what the probes of all schedulers and workers say together.

Only what nobody contradicts counts as a loss. Whoever says *as before* that it reaches a cluster has
reached it for the last minute; a loss that another one, with a broken network of its own, has told of in
that minute did not happen, and neither did its end.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aiops_provider.domain.cluster import HealthState

# How far back a repeated probe speaks for; probers repeat themselves no more often than that, so that
# none of them denies what it has seen itself.
_AS_BEFORE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spells:
    """
    The past of one cluster.

    Attributes:
        up_s: Watched time in which it was there, in seconds.
        down_s: Watched time in which it was away, in seconds.
        losses: How often it went.
        returns: How often it came back.
        lost_at: When it went last; losses within a minute are one.
        returned_at: When it came back from that; ``None``: it has not.
    """

    up_s: float = 0.0
    down_s: float = 0.0
    losses: float = 0.0
    returns: float = 0.0
    lost_at: datetime | None = None
    returned_at: datetime | None = None

    @property
    def is_up(self) -> bool:
        """Whether it is there now."""
        return self.lost_at is None or self.returned_at is not None

    def aged(self, share_left: float) -> Spells:
        """
        With less weight.

        Args:
            share_left: Of all figures.
        """
        return replace(
            self,
            up_s=self.up_s * share_left,
            down_s=self.down_s * share_left,
            losses=self.losses * share_left,
            returns=self.returns * share_left,
        )

    def lasting(self, seconds: float) -> Spells:
        """The present spell has gone on for so long."""
        if self.is_up:
            return replace(self, up_s=self.up_s + seconds)
        return replace(self, down_s=self.down_s + seconds)

    def told(self, state: HealthState, at: datetime, *, again: bool) -> Spells:
        """
        After one more probe.

        Args:
            state: What it found; that nothing is known changes nothing.
            at: When.
            again: Whether the same prober found the same for at least a minute.
        """
        if state is HealthState.HEALTHY and again and self._lost_since(at - _AS_BEFORE):
            return self._denied()
        if state is HealthState.UNREACHABLE and self.is_up:
            return self._lost(at)
        if state is HealthState.HEALTHY and not self.is_up:
            return replace(self, returns=self.returns + 1.0, returned_at=at)
        return self

    def _lost(self, at: datetime) -> Spells:
        if self._lost_since(at - _AS_BEFORE):
            return replace(self, returns=max(self.returns - 1.0, 0.0), returned_at=None)
        return replace(self, losses=self.losses + 1.0, lost_at=at, returned_at=None)

    def _lost_since(self, moment: datetime) -> bool:
        return self.lost_at is not None and self.lost_at > moment

    def _denied(self) -> Spells:
        was_back = self.returned_at is not None
        # The time in which probers differ counts for neither, so that it need not be taken back.
        away_s = 0.0
        if self.lost_at is not None and self.returned_at is not None:
            away_s = min((self.returned_at - self.lost_at).total_seconds(), self.down_s)
        return Spells(
            up_s=self.up_s + away_s,
            down_s=self.down_s - away_s,
            losses=max(self.losses - 1.0, 0.0),
            returns=max(self.returns - was_back, 0.0),
        )
