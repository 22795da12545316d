"""Failure domains, and what a workload says about which of them its instances may share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from aiops_provider.domain.task import TaskKey


class FailureDomain(StrEnum):
    """What fails as one."""

    CLUSTER = "cluster"
    REGION = "region"
    PROVIDER = "provider"


class Strictness(StrEnum):
    """Which wins where a rule cannot be kept: the rule, or that the workload runs."""

    REQUIRED = "required"
    PREFERRED = "preferred"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadRule:
    """
    That no failure domain holds more than its part of a workload's instances.

    Attributes:
        domain: What fails as one.
        at_least: Domains that share the instances, 2 or more; none holds more than one part in so
            many.
        strictness: Whether the workload rather waits than breaks it.
    """

    domain: FailureDomain
    at_least: int
    strictness: Strictness = Strictness.REQUIRED

    def most(self, instances: int) -> int:
        """
        How many of so many instances one domain may hold.

        >>> SpreadRule(domain=FailureDomain.REGION, at_least=2).most(5)
        3
        """
        return -(-instances // self.at_least)

    def __str__(self) -> str:
        return f"at least {self.at_least} {self.domain}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class AntiAffinityRule:
    """
    That a workload shares no failure domain with some others; it holds in both directions.

    Attributes:
        domain: What fails as one.
        tasks: The others.
        strictness: Whether the workload rather waits than breaks it.
    """

    domain: FailureDomain
    tasks: tuple[TaskKey, ...]
    strictness: Strictness = Strictness.REQUIRED
