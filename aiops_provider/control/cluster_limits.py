"""Which clusters a task may use by what its host calls it, and by what its team may use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from aiops_provider.domain.profile import ClusterLimit

if TYPE_CHECKING:
    from aiops_provider.settings.schema import Settings


def cluster_limits(
    settings: Settings,
    *,
    team: str | None = None,
    queue: str | None = None,
    executor: str | None = None,
) -> tuple[ClusterLimit, ...]:
    """
    The limits that aiops.yaml sets for a task.

    A name of a queue or executor that a filled mapping does not have leaves no cluster: its author
    meant a place that is not known here.

    Args:
        settings: With ``teams`` and ``airflow``.
        team: The task's team, if it has one.
        queue: The queue that its author named; ``None``: none, or the host's default.
        executor: The executor that its author named; ``None``: none.
    """
    limits = []
    allowed = settings.teams.get(team or "")
    if allowed is not None:
        names = ", ".join(allowed.clusters)
        reason = f"team {team} may use {names} only"
        limits.append(ClusterLimit(clusters=allowed.clusters, reason=reason, binding=True))
    limits += _mapped("queue", queue, settings.airflow.queues)
    limits += _mapped("executor", executor, settings.airflow.executors)
    return tuple(limits)


def team_of(settings: Settings, namespace: str) -> str | None:
    """The first team of aiops.yaml one of whose patterns a DAG id or flow name matches."""
    for team, said in settings.teams.items():
        if any(fnmatchcase(namespace, pattern) for pattern in said.dags):
            return team
    return None


def _mapped(
    what: str, name: str | None, mapping: Mapping[str, Sequence[str]]
) -> list[ClusterLimit]:
    if name is None or not mapping:
        return []
    clusters = tuple(mapping.get(name, ()))
    reason = f"{what} {name} is mapped to {', '.join(clusters)}"
    if not clusters:
        reason = f"{what} {name} is mapped to no cluster (airflow.{what}s)"
    return [ClusterLimit(clusters=clusters, reason=reason)]
