"""Where instances of a task and of those it is kept apart from are now, and what that stands against."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.separation import FailureDomain, SpreadRule, Strictness
from aiops_provider.domain.task import TaskKey
from aiops_provider.placement.places import Obstacle


@dataclass(frozen=True, slots=True)
class Neighbour:
    """
    A task that another is kept apart from.

    Attributes:
        task: Which.
        clusters: Names of those where instances of it are booked.
        domain: What they share none of.
        strictness: Whether the other rather waits than breaks it.
    """

    task: TaskKey
    clusters: frozenset[str]
    domain: FailureDomain
    strictness: Strictness


@dataclass(frozen=True, slots=True)
class LiveInstances:
    """
    What is booked now, waiting or running, that a route must look at to keep instances apart.

    Attributes:
        own: Instances of the task by name of the cluster, without the one to be placed.
        neighbours: Those it is kept apart from, whoever of both said so.
    """

    own: Mapping[str, int] = field(default_factory=dict)
    neighbours: tuple[Neighbour, ...] = ()


Crowded = Mapping[str, tuple[Obstacle, str]]
"""What speaks against a cluster because of what runs in its domain, and in words, by its name."""

NOT_CROWDED: Crowded = {}


def crowded_clusters(
    spread: SpreadRule | None, instances: LiveInstances, clusters: Sequence[ClusterSpec]
) -> Crowded:
    """
    Clusters in domains that hold their part of a task already, or what it is kept apart from.

    One more instance makes n of them; a domain may hold the n-th part of these, rounded up, so that
    as many domains as wanted always have one with room.

    Args:
        spread: Of the task.
        instances: As booked now.
        clusters: All of them.
    """
    found: dict[str, tuple[Obstacle, str]] = {}
    if spread is not None:
        _note(found, spread.strictness, _full_domains(spread, instances.own, clusters))
    for other in instances.neighbours:
        domains = {
            cluster.failure_domain(other.domain)
            for cluster in clusters
            if cluster.name in other.clusters
        }
        there = (
            (cluster.name, f"it shares a {other.domain} with {other.task}, which runs there")
            for cluster in clusters
            if cluster.failure_domain(other.domain) in domains
        )
        _note(found, other.strictness, there)
    return found


def _full_domains(
    spread: SpreadRule, own: Mapping[str, int], clusters: Sequence[ClusterSpec]
) -> Iterable[tuple[str, str]]:
    held: dict[str, int] = {}
    for cluster in clusters:
        domain = cluster.failure_domain(spread.domain)
        held[domain] = held.get(domain, 0) + own.get(cluster.name, 0)
    # Of clusters that are no longer configured instances may still run.
    running = math.fsum(own.values())
    most = spread.most(int(running) + 1)
    for cluster in clusters:
        domain = cluster.failure_domain(spread.domain)
        if held[domain] + 1 > most:
            yield (
                cluster.name,
                f"{spread.domain} {domain} holds {held[domain]} of {running:g} instances, which are "
                f"to be spread over {spread}",
            )


def _note(
    found: dict[str, tuple[Obstacle, str]],
    strictness: Strictness,
    reasons: Iterable[tuple[str, str]],
) -> None:
    """The worst counts, of equals the first."""
    required = strictness is Strictness.REQUIRED
    level = Obstacle.SEPARATED if required else Obstacle.CROWDED
    for name, why in reasons:
        known = found.get(name)
        if known is None or level > known[0]:
            found[name] = (level, why)
