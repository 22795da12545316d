"""The ``pod_override`` of an ``executor_config``, whether a ``V1Pod`` or the same as a dictionary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiops_provider.control.kubernetes_pods import CONTAINER


def main_container(executor_config: Mapping[str, Any] | None) -> Any:
    """
    The container in which KubernetesExecutor runs the task; ``None`` if nothing is said of it.

    Args:
        executor_config: Of a task. One container without a name is that one: the template names it.
    """
    pod = field_of((executor_config or {}).get("pod_override"), "spec")
    containers = field_of(pod, "containers")
    if not isinstance(containers, (list, tuple)):
        return None
    mains = [one for one in containers if (field_of(one, "name") or CONTAINER) == CONTAINER]
    return mains[0] if mains else None


def field_of(thing: Any, name: str) -> Any:
    """A field, by its key or as an attribute; ``None`` if there is none."""
    return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
