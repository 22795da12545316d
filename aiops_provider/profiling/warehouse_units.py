"""
How many units of a data warehouse a query should get, learned from the queries that have run there.

A warehouse is sold in sizes: more threads and more memory at a higher price per second. The least
cost is not the smallest size where a query spills, nor the largest where it does not parallelise.
No input or output: whoever has a query history hands it in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from aiops_provider.domain.profile import Quantity, Source
from aiops_provider.domain.units import SECONDS_PER_HOUR
from aiops_provider.profiling.warehouse_model import (
    Behaviour,
    QueryModel,
    WarehouseRun,
    WarehouseSize,
)

# A run that fails for lack of memory costs ten, as for tasks (settings: profiling.failure_cost_factor).
_FAILURE_COST_FACTOR = 10.0
# Sizes whose expected cost differs by less than this are alike; the one that spills least is taken.
_ALIKE = 0.03
_NORMAL_P80, _NORMAL_P95 = 0.8416, 1.6449


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseChoice:
    """
    The size for a query, and why.

    Attributes:
        size: What to run it on.
        runtime_s: How long it will take there.
        units: Unit-hours of one run, which is what is billed.
        cost: Of one run, in the currency of the prices.
        spills: Whether it is expected to write to disk there.
        keeps_deadline: Whether nine runs of ten keep the deadline; true without one.
        reason: One sentence for people.
    """

    size: WarehouseSize
    runtime_s: Quantity
    units: Quantity
    cost: Quantity
    spills: bool
    keeps_deadline: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeForecast:
    """
    What is expected of one size.

    Attributes:
        size: Which.
        p50_s: Median runtime.
        cost: Expected of one run, a failure counted as ten, in the currency of the prices.
        failing: Share of runs that fail for want of memory.
        spilling: How likely it is that the query writes to disk there.
        keeps_deadline: Whether nine runs of ten keep the deadline; true without one.
    """

    size: WarehouseSize
    p50_s: float
    cost: float
    failing: float
    spilling: float
    keeps_deadline: bool


@dataclass(frozen=True, slots=True)
class _Outlook:
    """What is expected of one size: mean and deviation of ln(seconds), share of failures, spill."""

    size: WarehouseSize
    log_s: float
    deviation: float
    failing: float
    spilling: float

    @property
    def log_cost(self) -> float:
        return (
            math.log(self.size.price_per_s)
            + self.log_s
            + self.failing * math.log(_FAILURE_COST_FACTOR)
        )

    def keeps(self, deadline_s: float | None) -> bool:
        if deadline_s is None:
            return True
        # 1.2816 is the 0.9 quantile of the normal distribution.
        return self.log_s + 1.2816 * self.deviation <= math.log(deadline_s)


class WarehouseUnits:
    """
    Chooses sizes from the history of a warehouse.

    Each query's runtime is ``ln t = a + b ln volume + c ln threads + d overflow``, where *overflow* is
    ``ln(working set / memory)`` as far as it exceeds zero; see ``warehouse_model``. The query asked
    about is taken for one like each of those known, weighed by how well these explain its own runs and
    corrected by them: with no run of its own it behaves as the others do, with many as itself.

    Args:
        runs: Finished runs of any queries, in any order.
    """

    def __init__(self, runs: Sequence[WarehouseRun]) -> None:
        self._model = QueryModel(runs)

    def choose(
        self,
        query: str,
        *,
        volume_gib: float,
        sizes: Sequence[WarehouseSize],
        deadline_s: float | None = None,
    ) -> WarehouseChoice | None:
        """
        The size of least expected cost that keeps the deadline; the fastest where none does.

        Args:
            query: Name or hash; a new one is judged by the others.
            volume_gib: Of the data that it reads, > 0.
            sizes: To choose from; at least one.
            deadline_s: For one run, > 0.

        Returns:
            ``None`` without any history: a prior must speak.

        Raises:
            ValueError: A figure is not above zero, or there is no size.
        """
        if not sizes:
            raise ValueError("sizes is empty: name at least one size of the warehouse")
        if not volume_gib > 0 or (deadline_s is not None and not deadline_s > 0):
            raise ValueError(
                f"volume_gib and deadline_s must be > 0, got {volume_gib} and {deadline_s}"
            )
        likely = self._model.likely(query)
        if not likely:
            return None
        outlooks = [self._outlook(query, likely, volume_gib, size) for size in sizes]
        in_time = [o for o in outlooks if o.keeps(deadline_s)]
        if in_time:
            least = min(o.log_cost for o in in_time)
            alike = [o for o in in_time if o.log_cost <= least + _ALIKE]
            chosen = min(alike, key=lambda o: (round(o.spilling, 2), o.log_cost))
        else:
            chosen = min(outlooks, key=lambda o: (o.failing, o.log_s))
        return self._choice(query, chosen, outlooks, deadline_s, kept=bool(in_time))

    def forecast(
        self,
        query: str,
        *,
        volume_gib: float,
        sizes: Sequence[WarehouseSize],
        deadline_s: float | None = None,
    ) -> tuple[SizeForecast, ...]:
        """
        What is expected of every size, the least cost first; empty without any history.

        Args:
            query: Name or hash; a new one is judged by the others.
            volume_gib: Of the data that it reads, > 0.
            sizes: Which.
            deadline_s: For one run, > 0.
        """
        likely = self._model.likely(query)
        outlooks = [self._outlook(query, likely, volume_gib, s) for s in sizes] if likely else []
        return tuple(
            SizeForecast(
                size=one.size,
                p50_s=math.exp(one.log_s),
                cost=math.exp(one.log_cost),
                failing=one.failing,
                spilling=one.spilling,
                keeps_deadline=one.keeps(deadline_s),
            )
            for one in sorted(outlooks, key=lambda o: o.log_cost)
        )

    def _outlook(
        self, query: str, likely: Sequence[Behaviour], volume: float, size: WarehouseSize
    ) -> _Outlook:
        means = [b.log_seconds(volume, size) for b in likely]
        mean = sum(b.weight * m for b, m in zip(likely, means, strict=True))
        between = sum(b.weight * (m - mean) ** 2 for b, m in zip(likely, means, strict=True))
        within = sum(b.weight * b.variance(volume, size) for b in likely)
        return _Outlook(
            size=size,
            log_s=mean,
            deviation=math.sqrt(between + within),
            failing=self._model.failing(query, volume, size),
            spilling=sum(b.weight for b in likely if b.overflow(volume, size) > 0),
        )

    def _choice(
        self,
        query: str,
        chosen: _Outlook,
        outlooks: Sequence[_Outlook],
        deadline_s: float | None,
        *,
        kept: bool,
    ) -> WarehouseChoice:
        own = self._model.count(query)
        source = Source.OWN_HISTORY if own else Source.SIMILAR_TASKS
        count = own or self._model.count()
        reason = _reason(query, chosen, outlooks, deadline_s, own=own, others=count, kept=kept)
        deviation = chosen.deviation
        p50, p80, p95 = (
            math.exp(chosen.log_s + z * deviation) for z in (0.0, _NORMAL_P80, _NORMAL_P95)
        )

        def figure(factor: float) -> Quantity:
            return Quantity(
                p50=p50 * factor,
                p80=p80 * factor,
                p95=p95 * factor,
                source=source,
                sample_count=count,
                reason=reason,
            )

        return WarehouseChoice(
            size=chosen.size,
            runtime_s=figure(1.0),
            units=figure(chosen.size.units / SECONDS_PER_HOUR),
            cost=figure(chosen.size.price_per_s),
            spills=chosen.spilling > 0.5,
            keeps_deadline=kept,
            reason=reason,
        )


def units_by_hour_of_week(
    choice: WarehouseChoice, starts_by_hour_of_week: Sequence[float]
) -> tuple[float, ...]:
    """
    Units in use on average in each hour of the week: starts times units times the median runtime.

    A run that is longer than an hour goes on in the hours that follow, over the end of the week.

    Args:
        choice: For one run.
        starts_by_hour_of_week: Expected starts, 168 entries or none (see ``WorkloadProfile``).

    Returns:
        As many entries as *starts_by_hour_of_week*.
    """
    hours = len(starts_by_hour_of_week)
    used = [0.0] * hours
    for slot, starts in enumerate(starts_by_hour_of_week):
        left, hour = choice.runtime_s.p50 / SECONDS_PER_HOUR, slot
        while starts > 0 and left > 0:
            used[hour % hours] += starts * choice.size.units * min(left, 1.0)
            left, hour = left - 1.0, hour + 1
    return tuple(used)


def _reason(
    query: str,
    chosen: _Outlook,
    outlooks: Sequence[_Outlook],
    deadline_s: float | None,
    *,
    own: int,
    others: int,
    kept: bool,
) -> str:
    rest = [o for o in outlooks if o is not chosen]
    known = (
        f"{own} runs of {query} and those of other queries"
        if own
        else f"{others} runs of other queries"
    )
    said = f"{chosen.size.name} ({chosen.size.units:.3g} units), from {known}"
    if not kept:
        said += f"; no size keeps {deadline_s:g} s, this is the fastest"
    elif rest:
        next_best = min(rest, key=lambda o: o.log_cost)
        percent = 100 * (math.exp(next_best.log_cost - chosen.log_cost) - 1)
        side = "dearer" if percent >= 0 else "cheaper but late or spilling"
        said += f"; {next_best.size.name} would be {abs(percent):.0f} % {side}"
    dry = "spills to disk there" if chosen.spilling > 0.5 else "fits into its memory"
    return f"{said}; the query {dry}"
