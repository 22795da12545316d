"""The kinds of cluster that are installed, found by entry point ``aiops_provider.clusters``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiops_provider.clusters.job_client import JobClient
from aiops_provider.clusters.plug_ins import PlugIns
from aiops_provider.clusters.remote_jobs import RemoteJobClient
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.errors import ConfigurationError


class OpenCluster(Protocol):
    """Makes the client of a cluster; connects to nothing before ``start()``."""

    def __call__(
        self,
        spec: ClusterSpec,
        *,
        preload: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        most_at_once: int | None = None,
    ) -> JobClient:
        """
        Make the client.

        Args:
            spec: The cluster as configured.
            preload: Modules worth importing once rather than in every job.
            environment: Environment variables of every job.
            most_at_once: Jobs that run at a time, others wait on the cluster; ``None``: any number.
        """


class OpenRemote(Protocol):
    """Makes the client of a cloud's batch service; connects to nothing yet."""

    def __call__(
        self, spec: ClusterSpec, *, timeout_s: float, secret: Mapping[str, Any] | None = None
    ) -> RemoteJobClient:
        """
        Make the client.

        Args:
            spec: The cluster as configured.
            timeout_s: What one request may take.
            secret: Credentials from a connection of the host, as the kind understands them;
                ``None``: those that the options name, or those around this process.
        """


class OpenProbe(Protocol):
    """Makes the function that asks a cluster whether it answers; connects to nothing yet."""

    def __call__(self, spec: ClusterSpec, *, timeout_s: float) -> Callable[[], None]:
        """
        Make the probe.

        Args:
            spec: The cluster, with every option that it needs to be reached.
            timeout_s: What one question may take.

        Returns:
            A function that one thread calls again and again. It raises
            :class:`~aiops_provider.errors.ClusterUnreachableError`, saying why, unless the cluster
            answered and could take work.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterKind:
    """
    A way of talking to clusters; an entry point names an object of this class.

    Attributes:
        name: What ``kind:`` says in aiops.yaml.
        validate: What is wrong with a spec, one sentence each that names field and mend.
        open: Makes the client; ``None`` for kinds whose jobs are sent by a host's own means.
        open_remote: Makes the client of a service that keeps jobs by itself; ``None`` for others.
        open_probe: Makes the health probe; ``None`` where the client probes by itself.
    """

    name: str
    validate: Callable[[ClusterSpec], list[str]]
    open: OpenCluster | None = None
    open_remote: OpenRemote | None = None
    open_probe: OpenProbe | None = None


KINDS = PlugIns(
    group="aiops_provider.clusters",
    made=ClusterKind,
    noun="kind of cluster",
    field="kind",
    built_in={
        "local": "aiops_provider.clusters.local:KIND",
        "celery": "aiops_provider.clusters.celery:KIND",
        "aws_batch": "aiops_provider.clusters.aws_batch:KIND",
        "aws_ecs": "aiops_provider.clusters.aws_ecs:KIND",
        "kubernetes": "aiops_provider.clusters.kubernetes:KIND",
        "google_batch": "aiops_provider.clusters.google_batch:KIND",
        "azure_batch": "aiops_provider.clusters.azure_batch:KIND",
    },
)


def kind_names() -> tuple[str, ...]:
    """Names of all kinds that are installed, sorted; imports none of them."""
    return KINDS.names()


def cluster_kind(name: str) -> ClusterKind:
    """
    The kind of that name.

    Raises:
        ConfigurationError: If there is none, it cannot be imported, or it is no ClusterKind.
    """
    return KINDS.load(name)


def open_cluster(
    spec: ClusterSpec,
    *,
    preload: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    most_at_once: int | None = None,
) -> JobClient:
    """
    The client of a cluster, not started yet.

    Raises:
        ConfigurationError: If its kind is unknown or says that the spec cannot work.
    """
    kind = _valid_kind(spec)
    if kind.open is None:
        raise ConfigurationError(
            "clusters of this kind take no jobs from here",
            field=f"clusters.{spec.name}.kind",
            value=spec.kind,
            mend="Only a host that has an executor or worker for it can send work there",
        )
    if most_at_once is None:
        return kind.open(spec, preload=preload, environment=environment)
    return kind.open(spec, preload=preload, environment=environment, most_at_once=most_at_once)


def open_remote(
    spec: ClusterSpec, *, timeout_s: float, secret: Mapping[str, Any] | None = None
) -> RemoteJobClient:
    """
    The client of a cloud's batch service; see :class:`OpenRemote`.

    Raises:
        ConfigurationError: If its kind is unknown, is no such service, or the spec cannot work.
    """
    kind = _valid_kind(spec)
    if kind.open_remote is None:
        raise ConfigurationError(
            "clusters of this kind keep no jobs by themselves",
            field=f"clusters.{spec.name}.kind",
            value=spec.kind,
        )
    return kind.open_remote(spec, timeout_s=timeout_s, secret=secret)


def open_probe(spec: ClusterSpec, *, timeout_s: float) -> Callable[[], None]:
    """
    The health probe of a cluster; see :class:`OpenProbe`.

    Raises:
        ConfigurationError: If its kind is unknown, has no probe, or the spec cannot work.
    """
    kind = _valid_kind(spec)
    if kind.open_probe is None:
        raise ConfigurationError(
            "clusters of this kind have no probe",
            field=f"clusters.{spec.name}.kind",
            value=spec.kind,
        )
    return kind.open_probe(spec, timeout_s=timeout_s)


def _valid_kind(spec: ClusterSpec) -> ClusterKind:
    kind = cluster_kind(spec.kind)
    problems = kind.validate(spec)
    if problems:
        raise ConfigurationError("; ".join(problems), field=f"clusters.{spec.name}")
    return kind
