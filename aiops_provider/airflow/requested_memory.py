"""
What an author asks of other executors: the memory in ``executor_config``.

KubernetesExecutor takes a ``pod_override``, the executors of AWS Batch and ECS take arguments of
their API. It is evidence of what a task needs, long before its first run here has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiops_provider.airflow.pod_override import field_of, main_container
from aiops_provider.domain.quantity_text import gib_from_quantity


def requested_memory_gib(executor_config: Mapping[str, Any] | None) -> float | None:
    """
    Memory in GiB that an ``executor_config`` asks for; ``None`` if it says nothing usable.

    Of a container's limit and request the limit counts: it is what the task may use.

    >>> requested_memory_gib({"containerOverrides": {"memory": 2048}})
    2.0
    """
    said = executor_config or {}
    return _of_pod(said) or _of_batch(said) or _of_ecs(said)


def _of_pod(said: Mapping[str, Any]) -> float | None:
    resources = field_of(main_container(said), "resources")
    for kind in ("limits", "requests"):
        found = gib_from_quantity(field_of(field_of(resources, kind), "memory"))
        if found is not None:
            return found
    return None


def _of_batch(said: Mapping[str, Any]) -> float | None:
    overrides = said.get("containerOverrides")
    for need in _listed(field_of(overrides, "resourceRequirements")):
        if field_of(need, "type") == "MEMORY":
            return _gib_of_mib(field_of(need, "value"))
    return _gib_of_mib(field_of(overrides, "memory"))


def _of_ecs(said: Mapping[str, Any]) -> float | None:
    overrides = said.get("overrides")
    for container in _listed(field_of(overrides, "containerOverrides")):
        for field in ("memory", "memoryReservation"):
            found = _gib_of_mib(field_of(container, field))
            if found is not None:
                return found
    return _gib_of_mib(field_of(overrides, "memory"))


def _gib_of_mib(said: Any) -> float | None:
    return gib_from_quantity(f"{said}Mi") if said is not None else None


def _listed(thing: Any) -> Iterable[Any]:
    return thing if isinstance(thing, (list, tuple)) else ()
