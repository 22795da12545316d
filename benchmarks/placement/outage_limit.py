"""What no way to place the jobs can undercut, even with all arrivals and outages known beforehand."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from aiops_provider.domain.units import SECONDS_PER_HOUR
from aiops_provider.placement.replay_task import merged_outages
from benchmarks.placement.outage_cases import GPUS_PER_MACHINE, OutageCase

_SLOT_S = 900.0


def clairvoyant_usd(case: OutageCase) -> float:
    """
    Least cost of all work by its deadlines; a linear program over slots of a quarter of an hour.

    A relaxation: jobs are cut as finely as one likes, move and stop at no cost, and lose nothing.
    No job works on before it has arrived or faster than time; none is behind what its deadline
    still allows; no cluster gives more GPU hours than it had. So every schedule that meets all
    deadlines costs at least this much.

    Returns:
        USD.
    """
    from scipy import sparse
    from scipy.optimize import linprog

    arrived = np.array([task.arrival_s for task in case.tasks])
    duration = np.array([task.duration_s for task in case.tasks])
    gpus = np.array([task.request.accelerators for task in case.tasks], dtype=float)
    due = arrived + np.array([task.deadline_s for task in case.tasks], dtype=float)
    slots = int(np.ceil(due.max() / _SLOT_S))
    ends = np.arange(1, slots + 1) * _SLOT_S
    most, least = np.zeros(slots), np.zeros(slots)
    for start, length, count, end in zip(arrived, duration, gpus, due, strict=True):
        most += count * np.clip(ends - start, 0.0, length)
        least += count * np.clip(length - (end - ends), 0.0, length)
    prices, offered = _offers(case, slots)
    levels = len(prices)
    # Variables: GPU seconds per slot and price, then work done by the end of each slot.
    cost = np.concatenate([np.repeat(prices, slots) / SECONDS_PER_HOUR, np.zeros(slots)])
    one = sparse.identity(slots, format="csr")
    step = one - sparse.eye(slots, k=-1, format="csr")
    rows = sparse.hstack([*[-one] * levels, step], format="csr")
    upper = np.concatenate([*offered, most])
    lower = np.concatenate([np.zeros(levels * slots), np.minimum(least, most)])
    found = linprog(
        cost,
        A_eq=rows,
        b_eq=np.zeros(slots),
        bounds=np.column_stack([lower, upper]),
        method="highs",
    )
    if found.status != 0:
        raise RuntimeError(f"the linear program was not solved: {found.message}")
    return float(found.fun)


def _offers(case: OutageCase, slots: int) -> tuple[list[float], list[np.ndarray]]:
    """Prices per GPU hour, and the GPU seconds that are there at each price in each slot."""
    gone: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(slots))
    edges = np.arange(slots) * _SLOT_S
    for outage in merged_outages(case.outages):
        first, last = int(outage.begin_s // _SLOT_S), int(min(outage.end_s // _SLOT_S + 1, slots))
        part = slice(first, last)
        gone[outage.place[0]][part] += np.clip(
            np.minimum(outage.end_s, edges[part] + _SLOT_S)
            - np.maximum(outage.begin_s, edges[part]),
            0.0,
            _SLOT_S,
        )
    by_price: dict[float, np.ndarray] = {}
    for cluster in case.settings.cluster_specs:
        pool = cluster.pools[0]
        price = (pool.price_usd_per_hour or 0.0) / GPUS_PER_MACHINE
        there = pool.max_instances * GPUS_PER_MACHINE * (_SLOT_S - gone[cluster.name])
        by_price[price] = by_price.get(price, np.zeros(slots)) + there
    ordered = sorted(by_price)
    return ordered, [by_price[price] for price in ordered]
