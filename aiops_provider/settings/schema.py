"""What aiops.yaml may say: every key with its unit, bounds and meaning."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from aiops_provider.catalog.catalog import Catalog
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.plan import Mode, Objective
from aiops_provider.errors import DataError
from aiops_provider.settings.catalog_schema import CatalogSettings
from aiops_provider.settings.cluster_schema import (
    CapacitySettings,
    ClusterSettings,
    PoolSettings,
    first_repeated,
)
from aiops_provider.settings.engine_schema import (
    DetectionSettings,
    PlanningSettings,
    ProfilingSettings,
    RoutingSettings,
)
from aiops_provider.settings.mapping_schema import (
    AirflowSettings,
    TeamSettings,
    named_clusters,
)
from aiops_provider.settings.problem import Location, SettingError
from aiops_provider.settings.section import Section

__all__ = ["CapacitySettings", "ClusterSettings", "PoolSettings", "Settings"]

_STORES = frozenset({"sqlite", "postgresql", "postgres"})


def _or_one_word(schema: dict[str, Any]) -> None:
    """In the JSON Schema of ``mode``: one word is as good as the section."""
    section = schema.pop("$ref", None)
    if section is not None:
        schema["anyOf"] = [{"enum": [mode.value for mode in Mode]}, {"$ref": section}]


class ModeSettings(Section):
    """How far the layer may go, by DAG, by team, by share of the tasks."""

    default: Mode = Mode.OBSERVE
    dags: dict[str, Mode] = Field(default_factory=dict, description="By DAG id or flow name.")
    teams: dict[str, Mode] = Field(default_factory=dict, description="By team.")
    enforce_percentage: float = Field(
        100.0, ge=0, le=100, description="Share of the tasks in mode enforce that really are."
    )


class ObjectiveSettings(Section):
    """What the plan is for: ``{maximize: sla}`` or ``{minimize: cost, sla: 0.99}``."""

    maximize: Literal["sla"] | None = Field(
        None,
        description="sla: the most within capacity and budget and, of the plans that reach as much, a "
        "cheap one (lexicographic); the default if neither is said.",
    )
    minimize: Literal["cost"] | None = Field(
        None, description="cost: the least that reaches `sla` within capacity and budget."
    )
    budget_usd_per_hour: float | None = Field(
        None, gt=0, description="Upper limit of what a plan spends, mean over the week."
    )
    sla: float = Field(
        0.99, gt=0, le=1, description="SLA-weighted share of the demand that keeps its promises."
    )
    every_workload: bool = Field(
        False,
        description="Count a task only where it keeps its own sla.attainment, and then wholly.",
    )
    carbon_usd_per_kg: float = Field(
        0.0,
        ge=0,
        description="Price put on a kilogram of CO₂ equivalent: it counts in the cost of a plan and "
        "against the budget; 0: emissions decide nothing.",
    )
    max_carbon_kg_per_hour: float | None = Field(
        None,
        gt=0,
        description="Upper limit of what the machines of a plan emit, in kg of CO₂ equivalent an hour, mean "
        "over the week.",
    )

    @model_validator(mode="after")
    def _one_direction(self) -> Self:
        if self.maximize and self.minimize:
            raise SettingError(
                "maximize and minimize are both given",
                at=("minimize",),
                mend="Keep one of them. Of plans that reach as much SLA, `maximize: sla` takes a cheap "
                "one anyway.",
            )
        return self

    def to_domain(self) -> Objective:
        """The same as a domain object."""
        return Objective(
            maximize_sla=self.minimize is None,
            budget_usd_per_hour=self.budget_usd_per_hour,
            sla=self.sla,
            every_workload=self.every_workload,
            carbon_usd_per_kg=self.carbon_usd_per_kg,
            max_carbon_kg_per_hour=self.max_carbon_kg_per_hour,
        )


class ServerSettings(Section):
    """The API that workers report to."""

    url: str | None = Field(None, description="Where workers reach it; default: Airflow's own.")
    host: str = Field("127.0.0.1", description="Address that `aiops server` listens on.")
    port: int = Field(8793, ge=0, le=65535, description="Port; 0: any free one.")
    token_secret: SecretStr | None = Field(
        None, description="Signs the tokens; at least 32 characters."
    )
    clock_tolerance_s: float = Field(
        60.0, ge=0, description="A sample may be this far in the future, for clocks differ."
    )
    max_batch: int = Field(10_000, gt=0, description="Samples or records in one request.")

    @field_validator("token_secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value()) < 32:
            raise SettingError(
                "is shorter than 32 characters", mend="`aiops token secret` makes a good one."
            )
        return secret


class Settings(Section):
    """The whole of aiops.yaml."""

    enabled: bool = Field(True, description="False: every task runs on the fallback cluster.")
    store: SecretStr | None = Field(None, description="SQLAlchemy URL.")
    mode: ModeSettings = Field(
        ModeSettings(default=Mode.ENFORCE),
        description="One word for all tasks, or a section.",
        json_schema_extra=_or_one_word,
    )
    objective: ObjectiveSettings = ObjectiveSettings()
    clusters: tuple[ClusterSettings, ...] = ()
    catalog: CatalogSettings = CatalogSettings()
    fallback_cluster: str | None = Field(
        None, description="Where tasks run when the layer itself fails; default: the first."
    )
    airflow: AirflowSettings = AirflowSettings()
    teams: dict[str, TeamSettings] = Field(
        default_factory=dict, description="Which clusters a team may use, by team."
    )
    server: ServerSettings = ServerSettings()
    profiling: ProfilingSettings = ProfilingSettings()
    planning: PlanningSettings = PlanningSettings()
    detection: DetectionSettings = DetectionSettings()
    routing: RoutingSettings = RoutingSettings()
    run_cycle: bool = Field(
        True, description="Let the scheduler start the process that plans, learns and detects."
    )
    cycle_period_s: float = Field(
        5.0, gt=0, description="Seconds between looks of that process at what has to be done."
    )

    @field_validator("mode", mode="before")
    @classmethod
    def _one_word_is_the_default(cls, value: Any) -> Any:
        return {"default": value} if isinstance(value, str) else value

    @field_validator("store")
    @classmethod
    def _store_is_known(cls, url: SecretStr | None) -> SecretStr | None:
        scheme, separator, _ = url.get_secret_value().partition("://") if url else ("", "", "")
        if url and not (separator and scheme.partition("+")[0] in _STORES):
            raise SettingError(
                "is not the URL of an SQLite or PostgreSQL database",
                mend="Write sqlite:////folder/aiops.db or postgresql+psycopg://user@host/database.",
            )
        return url

    @model_validator(mode="after")
    def _clusters_are_consistent(self) -> Self:
        names = [cluster.name for cluster in self.clusters]
        position = first_repeated(names)
        if position is not None:
            raise SettingError(
                "two clusters have one name",
                at=("clusters", position, "name"),
                value=names[position],
                mend="Give each cluster its own name.",
            )
        known = names or ["local"]
        if self.fallback_cluster is not None and self.fallback_cluster not in known:
            raise SettingError(
                "there is no such cluster",
                at=("fallback_cluster",),
                value=self.fallback_cluster,
                mend=f"Name one of {', '.join(known)}.",
            )
        for at, cluster in named_clusters(self.airflow, self.teams):
            if cluster not in known:
                raise SettingError(
                    "there is no such cluster",
                    at=at,
                    value=cluster,
                    mend=f"Name one of {', '.join(known)}.",
                )
        return self

    @model_validator(mode="after")
    def _machines_are_in_the_catalog(self) -> Self:
        try:
            for at, cluster in enumerate(self.clusters):
                for place, pool in enumerate(cluster.pools):
                    if pool.machine is None and pool.instance_type is not None:
                        where = ("clusters", at, "pools", place, "instance_type")
                        self._look_up(cluster.provider, pool.instance_type, where)
                    if pool.machine is not None:
                        self._check_accelerators(
                            pool.machine.accelerators, ("clusters", at, "pools", place, "machine")
                        )
                if cluster.capacity is not None:
                    self._check_accelerators(
                        cluster.capacity.accelerators, ("clusters", at, "capacity")
                    )
            _ = self.cluster_specs
        except DataError as error:  # a table of the user's folder cannot be used
            raise SettingError(
                f"the catalogue cannot be used: {error}",
                at=("catalog",),
                mend="`aiops catalog refresh` writes it anew; or remove that file.",
            ) from error
        return self

    def _look_up(self, provider: str, name: str, where: Location) -> None:
        if self.open_catalog.find(provider, name) is None:
            raise SettingError(
                f"is no machine type of {provider} that the catalogue knows",
                at=where,
                value=name,
                mend=f"{self.open_catalog.suggestion(provider, name)} Or say what one machine "
                "offers: machine: {cores: 4, memory_gib: 16}.",
            )

    def _check_accelerators(self, names: Iterable[str], within: Location) -> None:
        for name in names:
            if self.open_catalog.accelerator(name) is None:
                raise SettingError(
                    "is no accelerator that the catalogue knows",
                    at=(*within, "accelerators", name),
                    value=name,
                    mend=self.open_catalog.accelerator_suggestion(name),
                )

    @cached_property
    def open_catalog(self) -> Catalog:
        """Machine types, prices and regions as this installation knows them."""
        return self.catalog.open()

    @property
    def cluster_specs(self) -> tuple[ClusterSpec, ...]:
        """The clusters as domain objects; without any, this machine as one local cluster."""
        if not self.clusters:
            return (ClusterSettings(name="local", kind="local").to_domain(self.open_catalog),)
        return tuple(cluster.to_domain(self.open_catalog) for cluster in self.clusters)

    @property
    def fallback(self) -> ClusterSpec:
        """Where tasks run when the layer is off or fails."""
        specs = self.cluster_specs
        wanted = self.fallback_cluster
        return next((spec for spec in specs if spec.name == wanted), specs[0])
