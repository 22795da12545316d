"""What the ``pod_override`` of a task written for KubernetesExecutor asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiops_provider.airflow.pod_override import field_of, main_container
from aiops_provider.domain.quantity_text import gib_from_quantity, number_from_quantity
from aiops_provider.domain.workload import Generic


def pod_request(executor_config: Mapping[str, Any] | None) -> Generic | None:
    """
    The cores and the memory that its container asks for, as a description; ``None``: nothing said.

    Limits stand in for requests that are left out, as Kubernetes does it.

    Args:
        executor_config: Of a task.
    """
    resources = field_of(main_container(executor_config), "resources")
    asked = {**(field_of(resources, "limits") or {}), **(field_of(resources, "requests") or {})}
    cores = number_from_quantity(asked.get("cpu"))
    memory_gib = gib_from_quantity(asked.get("memory"))
    return Generic(cores=cores, memory_gib=memory_gib) if cores or memory_gib else None
