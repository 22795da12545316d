"""What a user may say under ``options`` of a cluster, validated like everything else in aiops.yaml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aiops_provider.domain.cluster import ClusterSpec


class StockOptions(BaseModel):
    """Options that every kind has whose jobs are sent by an executor of the host's own."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    configuration: dict[str, dict[str, str | int | float | bool]] = Field(
        default_factory=dict,
        description="Settings of the host's executor for this cluster alone, by section and key.",
    )


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
