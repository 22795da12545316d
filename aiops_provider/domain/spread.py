"""What the user says about the failure domains that instances may share."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from aiops_provider.domain.described import Described
from aiops_provider.domain.separation import (
    AntiAffinityRule,
    FailureDomain,
    SpreadRule,
    Strictness,
)
from aiops_provider.domain.task import TaskKey


class Spread(Described):
    """Over how many failure domains the instances of a task are spread."""

    domain: FailureDomain = Field(
        FailureDomain.CLUSTER, description="What fails as one: cluster, region or provider."
    )
    at_least: int = Field(
        2, ge=2, description="Domains; none holds more than one part in so many of the instances."
    )
    strictness: Strictness = Field(
        Strictness.REQUIRED,
        description="required: it rather waits than breaks this; preferred: it rather runs.",
    )

    def to_domain(self) -> SpreadRule:
        """The same as a rule of a profile."""
        return SpreadRule(domain=self.domain, at_least=self.at_least, strictness=self.strictness)


class AntiAffinity(Described):
    """Tasks that an instance of this one must share no failure domain with."""

    tasks: tuple[str, ...] = Field(
        min_length=1, description="namespace/name each, such as DAG id and task id."
    )
    domain: FailureDomain = Field(
        FailureDomain.CLUSTER, description="What fails as one: cluster, region or provider."
    )
    strictness: Strictness = Field(
        Strictness.REQUIRED,
        description="required: it rather waits than breaks this; preferred: it rather runs.",
    )

    @model_validator(mode="after")
    def _tasks_have_names(self) -> Self:
        for name in self.tasks:
            if not all(name.partition("/")[::2]):
                raise ValueError(
                    f"anti_affinity.tasks has {name!r}: write namespace/name, such as medical/train"
                )
        return self

    def to_domain(self) -> AntiAffinityRule:
        """The same as a rule of a profile."""
        return AntiAffinityRule(
            domain=self.domain,
            tasks=tuple(sorted({TaskKey.parse(name) for name in self.tasks})),
            strictness=self.strictness,
        )
