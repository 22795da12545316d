"""What every group needs in every hour, as a table, with like hours taken together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aiops_provider.domain.plan import WorkloadGroup

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESOURCES = 3
"""Cores, GiB, accelerators."""


def distinct_slots(
    groups: Sequence[WorkloadGroup],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Demand by resource, group and distinct slot, and how often each of these slots occurs."""
    import numpy as np

    series = [(g.cores_by_slot, g.memory_gib_by_slot, _accelerators(g)) for g in groups]
    slots = max((len(values) for each in series for values in each), default=1)
    demand = np.empty((RESOURCES, len(groups), slots))
    for number, each in enumerate(series):
        for resource, values in enumerate(each):
            demand[resource, number] = values  # one entry stands for all slots
    flat = np.ascontiguousarray(demand.reshape(-1, slots).T)
    _, first, counts = np.unique(
        flat.view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1]))).ravel()
        if flat.size
        else np.zeros(slots),
        return_index=True,
        return_counts=True,
    )
    order = np.argsort(first)
    return np.ascontiguousarray(demand[:, :, first[order]]), counts[order].astype(np.float64)


def _accelerators(group: WorkloadGroup) -> tuple[float, ...]:
    return group.accelerators_by_slot if group.request.accelerators else (0.0,)
