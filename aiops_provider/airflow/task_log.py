"""
Logs of tasks that run on clusters which keep them themselves, for Airflow's page.

The API server has an executor of its own that is never started. It learns from the store where a try
is, and asks that cluster and no other.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiops_provider.airflow.task_request import task_run
from aiops_provider.errors import AiopsError

if TYPE_CHECKING:
    from aiops_provider.airflow.inner.binding import Binding
    from aiops_provider.control.installation import Installation
    from aiops_provider.domain.cluster import ClusterSpec

log = logging.getLogger(__name__)

_NOTHING: tuple[list[str], list[str]] = ([], [])


class TaskLogs:
    """
    Reads logs of running tasks; safe to call from several threads.

    Args:
        open_installation: Opens the installation; called when a log is first asked for.
    """

    def __init__(self, open_installation: Callable[[], Installation]) -> None:
        self._open = open_installation
        self._lock = threading.Lock()
        self._installation: Installation | None = None
        self._bindings: dict[str, Binding] = {}

    def read(self, ti: Any, try_number: int) -> tuple[list[str], list[str]]:
        """
        Sources and text, both empty where the cluster keeps no logs or nobody knows where the try is.

        Args:
            ti: The task instance, whose try is the one that runs.
            try_number: The try whose log is wanted.
        """
        if try_number != ti.try_number:
            return _NOTHING
        try:
            binding = self._binding_of(ti)
            read_log = getattr(binding, "task_log", None)
            return read_log(ti) if read_log is not None else _NOTHING
        except AiopsError as error:
            log.warning("The log of %s cannot be looked for: %s", ti.id, error)
            return _NOTHING

    def _binding_of(self, ti: Any) -> Binding | None:
        with self._lock:
            if self._installation is None:
                self._installation = self._open()
        store = self._installation.store
        specs = {spec.name: spec for spec in self._installation.clusters if spec.kind != "local"}
        if store is None or not specs:
            return None
        run = task_run(ti)
        placement = store.latest_placements([run]).get(run)
        spec = specs.get(placement.cluster) if placement is not None else None
        return self._made(spec) if spec is not None else None

    def _made(self, spec: ClusterSpec) -> Binding:
        from aiops_provider.airflow.inner.binding import binding_of

        with self._lock:
            if spec.name not in self._bindings:
                binding = binding_of(spec.kind)(spec)
                binding.configure()
                self._bindings[spec.name] = binding
            return self._bindings[spec.name]
