"""What job variables ask of a stock worker's infrastructure: its memory, in each worker's own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiops_provider.domain.quantity_text import gib_from_docker_size, gib_from_quantity

# Work pools of Kubernetes have no variable for memory of their own; these are what people add to the
# job template, the limit first, for it is what a run may use.
_QUANTITIES = ("memory_limit", "memory_request", "memory")
# A bare `memory` is MiB for ECS, whose smallest task on Fargate has 512, and GB for Azure Container
# Instances, whose largest has 240.
_SMALLEST_MIB = 512.0


def requested_memory_gib(values: Mapping[str, Any]) -> float | None:
    """
    Memory in GiB that job variables ask for; ``None`` if they say nothing usable.

    Args:
        values: Job variables as given: ``mem_limit`` of Docker, ``memory`` of ECS, Azure and Cloud
            Run (beside ``memory_unit``), quantities of Kubernetes.

    >>> requested_memory_gib({"memory": 2048}), requested_memory_gib({"mem_limit": "512m"})
    (2.0, 0.5)
    """
    docker = gib_from_docker_size(values.get("mem_limit"))
    if docker is not None:
        return docker
    for name in _QUANTITIES:
        found = _gib(values.get(name), values.get("memory_unit") if name == "memory" else None)
        if found is not None:
            return found
    return None


def _gib(said: Any, unit: Any) -> float | None:
    if said is None:
        return None
    if unit:
        return gib_from_quantity(f"{said}{unit}")
    try:
        amount = float(said)
    except (TypeError, ValueError):
        return gib_from_quantity(said)
    # A whole number of bytes can only be a quantity of Kubernetes: no task has a million GiB.
    if amount >= 2**20:
        return gib_from_quantity(said)
    return gib_from_quantity(f"{said}{'Mi' if amount >= _SMALLEST_MIB else 'Gi'}")
