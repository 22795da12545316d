"""What the ``pod_override`` of a task written for KubernetesExecutor asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiops_provider.domain.quantity_text import gib_from_quantity, number_from_quantity
from aiops_provider.domain.workload import Generic

_MAIN_CONTAINER = "base"


def pod_request(executor_config: Mapping[str, Any] | None) -> Generic | None:
    """
    The cores and the memory that its container asks for, as a description; ``None``: nothing said.

    Limits stand in for requests that are left out, as Kubernetes does it.

    Args:
        executor_config: Of a task; ``pod_override`` is a ``V1Pod`` or the same as a dictionary.
    """
    containers = _at(_at((executor_config or {}).get("pod_override"), "spec"), "containers") or []
    for container in containers:
        if _at(container, "name") != _MAIN_CONTAINER:
            continue
        resources = _at(container, "resources")
        asked = {**(_at(resources, "limits") or {}), **(_at(resources, "requests") or {})}
        cores = number_from_quantity(asked.get("cpu"))
        memory_gib = gib_from_quantity(asked.get("memory"))
        if cores or memory_gib:
            return Generic(cores=cores, memory_gib=memory_gib)
    return None


def _at(thing: Any, name: str) -> Any:
    return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
