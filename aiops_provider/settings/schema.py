"""What aiops.yaml may say: every key with its unit, bounds and meaning."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool, Purchase
from aiops_provider.domain.plan import Mode, Objective

Probability = Annotated[float, Field(gt=0, lt=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class CapacitySettings(_Section):
    """Resources that can be in use at once."""

    cores: float = Field(gt=0, description="CPU cores.")
    memory_gib: float = Field(gt=0, description="Memory in GiB.")
    accelerators: dict[str, Annotated[int, Field(gt=0)]] = Field(
        default_factory=dict, description="Number of GPUs by model, such as {T4: 1}."
    )

    def to_domain(self) -> Capacity:
        """The same as a domain object."""
        return Capacity(
            cores=self.cores, memory_gib=self.memory_gib, accelerators=dict(self.accelerators)
        )


class PoolSettings(_Section):
    """Machines of one type inside a cluster."""

    name: str | None = Field(None, description="Unique in its cluster; default: instance_type.")
    instance_type: str | None = Field(None, description="The provider's name of the machine type.")
    max_instances: int = Field(1, gt=0, description="Machines that may run at once.")
    machine: CapacitySettings | None = Field(
        None, description="What one machine offers; needed where the catalogue lacks the type."
    )
    price_usd_per_hour: float | None = Field(None, ge=0, description="One machine for one hour.")
    purchase: Purchase = Field(Purchase.ON_DEMAND, description="on_demand, spot or reserved.")


class ClusterSettings(_Section):
    """One cluster; keys that only its kind understands stand under ``options``."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$", description="Unique.")
    kind: str = Field(description="local, celery, kubernetes, aws_batch …")
    provider: str = Field("on_premises", description="on_premises, aws, azure, google_cloud …")
    region: str = Field("local", description="The provider's name of the region.")
    capacity: CapacitySettings | None = Field(
        None, description="Whole cluster as one machine; or give pools."
    )
    price_usd_per_hour: float | None = Field(None, ge=0, description="Of `capacity`.")
    pools: tuple[PoolSettings, ...] = ()
    options: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _machines_are_known(self) -> Self:
        if self.capacity is not None and self.pools:
            raise ValueError("capacity and pools are both given; keep one of them")
        if self.capacity is None and not self.pools and self.kind != "local":
            raise ValueError("neither capacity nor pools is given; say what the cluster offers")
        names = [pool.name or pool.instance_type or "default" for pool in self.pools]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"pool {twice[0]!r} is there twice; give each pool its own name")
        return self


class ModeSettings(_Section):
    """How far the layer may go, by DAG, by team, by share of the tasks."""

    default: Mode = Mode.OBSERVE
    dags: dict[str, Mode] = Field(default_factory=dict, description="By DAG id or flow name.")
    teams: dict[str, Mode] = Field(default_factory=dict, description="By team.")
    enforce_percentage: float = Field(
        100.0, ge=0, le=100, description="Share of the tasks in mode enforce that really are."
    )


class ObjectiveSettings(_Section):
    """What the plan is for: ``{maximize: sla}`` or ``{minimize: cost, sla: 0.99}``."""

    maximize: Literal["sla"] | None = None
    minimize: Literal["cost"] | None = None
    budget_usd_per_hour: float | None = Field(None, gt=0)
    sla: float = Field(0.99, gt=0, le=1)

    @model_validator(mode="after")
    def _one_direction(self) -> Self:
        if self.maximize and self.minimize:
            raise ValueError("maximize and minimize are both given; keep one of them")
        return self

    def to_domain(self) -> Objective:
        """The same as a domain object."""
        return Objective(
            maximize_sla=self.minimize is None,
            budget_usd_per_hour=self.budget_usd_per_hour,
            sla=self.sla,
        )


class ServerSettings(_Section):
    """The API that workers report to."""

    url: str | None = Field(None, description="Where workers reach it; default: Airflow's own.")
    host: str = Field("127.0.0.1", description="Address that `aiops server` listens on.")
    port: int = Field(8793, ge=0, le=65535, description="Port; 0: any free one.")
    token_secret: SecretStr | None = Field(
        None, description="Signs the tokens; at least 32 characters."
    )

    @field_validator("token_secret")
    @classmethod
    def _long_enough(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value()) < 32:
            raise ValueError("token_secret is shorter than 32 characters; `aiops token secret` makes one")
        return secret


class ProfilingSettings(_Section):
    """How requests are sized from profiles."""

    failure_cost_factor: float = Field(
        10.0, gt=0, description="Cost of a run killed for memory, in multiples of the run itself."
    )
    history_half_life_days: float = Field(30.0, gt=0, description="Weight of a run halves per this.")
    minimum_runs: int = Field(1, ge=1, description="Finished runs before own history is used.")


