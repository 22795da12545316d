"""Which groups of a placement problem are spread over failure domains or kept apart from others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.plan import WorkloadGroup
from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.domain.separation import (
    AntiAffinityRule,
    FailureDomain,
    SpreadRule,
    Strictness,
)
from aiops_provider.domain.task import TaskKey


@dataclass(frozen=True, slots=True)
class Separation:
    """
    What holds between groups and failure domains.

    Attributes:
        spreads: Rule by index of the group.
        pairs: Indices of two groups that share no domain, and of which kind, each pair once.
    """

    spreads: Mapping[int, SpreadRule] = field(default_factory=dict)
    pairs: tuple[tuple[int, int, FailureDomain], ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be kept."""
        return not self.spreads and not self.pairs

    def concerned(self) -> frozenset[int]:
        """Indices of the groups that any rule is about."""
        return frozenset({*self.spreads, *(index for pair in self.pairs for index in pair[:2])})


def separation_of(
    groups: Sequence[WorkloadGroup], freed: Collection[str] = frozenset()
) -> Separation:
    """
    The rules of groups, whether required or preferred.

    Args:
        groups: In the order that indices count.
        freed: Names of groups whose rules are ignored, as are those of others about them.
    """
    spreads = {
        number: group.spread
        for number, group in enumerate(groups)
        if group.spread is not None and group.name not in freed
    }
    if not any(group.anti_affinity for group in groups):
        return Separation(spreads)
    of_task = {task: number for number, group in enumerate(groups) for task in group.tasks}
    pairs: set[tuple[int, int, FailureDomain]] = set()
    for number, group in enumerate(groups):
        for rule in group.anti_affinity:
            for task in rule.tasks:
                other = of_task.get(task, number)
                if other != number and not {group.name, groups[other].name} & {*freed}:
                    pairs.add((min(number, other), max(number, other), rule.domain))
    return Separation(spreads, tuple(sorted(pairs)))


def too_few_domains(rule: SpreadRule, clusters: Collection[ClusterSpec]) -> str | None:
    """Why a group cannot be spread over the clusters that may and can hold it, or ``None``."""
    count = len({cluster.failure_domain(rule.domain) for cluster in clusters})
    if count >= rule.at_least:
        return None
    return f"it is to be spread over {rule}, and {count} may and can hold it"


def by_domain(
    domain: FailureDomain, clusters: Sequence[ClusterSpec], numbers: Sequence[int]
) -> dict[str, list[int]]:
    """
    Numbers by the domain of their clusters.

    Args:
        domain: What fails as one.
        clusters: One for each number.
        numbers: Of options or pools.
    """
    found: dict[str, list[int]] = {}
    for cluster, number in zip(clusters, numbers, strict=True):
        found.setdefault(cluster.failure_domain(domain), []).append(number)
    return found


def without_preferences(groups: Sequence[WorkloadGroup]) -> tuple[WorkloadGroup, ...]:
    """The same groups with what they only prefer left out."""
    return tuple(
        replace(group, spread=_required(group.spread), anti_affinity=tuple(_binding(group)))
        if any(rule.strictness is Strictness.PREFERRED for rule in _rules(group))
        else group
        for group in groups
    )


def partners(profiles: Sequence[WorkloadProfile]) -> dict[TaskKey, tuple[tuple[str, ...], ...]]:
    """
    What each task is kept apart from, whoever of both said so.

    Args:
        profiles: Of all tasks.

    Returns:
        Domain, strictness and name of the other, in order; tasks without any are left out.
    """
    found: dict[TaskKey, set[tuple[str, ...]]] = {}
    for profile in profiles:
        for rule in profile.anti_affinity:
            for other in rule.tasks:
                for one, of in ((profile.task, other), (other, profile.task)):
                    found.setdefault(one, set()).add((rule.domain, rule.strictness, str(of)))
    return {task: tuple(sorted(rules)) for task, rules in found.items()}


def _rules(group: WorkloadGroup) -> Iterator[SpreadRule | AntiAffinityRule]:
    if group.spread is not None:
        yield group.spread
    yield from group.anti_affinity


def _required(rule: SpreadRule | None) -> SpreadRule | None:
    return rule if rule is not None and rule.strictness is Strictness.REQUIRED else None


def _binding(group: WorkloadGroup) -> Iterator[AntiAffinityRule]:
    return (rule for rule in group.anti_affinity if rule.strictness is Strictness.REQUIRED)
