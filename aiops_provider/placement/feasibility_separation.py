"""Whether a plan spreads groups over failure domains and keeps them apart as they require."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from fractions import Fraction

from aiops_provider.domain.plan import PlacementPlan
from aiops_provider.domain.separation import Strictness
from aiops_provider.placement.violation import TOLERANCE, PlacedShare, Violation


def broken_separation(plan: PlacementPlan, placed: Sequence[PlacedShare]) -> Iterator[Violation]:
    """Domains with more than their part of a group, or with two groups that share none."""
    lines: dict[str, list[PlacedShare]] = defaultdict(list)
    for line in placed:
        lines[line.group.name].append(line)
    yield from _uneven(lines)
    yield from _together(plan, lines)


def _uneven(lines: dict[str, list[PlacedShare]]) -> Iterator[Violation]:
    for name, own in sorted(lines.items()):
        rule = own[0].group.spread
        if rule is None or rule.strictness is not Strictness.REQUIRED:
            continue
        held: dict[str, Fraction] = defaultdict(Fraction)
        for line in own:
            held[line.cluster.failure_domain(rule.domain)] += Fraction(line.given.share)
        most = sum(held.values(), Fraction(0)) / rule.at_least
        for domain, share in sorted(held.items()):
            if share > most + TOLERANCE:
                yield Violation(
                    kind="spread",
                    subject=name,
                    limit=float(most),
                    value=float(share),
                    sentence=f"{name} is to be spread over {rule}; {domain} has "
                    f"{float(share):.4%} of it, {float(most):.4%} are allowed.",
                )


def _together(plan: PlacementPlan, lines: dict[str, list[PlacedShare]]) -> Iterator[Violation]:
    holder = {task: group.name for group in plan.groups for task in group.tasks}
    for name, own in sorted(lines.items()):
        for rule in own[0].group.anti_affinity:
            if rule.strictness is not Strictness.REQUIRED:
                continue
            here = {line.cluster.failure_domain(rule.domain) for line in own}
            for other in sorted({holder[task] for task in rule.tasks if task in holder} - {name}):
                there = {line.cluster.failure_domain(rule.domain) for line in lines.get(other, ())}
                for domain in sorted(here & there):
                    yield Violation(
                        kind="anti-affinity",
                        subject=name,
                        limit=f"no {rule.domain} with {other}",
                        value=domain,
                        sentence=f"{name} and {other} are to share no {rule.domain}; both are in "
                        f"{domain}.",
                    )