class PlanningSettings(_Section):
    """When and how the offline plan is made."""

    period_s: float = Field(3600.0, gt=0, description="Seconds between plans.")
    time_limit_s: float = Field(25.0, gt=0, description="Of the solver.")
    gap_tolerance: float = Field(0.005, ge=0, lt=1, description="Relative gap that is good enough.")
    switching_cost_usd: float = Field(
        0.0, ge=0, description="A new plan must save more than this an hour."
    )


class DetectionSettings(_Section):
    """How deviations become alarms."""

    period_s: float = Field(60.0, gt=0, description="Seconds between evaluations.")
    false_discovery_rate: Probability = 0.05
    minimum_history: int = Field(8, ge=3, description="Samples of a series before it is judged.")
    history_days: float = Field(400.0, gt=0, description="How far back baselines look.")
    rules_file: str | None = Field(None, description="Expert rules (YAML).")
    quarantine_s: float = Field(3600.0, gt=0, description="How long a quarantine lasts.")
    hold_after_clusters: int = Field(
        3, ge=2, description="A task failing on this many clusters is not failed over any more."
    )
    dry_run: bool = Field(False, description="Decide responses but apply none.")


class RoutingSettings(_Section):
    """How the router reacts to failing clusters."""

    refresh_s: float = Field(2.0, gt=0, description="Seconds between looks at the store.")
    probe_period_s: float = Field(2.0, gt=0, description="Seconds between health probes.")
    probe_timeout_s: float = Field(2.0, gt=0)
    breaker_open_s: float = Field(
        30.0, gt=0, description="A lost cluster is tried again after this long."
    )
    max_fail_overs: int = Field(3, ge=0, description="Other clusters tried for one try of a task.")


class Settings(_Section):
    """The whole of aiops.yaml."""

    enabled: bool = Field(True, description="False: every task runs on the fallback cluster.")
    store: SecretStr | None = Field(None, description="SQLAlchemy URL.")
    mode: ModeSettings = ModeSettings(default=Mode.ENFORCE)
    objective: ObjectiveSettings = ObjectiveSettings()
    clusters: tuple[ClusterSettings, ...] = ()
    fallback_cluster: str | None = Field(
        None, description="Where tasks run when the layer itself fails; default: the first."
    )
    server: ServerSettings = ServerSettings()
    profiling: ProfilingSettings = ProfilingSettings()
    planning: PlanningSettings = PlanningSettings()
    detection: DetectionSettings = DetectionSettings()
    routing: RoutingSettings = RoutingSettings()
    run_cycle: bool = Field(
        True, description="Let the scheduler start the process that plans, learns and detects."
    )

    @field_validator("mode", mode="before")
    @classmethod
    def _one_word_is_the_default(cls, value: Any) -> Any:
        return {"default": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _clusters_are_consistent(self) -> Self:
        names = [cluster.name for cluster in self.clusters]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two clusters are named {twice[0]!r}; give each its own name")
        if self.fallback_cluster is not None and names and self.fallback_cluster not in names:
            raise ValueError(
                f"fallback_cluster {self.fallback_cluster!r} is none of the clusters {', '.join(names)}"
            )
        return self

    @property
    def cluster_specs(self) -> tuple[ClusterSpec, ...]:
        """The clusters as domain objects; without any, this machine as one local cluster."""
        if not self.clusters:
            return (_cluster_spec(ClusterSettings(name="local", kind="local")),)
        return tuple(_cluster_spec(cluster) for cluster in self.clusters)

    @property
    def fallback(self) -> ClusterSpec:
        """Where tasks run when the layer is off or fails."""
        specs = self.cluster_specs
        wanted = self.fallback_cluster
        return next((spec for spec in specs if spec.name == wanted), specs[0])


def _cluster_spec(cluster: ClusterSettings) -> ClusterSpec:
    if cluster.pools:
        pools = tuple(_pool(pool) for pool in cluster.pools)
    else:
        machine = cluster.capacity.to_domain() if cluster.capacity else _this_machine()
        pools = (
            Pool(
                name="default",
                machine=machine,
                max_instances=1,
                price_usd_per_hour=cluster.price_usd_per_hour,
            ),
        )
    return ClusterSpec(
        name=cluster.name,
        kind=cluster.kind,
        provider=cluster.provider,
        region=cluster.region,
        pools=pools,
        options=dict(cluster.options),
    )


def _pool(pool: PoolSettings) -> Pool:
    if pool.machine is None:
        raise ValueError(
            f"pool {pool.instance_type or pool.name!r} has no `machine`; say its cores and memory_gib"
        )
    return Pool(
        name=pool.name or pool.instance_type or "default",
        machine=pool.machine.to_domain(),
        max_instances=pool.max_instances,
        price_usd_per_hour=pool.price_usd_per_hour,
        instance_type=pool.instance_type,
        purchase=pool.purchase,
    )


def _this_machine() -> Capacity:
    import psutil

    return Capacity(
        cores=float(os.cpu_count() or 1),
        memory_gib=round(psutil.virtual_memory().total / 1024**3, 2),
    )
