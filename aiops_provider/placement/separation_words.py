"""How plans keep instances apart, in sentences for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.plan import PlacementPlan, WorkloadGroup
from aiops_provider.domain.separation import Strictness
from aiops_provider.placement.problem import PlacementProblem

_LISTED = 5


def separation_kept(problem: PlacementProblem, shares: Sequence[float]) -> Iterator[str]:
    """How groups are spread over their domains, and which are kept apart; five of each."""
    for number, rule in list(problem.separation.spreads.items())[:_LISTED]:
        held: dict[str, float] = {}
        for i in problem.options_of[number]:
            if shares[i] > 0:
                domain = problem.options[i].cluster.failure_domain(rule.domain)
                held[domain] = held.get(domain, 0.0) + shares[i]
        if held:
            parts = ", ".join(f"{name} {share:.0%}" for name, share in sorted(held.items()))
            yield f"{problem.groups[number].name} is spread over {rule}: {parts}."
    if len(problem.separation.spreads) > _LISTED:
        yield f"{len(problem.separation.spreads) - _LISTED} more groups are spread as they say."
    for one, other, domain in problem.separation.pairs[:_LISTED]:
        names = f"{problem.groups[one].name} and {problem.groups[other].name}"
        yield f"{names} share no {domain}."
    if len(problem.separation.pairs) > _LISTED:
        yield f"{len(problem.separation.pairs) - _LISTED} more pairs of groups are kept apart."


def separation_of_group(problem: PlacementProblem, name: str) -> Iterator[str]:
    """What a group is kept apart by, as what its name could be followed with."""
    number = next(n for n, group in enumerate(problem.groups) if group.name == name)
    rule = problem.separation.spreads.get(number)
    if rule is not None:
        yield f"is spread over {rule}"
    for one, other, domain in problem.separation.pairs:
        if number in (one, other):
            partner = problem.groups[other if number == one else one].name
            yield f"shares no {domain} with {partner}"


def preferences_given_up(
    plan: PlacementPlan, wanted: Sequence[WorkloadGroup], clusters: Sequence[ClusterSpec]
) -> Iterator[str]:
    """
    What groups would prefer and the plan does not keep, as not everything would have a place.

    Args:
        plan: That was made without preferences.
        wanted: The groups with them.
        clusters: Where.
    """
    by_name = {cluster.name: cluster for cluster in clusters}
    shares: dict[str, list[tuple[ClusterSpec, float]]] = {}
    for each in plan.assignments:
        shares.setdefault(each.group, []).append((by_name[each.cluster], each.share))
    group_of = {task: group.name for group in wanted for task in group.tasks}
    reason = "more of the SLA weight has a place without that"
    for group in sorted(wanted, key=lambda group: group.name):
        rule, places = group.spread, shares.get(group.name, [])
        if rule is not None and rule.strictness is Strictness.PREFERRED and places:
            held: dict[str, float] = {}
            for cluster, share in places:
                name = cluster.failure_domain(rule.domain)
                held[name] = held.get(name, 0.0) + share
            if max(held.values()) > sum(held.values()) / rule.at_least * (1 + 1e-6):
                yield f"{group.name} is not spread over {rule} as it prefers: {reason}."
        for apart in group.anti_affinity:
            if apart.strictness is Strictness.REQUIRED:
                continue
            own = {cluster.failure_domain(apart.domain) for cluster, _ in places}
            others = {group_of[task] for task in apart.tasks if task in group_of} - {group.name}
            for other in sorted(others):
                there = {c.failure_domain(apart.domain) for c, _ in shares.get(other, [])}
                if own & there:
                    where = ", ".join(sorted(own & there))
                    yield f"{group.name} shares {where} with {other}, which it prefers not: {reason}."
