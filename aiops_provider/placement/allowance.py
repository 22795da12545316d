"""Which pools a kind of task may use, by its own rules and those of others, near ones first."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiops_provider.domain.profile import ResourceRequest, WorkloadProfile
from aiops_provider.placement.eligibility import limit_against, rule_against
from aiops_provider.placement.pool_columns import PoolColumns
from aiops_provider.placement.price_order import PriceOrder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Kinds of tasks that are remembered; more of them are rare.
_MOST_REMEMBERED = 1024
# So few near pools are left out one by one when the far ones are walked through.
_FEW_NEAR = 64


class Sizes:
    """
    Sizes of the machines of some pools, sorted, to count those that can hold a request.

    Args:
        columns: Of all pools.
        rows: Which of them.
    """

    __slots__ = ("_common_cores", "_common_gib", "_cores", "_memory")

    def __init__(self, columns: PoolColumns, rows: NDArray[np.intp]) -> None:
        import numpy as np

        cores, memory, cluster = columns.cores[rows], columns.memory[rows], columns.cluster[rows]
        self._cores: list[float] = np.sort(cores).tolist()
        self._memory: list[float] = np.sort(memory).tolist()
        # What the largest machines of two clusters have in common.
        self._common_cores = self._common_gib = -1.0
        large = np.argsort(-np.minimum(cores, memory), kind="stable")
        others = large[cluster[large] != cluster[large[:1]]]
        if len(others):
            pair = [large[0], others[0]]
            self._common_cores = float(cores[pair].min())
            self._common_gib = float(memory[pair].min())

    def count(self, request: ResourceRequest) -> int | None:
        """Number of pools with machines of that size; ``None`` if that takes a closer look."""
        too_few_cores = bisect_left(self._cores, request.cores)
        too_little_memory = bisect_left(self._memory, request.memory_gib)
        if too_few_cores and too_little_memory:
            return None  # some may have too little of both
        return len(self._cores) - too_few_cores - too_little_memory

    def on_several_clusters(self, request: ResourceRequest) -> bool:
        """Whether it is sure that machines of that size are on more than one cluster."""
        return request.cores <= self._common_cores and request.memory_gib <= self._common_gib


class Rules:
    """
    Pools that a task's rules leave, for all requests alike; safe to share between threads.

    Args:
        columns: Of all pools.
        allowed: By row.

    Attributes:
        allowed: As given.
        mask: The same, 1 for allowed, quicker to look up.
        known: Order of those with a known price.
        unknown: Order of those without.
    """

    __slots__ = ("_columns", "_sizes", "allowed", "known", "mask", "unknown")

    def __init__(self, columns: PoolColumns, allowed: NDArray[np.bool_]) -> None:
        import numpy as np

        self._columns, self.allowed = columns, allowed
        self.mask = allowed.astype(np.uint8).tobytes()
        self.known = PriceOrder(columns, np.flatnonzero(allowed & ~columns.unknown))
        self.unknown = PriceOrder(columns, np.flatnonzero(allowed & columns.unknown))
        self._sizes: dict[object, Sizes] = {}

    def sizes(self, request: ResourceRequest) -> Sizes:
        """Of the pools that have the accelerators which a request asks for, if any."""
        import numpy as np

        key = (request.accelerator, request.accelerator_memory_gib, request.accelerators)
        known = self._sizes.get(key)
        if known is None:
            chosen = self.allowed
            if request.accelerators:
                chosen = chosen & (self._columns.offered(request) >= request.accelerators)
            if len(self._sizes) >= _MOST_REMEMBERED:
                self._sizes = {}
            known = self._sizes[key] = Sizes(self._columns, np.flatnonzero(chosen))
        return known


@dataclass(frozen=True, slots=True)
class Tier:
    """
    Pools of one tier of a kind of task: near before far, then known prices before unknown ones.

    Attributes:
        number: Compared before prices.
        order: Of its pools.
        without: Rows of the order that belong to another tier.
    """

    number: int
    order: PriceOrder
    without: frozenset[int]


@dataclass(frozen=True, slots=True)
class Allowance:
    """
    Pools that a kind of task may use, whatever it asks for.

    Attributes:
        rules: Which pools its rules leave.
        near: Rows where the data or the users are; ``None``: it is at home everywhere.
        tiers: The allowed pools, the preferred ones first.
    """

    rules: Rules
    near: frozenset[int] | None
    tiers: tuple[Tier, ...]

    def far(self, row: int) -> bool:
        """Whether a pool is not where the data or the users are."""
        return self.near is not None and row not in self.near


class Allowances:
    """
    What each kind of task may use, made when the first of its kind comes.

    Safe to share between threads.

    Args:
        columns: Of all pools.
    """

    def __init__(self, columns: PoolColumns) -> None:
        self._columns = columns
        self._by_region: dict[str, list[int]] = {}
        for number, row in enumerate(columns.rows):
            self._by_region.setdefault(row.cluster.region, []).append(number)
        self._rules: dict[tuple[object, ...], Rules] = {}
        self._allowances: dict[tuple[object, ...], Allowance] = {}

    def of(self, profile: WorkloadProfile) -> Allowance:
        """What the task's own rules and those of others leave."""
        key = (
            profile.pinned_cluster,
            profile.allowed_regions,
            profile.allowed_providers,
            profile.cluster_limits,
            profile.data_region,
            profile.preferred_regions,
        )
        known = self._allowances.get(key)
        if known is None:
            if len(self._allowances) >= _MOST_REMEMBERED:
                self._allowances = {}
            known = self._allowances[key] = self._make_allowance(profile, key[:4])
        return known

    def _make_allowance(self, profile: WorkloadProfile, key: tuple[object, ...]) -> Allowance:
        import numpy as np

        rules = self._rules.get(key)
        if rules is None:
            if len(self._rules) >= _MOST_REMEMBERED:
                self._rules = {}
            rules = self._rules[key] = self._make_rules(profile)
        regions = {profile.data_region, *profile.preferred_regions} - {None}
        near = [row for region in regions for row in self._by_region.get(str(region), ())]
        if not regions:
            tiers: tuple[Tier, ...] = (
                Tier(0, rules.known, frozenset()),
                Tier(1, rules.unknown, frozenset()),
            )
            return Allowance(rules, None, tiers)
        here = np.zeros(len(self._columns.rows), dtype=bool)
        here[near] = True
        close, closed = here & rules.allowed, frozenset(near)
        tiers = (
            Tier(0, self._order(close & ~self._columns.unknown), frozenset()),
            Tier(1, self._order(close & self._columns.unknown), frozenset()),
            self._far(2, rules.known, rules.allowed & ~self._columns.unknown & ~here, closed),
            self._far(3, rules.unknown, rules.allowed & self._columns.unknown & ~here, closed),
        )
        return Allowance(rules, closed, tiers)

    def _far(
        self, number: int, order: PriceOrder, chosen: NDArray[np.bool_], near: frozenset[int]
    ) -> Tier:
        """Where few pools are near, the order of all serves for the others too."""
        if len(near) <= _FEW_NEAR:
            return Tier(number, order, near)
        return Tier(number, self._order(chosen), frozenset())

    def _make_rules(self, profile: WorkloadProfile) -> Rules:
        import numpy as np

        free = [
            rule_against(profile, cluster) is None and limit_against(profile, cluster) is None
            for cluster in self._columns.clusters
        ]
        return Rules(self._columns, np.array(free, dtype=bool)[self._columns.cluster])

    def _order(self, chosen: NDArray[np.bool_]) -> PriceOrder:
        import numpy as np

        return PriceOrder(self._columns, np.flatnonzero(chosen))
