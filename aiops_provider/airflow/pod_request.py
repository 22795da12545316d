"""What the ``pod_override`` of a task written for KubernetesExecutor asks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aiops_provider.domain.workload import Generic

_MAIN_CONTAINER = "base"
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(m|[kKMGTPE]i?)?")
_FACTORS = {
    "": 1.0,
    "m": 1e-3,
    "k": 1e3,
    **{letter: 1000.0**power for power, letter in enumerate("KMGTPE", start=1)},
    **{f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", start=1)},
}


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
        cores, memory = _amount(asked.get("cpu")), _amount(asked.get("memory"))
        if cores or memory:
            return Generic(cores=cores, memory_gib=memory / 1024**3 if memory else None)
    return None


def _at(thing: Any, name: str) -> Any:
    return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)


def _amount(quantity: Any) -> float | None:
    """
    A quantity of Kubernetes as a number; ``None`` if it is none, or not positive.

    >>> _amount("500m"), _amount("2Gi"), _amount(1)
    (0.5, 2147483648.0, 1.0)
    """
    matched = _QUANTITY.fullmatch(str(quantity).strip())
    if matched is None:
        return None
    return float(matched[1]) * _FACTORS[matched[2] or ""] or None
