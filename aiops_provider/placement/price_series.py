"""Prices of pools that change while a replay goes on, such as those of spot machines."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from aiops_provider.domain.cluster import ClusterSpec, Pool
from aiops_provider.placement.replay_pool import PlaceKey


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceChange:
    """
    From a moment on a machine costs something else.

    Attributes:
        place: Name of the cluster and name of the pool.
        at_s: Seconds since the begin of the replay; negative: before it.
        usd_per_hour: Of one machine, until the pool's next change.
    """

    place: PlaceKey
    at_s: float
    usd_per_hour: float


class PriceSeries:
    """
    What machines cost in the course of a replay; before a pool's first change, what its cluster says.

    Args:
        changes: In any order.

    Raises:
        ValueError: A pool has two prices from one moment on.
    """

    def __init__(self, changes: Iterable[PriceChange] = ()) -> None:
        self._moments: dict[PlaceKey, list[float]] = {}
        self._usd: dict[PlaceKey, list[float]] = {}
        for change in sorted(changes, key=lambda c: (c.place, c.at_s)):
            moments = self._moments.setdefault(change.place, [])
            if moments and moments[-1] == change.at_s:
                raise ValueError(f"{change.place} has two prices at {change.at_s}")
            moments.append(change.at_s)
            self._usd.setdefault(change.place, []).append(change.usd_per_hour)

    @property
    def places(self) -> frozenset[PlaceKey]:
        """Pools whose price changes."""
        return frozenset(self._moments)

    @property
    def moments(self) -> list[float]:
        """When any price changes, each once; what changed before the begin does so at 0."""
        return sorted({max(0.0, at) for own in self._moments.values() for at in own})

    def repriced(self, clusters: Sequence[ClusterSpec], now_s: float) -> tuple[ClusterSpec, ...]:
        """
        The clusters at the prices of a moment.

        Args:
            clusters: At whatever prices; those of pools that have not changed yet stay.
            now_s: Seconds since the begin of the replay.
        """
        return tuple(self._cluster(cluster, now_s) for cluster in clusters)

    def spans(
        self, place: PlaceKey, end_s: float, seconds: float, usd_before: float | None
    ) -> list[tuple[float, float | None]]:
        """
        What a machine costs in a stretch of time.

        Args:
            place: Of the machine.
            end_s: End of the stretch; seconds since the begin of the replay.
            seconds: Its length.
            usd_before: USD per hour before the pool's first change; ``None``: unknown.

        Returns:
            Seconds and USD per hour, the latest first; the seconds sum up to those asked for.
        """
        moments = self._moments.get(place)
        if moments is None:
            return [(seconds, usd_before)]
        usd = self._usd[place]
        index, until_s, left_s = bisect_right(moments, end_s), end_s, seconds
        found: list[tuple[float, float | None]] = []
        while index and until_s - moments[index - 1] < left_s:
            index -= 1
            lasted_s = until_s - moments[index]
            found.append((lasted_s, usd[index]))
            until_s, left_s = moments[index], left_s - lasted_s
        found.append((left_s, usd[index - 1] if index else usd_before))
        return found

    def _cluster(self, cluster: ClusterSpec, now_s: float) -> ClusterSpec:
        pools = tuple(self._pool((cluster.name, pool.name), pool, now_s) for pool in cluster.pools)
        if all(new is old for new, old in zip(pools, cluster.pools, strict=True)):
            return cluster
        return replace(cluster, pools=pools)

    def _pool(self, place: PlaceKey, pool: Pool, now_s: float) -> Pool:
        index = bisect_right(self._moments.get(place, ()), now_s)
        if not index or self._usd[place][index - 1] == pool.price_usd_per_hour:
            return pool
        return replace(pool, price_usd_per_hour=self._usd[place][index - 1])


STEADY_PRICES = PriceSeries()
"""No price changes."""
