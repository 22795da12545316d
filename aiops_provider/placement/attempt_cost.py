"""What an attempt of a replay cost, at the prices of its time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from aiops_provider.domain.cluster import ClusterSpec, Pool
from aiops_provider.domain.units import SECONDS_PER_HOUR
from aiops_provider.placement.cost import run_usd_per_hour
from aiops_provider.placement.price_series import PriceSeries
from aiops_provider.placement.replay_pool import PlaceKey
from aiops_provider.placement.replay_task import Attempt


class AttemptCost:
    """
    Prices attempts: the share of a machine that one held, and the emissions of that.

    Args:
        clusters: At the prices before any change.
        prices: How they change.
        carbon_usd_per_kg: Price put on emissions.
    """

    def __init__(
        self, clusters: Sequence[ClusterSpec], prices: PriceSeries, *, carbon_usd_per_kg: float
    ) -> None:
        self._pools: dict[PlaceKey, Pool] = {
            (cluster.name, pool.name): pool for cluster in clusters for pool in cluster.pools
        }
        self._prices, self._carbon_usd_per_kg = prices, carbon_usd_per_kg
        self._priced: dict[tuple[PlaceKey, float | None], Pool] = {}

    def is_known(self, attempt: Attempt) -> bool:
        """Whether there was a price all the time."""
        ran_s = attempt.ended_s - attempt.started_s
        return all(usd is not None for _, usd in self._spans(attempt, ran_s))

    def usd(self, attempt: Attempt, seconds: float) -> float:
        """Of the last so many seconds of an attempt; 0 if its price is unknown at any time."""
        if not self.is_known(attempt):
            return 0.0
        return math.fsum(
            (self._hourly(attempt, usd) or 0.0) * lasted_s / SECONDS_PER_HOUR
            for lasted_s, usd in self._spans(attempt, seconds)
        )

    def _spans(self, attempt: Attempt, seconds: float) -> list[tuple[float, float | None]]:
        before = self._pools[attempt.place].price_usd_per_hour
        return self._prices.spans(attempt.place, attempt.ended_s, seconds, before)

    def _hourly(self, attempt: Attempt, usd_per_hour: float | None) -> float | None:
        key = (attempt.place, usd_per_hour)
        pool = self._priced.get(key)
        if pool is None:
            pool = replace(self._pools[attempt.place], price_usd_per_hour=usd_per_hour)
            self._priced[key] = pool
        return run_usd_per_hour(
            pool,
            pool.machine_share(attempt.task.request),
            carbon_usd_per_kg=self._carbon_usd_per_kg,
            storage_usd_per_hour=0.0,
        )
