"""What a user may say under ``options`` of a cluster, validated like everything else in aiops.yaml."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aiops_provider.domain.cluster import ClusterSpec


class StockOptions(BaseModel):
    """Options that every kind has whose jobs are sent by an executor of the host's own."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    configuration: dict[str, dict[str, str | int | float | bool]] = Field(
        default_factory=dict,
        description="Settings of the host's executor for this cluster alone, by section and key.",
    )


class RemoteJobOptions(BaseModel):
    """Options that every kind has whose jobs are sent to a cloud's batch service."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    image: str = Field(
        min_length=1, description="Image with Airflow, of which every task's container is made."
    )
    environment: dict[str, str] = Field(
        default_factory=dict, description="Environment variables of every task there."
    )
    limit_memory: bool = Field(
        True, description="False: a task may use its machine's memory above what it is granted."
    )
    max_run_s: int | None = Field(
        None, gt=0, description="The service ends a task that runs longer; default: its own limit."
    )
    pending_timeout_s: float = Field(
        900.0, gt=0, description="A task that has not started within this goes to another cluster."
    )
    poll_period_s: float = Field(5.0, gt=0, description="Pause between two looks at the tasks.")
    log_lines: int = Field(1000, gt=0, description="Lines shown of a task that runs.")


def problems_of(model: type[BaseModel], spec: ClusterSpec) -> list[str]:
    """
    What is wrong with the options of a cluster, one sentence each.

    Args:
        model: What its kind understands.
        spec: The cluster.
    """
    try:
        model.model_validate(dict(spec.options))
    except ValidationError as error:
        return [_sentence(model, detail) for detail in error.errors()]
    return []


def unknown_pools(spec: ClusterSpec, named: Iterable[str]) -> list[str]:
    """
    What is wrong with ``options.pools``, one sentence for each pool that the cluster does not have.

    Args:
        spec: The cluster.
        named: Pools that its options speak of.
    """
    known = {pool.name for pool in spec.pools}
    return [
        f"options.pools.{name}: the cluster has no such pool. Known: {', '.join(sorted(known))}"
        for name in named
        if name not in known
    ]


def _sentence(model: type[BaseModel], detail: object) -> str:
    assert isinstance(detail, dict)  # noqa: S101 - pydantic's ErrorDetails
    field = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        known = ", ".join(sorted(model.model_fields))
        return f"options.{field}: there is no such option. Known: {known}"
    if detail["type"] == "missing":
        meaning = model.model_fields[str(detail["loc"][0])].description
        return f"options.{field}: is missing. {meaning}"
    return f"options.{field}: {detail['msg']} (got {detail['input']!r})"
