"""The next best places of a route, ranked when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, overload

from aiops_provider.domain.plan import Alternative

if TYPE_CHECKING:
    from aiops_provider.placement.places import Place


class Alternatives(Sequence[Alternative]):
    """
    Equal to the tuple of what it holds.

    Args:
        rank: Makes the places, best first; called at most once unless threads meet.
        hours: Expected duration of the run.
    """

    __slots__ = ("_hours", "_rank", "_ranked")

    def __init__(self, rank: Callable[[], Sequence[Place]], hours: float) -> None:
        self._rank: Callable[[], Sequence[Place]] | None = rank
        self._hours = hours
        self._ranked: tuple[Alternative, ...] = ()

    @overload
    def __getitem__(self, index: int) -> Alternative: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Alternative, ...]: ...

    def __getitem__(self, index: int | slice) -> Alternative | tuple[Alternative, ...]:
        return self._all()[index]

    def __len__(self) -> int:
        return len(self._all())

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Alternatives):
            return self._all() == other._all()
        return self._all() == other

    def __hash__(self) -> int:
        return hash(self._all())

    def __repr__(self) -> str:
        return repr(self._all())

    def __reduce__(self) -> tuple[Any, ...]:
        return (tuple, (list(self._all()),))

    def _all(self) -> tuple[Alternative, ...]:
        rank = self._rank
        if rank is not None:
            self._ranked = tuple(
                Alternative(
                    cluster=place.name,
                    pool=place.pool.name,
                    score_usd=place.score_usd_per_hour * self._hours,
                    expected_cost_usd=place.cost_usd(self._hours),
                )
                for place in rank()
            )
            # The ranking stays, what it was made of can go.
            self._rank = None
        return self._ranked
