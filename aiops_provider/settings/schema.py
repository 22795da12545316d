"""What aiops.yaml may say: every key with its unit, bounds and meaning."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

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
from aiops_provider.settings.mapping_schema import (
    AirflowSettings,
    TeamSettings,
    named_clusters,
)
from aiops_provider.settings.problem import Location, SettingError
from aiops_provider.settings.section import Section

__all__ = ["CapacitySettings", "ClusterSettings", "PoolSettings", "Settings"]

_STORES = frozenset({"sqlite", "postgresql", "postgres"})

Probability = Annotated[float, Field(gt=0, lt=1)]


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

    maximize: Literal["sla"] | None = None
    minimize: Literal["cost"] | None = None
    budget_usd_per_hour: float | None = Field(None, gt=0)
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

    @model_validator(mode="after")
    def _one_direction(self) -> Self:
        if self.maximize and self.minimize:
            raise SettingError(
                "maximize and minimize are both given", at=("minimize",), mend="Keep one of them."
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


class ForecasterSettings(Section):
    """A forecaster of another library that takes part in forecasts of demand."""

    name: str = Field(
        min_length=1,
        description="`statsforecast`, `chronos`, `timesfm`, or one of another package.",
    )
    model: str | None = Field(
        None, description="Which model of it: a name of statsforecast's, or a folder with a model."
    )
    options: dict[str, Any] = Field(default_factory=dict, description="What else it takes.")


class ProfilingSettings(Section):
    """How requests are sized from profiles."""

    failure_cost_factor: float = Field(
        10.0, gt=0, description="Cost of a run killed for memory, in multiples of the run itself."
    )
    history_half_life_days: float = Field(30.0, gt=0, description="Age at which a run counts half.")
    history_half_life_runs: float = Field(
        30.0,
        gt=0,
        description="Later runs after which a run counts half; it counts the less of the two.",
    )
    minimum_runs: int = Field(1, ge=1, description="Finished runs before own history is used.")
    forecasters: tuple[ForecasterSettings, ...] = Field(
        (),
        description="Forecasters that take part in capacity schedules, beside the built-in ones.",
    )


class PlanningSettings(Section):
    """When and how the offline plan is made."""

    period_s: float = Field(3600.0, gt=0, description="Seconds between plans.")
    time_limit_s: float = Field(25.0, gt=0, description="Of the solver.")
    gap_tolerance: float = Field(0.005, ge=0, lt=1, description="Relative gap that is good enough.")
    switching_cost_usd: float = Field(
        0.0, ge=0, description="A new plan must save more than this an hour."
    )
    interference_file: str | None = Field(
        None,
        description="By how much tasks slow one another on one machine (CSV: task, beside, slowdown, "
        "accelerator).",
    )
    most_slowdown: float = Field(
        1.2,
        ge=1,
        description="Tasks that take more than this multiple of their time beside each other share "
        "no reservation.",
    )


class DetectionSettings(Section):
    """How deviations become alarms."""

    period_s: float = Field(60.0, gt=0, description="Seconds between evaluations.")
    false_discovery_rate: Probability = 0.05
    minimum_history: int = Field(8, ge=3, description="Samples of a series before it is judged.")
    history_days: float = Field(400.0, gt=0, description="How far back baselines look.")
    time_zone: str = Field(
        "UTC",
        description="Whose clock says what the same time of another day is, e.g. Europe/Oslo.",
    )
    holidays: str | None = Field(
        None,
        pattern="^[A-Z]{2}(-[A-Z0-9]{1,5})?$",
        description="Country or part of one (NO, DE-BY) whose public holidays are like Sundays.",
    )
    rules_file: str | None = Field(None, description="Expert rules (YAML).")
    quarantine_s: float = Field(3600.0, gt=0, description="How long a quarantine lasts.")
    hold_after_clusters: int = Field(
        3, ge=2, description="A task failing on this many clusters is not failed over any more."
    )
    dry_run: bool = Field(False, description="Decide responses but apply none.")

    @field_validator("time_zone")
    @classmethod
    def _zone_is_known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise SettingError(
                "is no time zone known here",
                value=name,
                mend="Write one such as Europe/Oslo; without zone data: pip install tzdata.",
            ) from error
        return name

    @field_validator("holidays", mode="before")
    @classmethod
    def _norway_is_no_falsehood(cls, code: object) -> object:
        if code is False:
            raise SettingError(
                "is read as `false`, as YAML does with NO", mend='Quote it: holidays: "NO".'
            )
        return code


class RoutingSettings(Section):
    """How the router reacts to failing clusters."""

    refresh_s: float = Field(2.0, gt=0, description="Seconds between looks at the store.")
    probe_period_s: float = Field(2.0, gt=0, description="Seconds between health probes.")
    probe_timeout_s: float = Field(2.0, gt=0)
    breaker_open_s: float = Field(
        30.0, gt=0, description="A lost cluster is tried again after this long."
    )
    choose_again_s: float = Field(
        10.0, gt=0, description="A task that waits for room is placed anew after each of these."
    )
    fence_after_s: float = Field(
        10.0,
        ge=0,
        description="A cluster that is unreachable this long is lost to tasks that say "
        "on_cluster_loss: fence_and_rerun.",
    )
    max_fail_overs: int = Field(3, ge=0, description="Other clusters tried for one try of a task.")
    wait_for_saving: float = Field(
        0.1,
        ge=0,
        le=1,
        description="A task with a deadline waits for a cheaper cluster, as long as the deadline "
        "allows, if that is expected to save this share of its cost; 1: no task waits.",
    )
    move_running: bool = Field(
        True,
        description="Move running tasks that write checkpoints to a cheaper cluster that has room "
        "again (so far in `aiops simulate` only).",
    )
    move_restart_s: float = Field(
        60.0, ge=0, description="Until a moved task is as far again as its last checkpoint."
    )


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
