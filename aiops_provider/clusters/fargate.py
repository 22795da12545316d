"""
The sizes that AWS Fargate offers: memory goes with cores, and nothing lies between.

Source: "Task CPU and memory", Amazon ECS Developer Guide; AWS Batch has the same sizes on Fargate.
"""

from __future__ import annotations

from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.errors import ClusterRefusedError

# Cores; least and most memory and its step, all in GiB. A quarter of a core also comes with half a
# GiB.
_SIZES = (
    (0.25, 0.5, 0.5, 0.5),
    (0.25, 1.0, 2.0, 1.0),
    (0.5, 1.0, 4.0, 1.0),
    (1.0, 2.0, 8.0, 1.0),
    (2.0, 4.0, 16.0, 1.0),
    (4.0, 8.0, 30.0, 1.0),
    (8.0, 16.0, 60.0, 4.0),
    (16.0, 32.0, 120.0, 8.0),
)
_SLACK = 1e-9


def fargate_size(request: ResourceRequest) -> tuple[float, float]:
    """
    The smallest size that holds a request.

    Args:
        request: What a task is granted.

    Returns:
        Cores and GiB.

    Raises:
        ClusterRefusedError: No size does.

    >>> fargate_size(ResourceRequest(cores=0.5, memory_gib=6.2))
    (1.0, 7.0)
    """
    for cores, least, most, step in _SIZES:
        if request.cores > cores + _SLACK or request.memory_gib > most + _SLACK:
            continue
        memory = least
        while memory + _SLACK < request.memory_gib:
            memory += step
        return cores, memory
    raise ClusterRefusedError(
        f"Fargate offers no {request.cores:g} cores with {request.memory_gib:g} GiB"
    )
