"""What every group would cost on every pool, as a table: the figures of :mod:`.cost` for large problems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aiops_provider.domain.cluster import ClusterSpec, Pool
from aiops_provider.domain.plan import WorkloadGroup
from aiops_provider.placement.cost import (
    EgressPrices,
    egress_usd_per_gib,
    machine_usd_per_hour,
    storage_price,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_Pools = Sequence[tuple[ClusterSpec, Pool]]


def cost_columns(
    groups: Sequence[WorkloadGroup],
    pools: _Pools,
    mean_machines: NDArray[np.float64],
    *,
    egress: EgressPrices,
    carbon_usd_per_kg: float,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """
    USD per hour of the whole group, and whether its data moves at an unknown price; by group and pool.

    Args:
        groups: What is to be placed.
        pools: With their clusters.
        mean_machines: That each group occupies on each pool, over the slots.
        egress: Prices of data that leaves its region, where they are known.
        carbon_usd_per_kg: Price put on emissions.
    """
    import numpy as np

    hourly = [machine_usd_per_hour(pool, carbon_usd_per_kg) for _, pool in pools]
    moved, far = _egress(groups, pools, egress)
    cost = mean_machines * np.array(hourly)[None, :] + moved + _storage(groups, pools)
    return cost, far


def carbon_columns(pools: _Pools, mean_machines: NDArray[np.float64]) -> NDArray[np.float64]:
    """
    Kilograms of CO₂ equivalent per hour of the whole group, by group and pool.

    Args:
        pools: With their clusters.
        mean_machines: That each group occupies on each pool, over the slots.
    """
    import numpy as np

    hourly = [0.0 if pool.carbon is None else pool.carbon.kg_per_hour for _, pool in pools]
    kg: NDArray[np.float64] = mean_machines * np.array(hourly)[None, :]
    return kg


def _egress(
    groups: Sequence[WorkloadGroup], pools: _Pools, egress: EgressPrices
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """USD per hour for data that moves, and where its price is unknown; by group and pool."""
    import numpy as np

    sources = sorted({group.data_region or "" for group in groups})
    place = {source: number for number, source in enumerate(sources)}
    prices = [
        [egress_usd_per_gib(egress, source or None, cluster) for cluster, _ in pools]
        for source in sources
    ]
    known = np.array([[price or 0.0 for price in row] for row in prices])
    unknown = np.array([[price is None for price in row] for row in prices], dtype=np.bool_)
    own = np.array([place[group.data_region or ""] for group in groups], dtype=np.intp)
    gib = np.array([group.data_gib_per_hour for group in groups])
    shape = (len(sources), len(pools))
    moved = known.reshape(shape)[own] * gib[:, None]
    far: NDArray[np.bool_] = unknown.reshape(shape)[own]
    return moved, far


def _storage(groups: Sequence[WorkloadGroup], pools: _Pools) -> NDArray[np.float64]:
    """USD per hour for what is stored where the group runs, by group and pool."""
    import numpy as np

    classes = sorted({name for group in groups for name in group.storage_gib})
    gib = np.array([[g.storage_gib.get(name, 0.0) for name in classes] for g in groups])
    usd = np.array([[storage_price(cluster, name) for cluster, _ in pools] for name in classes])
    shape = (len(classes), len(pools))
    stored: NDArray[np.float64] = gib.reshape(len(groups), shape[0]) @ usd.reshape(shape)
    return stored
