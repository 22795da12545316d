"""The part of aiops.yaml that says which clusters a name of the host, or a team, stands for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from aiops_provider.settings.problem import Location
from aiops_provider.settings.section import Section


def _one_name_is_a_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


ClusterNames = Annotated[
    tuple[str, ...],
    BeforeValidator(_one_name_is_a_list),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ]
        }
    ),
]
"""One name, or a list of them."""


class AirflowSettings(Section):
    """What existing DAGs mean by ``queue=`` and ``executor=``."""

    queues: dict[str, ClusterNames] = Field(
        default_factory=dict,
        description="Cluster, or list of clusters, by queue; empty: queues mean nothing.",
    )
    executors: dict[str, ClusterNames] = Field(
        default_factory=dict,
        description="Cluster, or list of clusters, by the executor's name in DAGs.",
    )


class TeamSettings(Section):
    """What one team may use."""

    clusters: ClusterNames = Field(
        description="The only clusters it may use, or one; the first is its fallback."
    )
    dags: tuple[str, ...] = Field(
        (),
        description="Its DAGs, `*` and `?` allowed; with [core] multi_team Airflow tells them.",
    )


def named_clusters(
    airflow: AirflowSettings, teams: dict[str, TeamSettings]
) -> Iterator[tuple[Location, str]]:
    """Every name of a cluster in these sections, with where it stands."""
    for section, mapping in (("queues", airflow.queues), ("executors", airflow.executors)):
        for name, clusters in mapping.items():
            for cluster in clusters:
                yield ("airflow", section, name), cluster
    for team, settings in teams.items():
        for cluster in settings.clusters:
            yield ("teams", team, "clusters"), cluster
