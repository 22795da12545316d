"""All clusters of one executor, each behind what its kind needs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiops_provider.airflow.inner.cluster import InnerCluster, News, Orphan
from aiops_provider.domain.cluster import ClusterHealth, ClusterSpec, HealthState
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import ClusterError, ClusterUnreachableError

if TYPE_CHECKING:
    from aiops_provider.settings.engine_schema import RoutingSettings

log = logging.getLogger(__name__)


class AbsentCluster:
    """
    Stands for a cluster that cannot be used on this machine, and says why.

    Args:
        spec: The cluster.
        reason: One sentence.
    """

    accepting = False
    busy = False
    queues_ahead = False
    room = None
    outlives_scheduler = True

    def __init__(self, spec: ClusterSpec, reason: str) -> None:
        self.spec = spec
        self._reason = reason

    def start(self) -> None:
        """Nothing can be started."""

    def submit(self, workload: Any, decision: Any, environment: Mapping[str, str]) -> None:  # noqa: ARG002
        """Raise ClusterUnreachableError."""
        raise ClusterUnreachableError(self._reason)

    def poll(self) -> Sequence[News]:
        """Nothing ever happens here."""
        return ()

    def probe(self) -> ClusterHealth:
        """Unreachable, with the reason."""
        return ClusterHealth(
            cluster=self.spec.name,
            state=HealthState.UNREACHABLE,
            observed_at=utc_now(),
            detail=self._reason,
        )

    def cancel(self, key: Any) -> None:
        """Nothing is here."""

    def waiting(self) -> Sequence[Any]:
        """Nothing is here."""
        return ()

    def withdraw(self) -> Sequence[Any]:
        """Nothing is here."""
        return ()

    def adopt(self, orphans: Sequence[Orphan]) -> None:
        """Held: an earlier scheduler could reach the cluster, and its tasks may be running."""
        log.warning("Cluster %s: %d tasks are held: %s", self.spec.name, len(orphans), self._reason)

    def stop(self, grace_s: float) -> None:
        """Nothing is here."""


class Fleet(Mapping[str, InnerCluster]):
    """
    The clusters by name.

    Args:
        clusters: In the order of aiops.yaml.
    """

    def __init__(self, clusters: Sequence[InnerCluster]) -> None:
        self._clusters = {cluster.spec.name: cluster for cluster in clusters}

    @classmethod
    def of(
        cls,
        specs: Sequence[ClusterSpec],
        *,
        routing: RoutingSettings,
        scratch: Path,
        prepare: Callable[[Any], None],
        parallelism: int | None = None,
    ) -> Fleet:
        """
        Make the clusters; nothing is started or imported that a cluster does not need.

        Args:
            specs: As configured.
            routing: Periods and time limits.
            scratch: Folder for what local clusters note.
            prepare: Called with each new inner executor, on its thread, before it is started.
            parallelism: How much runs at a time. The only cluster, if it is local, may be sent as
                much again, as Airflow's own local executor does; with more of them, what waits is
                still placed anew. ``None``: nothing is sent ahead.
        """
        ahead = parallelism if len(specs) == 1 else None
        return cls(
            [
                _local(spec, routing, scratch, ahead)
                if spec.kind == "local"
                else _remote(spec, routing, prepare)
                for spec in specs
            ]
        )

    def __getitem__(self, name: str) -> InnerCluster:
        return self._clusters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._clusters)

    def __len__(self) -> int:
        return len(self._clusters)

    def start_local(self) -> None:
        """Start the pools: they fork, so this comes before any thread."""
        for cluster in self._clusters.values():
            if not cluster.outlives_scheduler:
                cluster.start()

    def start_remote(self) -> None:
        """Start the threads of all other clusters."""
        for cluster in self._clusters.values():
            if cluster.outlives_scheduler:
                cluster.start()

    @property
    def busy(self) -> bool:
        """Whether work is under way that would die with this process."""
        return any(cluster.busy for cluster in self._clusters.values())

    def stop(self, grace_s: float) -> None:
        """Let go of all clusters at once, so that one that hangs does not delay the others."""
        if not self._clusters:
            return
        with ThreadPoolExecutor(max_workers=len(self._clusters)) as stopping:
            for cluster in self._clusters.values():
                stopping.submit(_stop, cluster, grace_s)


def _local(
    spec: ClusterSpec, routing: RoutingSettings, scratch: Path, most_at_once: int | None
) -> InnerCluster:
    from aiops_provider.airflow.inner.local import LocalCluster

    return LocalCluster(
        spec,
        scratch=scratch,
        reopen_s=routing.breaker_open_s,
        probe_timeout_s=routing.probe_timeout_s,
        most_at_once=most_at_once,
    )


def _remote(
    spec: ClusterSpec, routing: RoutingSettings, prepare: Callable[[Any], None]
) -> InnerCluster:
    from aiops_provider.airflow.inner.binding import binding_of
    from aiops_provider.airflow.inner.health_probe import HealthProbe
    from aiops_provider.airflow.inner.runner import ClusterRunner

    try:
        binding = binding_of(spec.kind)(spec)
        binding.configure()
        check = binding.probe(routing.probe_timeout_s)
    except Exception as error:
        # One cluster that cannot be had must not keep the scheduler from the others.
        log.exception("Cluster %s cannot be used", spec.name)
        return AbsentCluster(spec, f"it cannot be used: {error}")
    probe = HealthProbe(
        spec.name, check, period_s=routing.probe_period_s, timeout_s=routing.probe_timeout_s
    )
    return ClusterRunner(spec, binding, probe, prepare=prepare)


def _stop(cluster: InnerCluster, grace_s: float) -> None:
    try:
        cluster.stop(grace_s)
    except ClusterError:
        log.warning("Cluster %s did not end cleanly", cluster.spec.name, exc_info=True)
