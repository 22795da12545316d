"""
What the user says about a task.

A description is optional and partial: whatever is unknown stays ``None`` and is inferred.
Figures carry their unit in the field name; a description that contradicts itself is refused.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import AllowInfNan, Field, TypeAdapter, model_validator

from aiops_provider.domain.described import Described
from aiops_provider.domain.residency import Jurisdiction, jurisdictions_of, regions_within
from aiops_provider.domain.separation import Strictness
from aiops_provider.domain.spread import AntiAffinity, Spread


class Column(Described):
    """One column of a table."""

    name: str
    type: str = "unknown"


class Schema(Described):
    """The columns of a data set."""

    columns: tuple[Column, ...] = ()


class Dataset(Described):
    """A data set that a task reads or writes."""

    location: str | None = Field(None, description="Where it lies: a URL, table name or region.")
    volume_gib: float | None = Field(None, ge=0, description="Size on disk in GiB.")
    rows: int | None = Field(None, ge=0, description="Number of rows.")
    format: str | None = Field(None, description="parquet, csv, jsonl, table …")
    table_schema: Schema | None = Field(None, description="Columns and their types.")

    @model_validator(mode="after")
    def _rows_and_volume_agree(self) -> Self:
        if self.rows == 0 and self.volume_gib:
            raise ValueError(
                f"rows is 0 but volume_gib is {self.volume_gib}: an empty data set has no volume; "
                "leave out the figure that is unknown"
            )
        if self.rows and self.volume_gib == 0:
            raise ValueError(
                f"volume_gib is 0 but rows is {self.rows}: leave out the figure that is unknown"
            )
        return self


class ModelCandidate(Described):
    """A model that may be trained; ``unknown`` lets the profiler assume the usual candidates."""

    family: Literal[
        "linear", "tree_ensemble", "deep_network", "fine_tuning", "clustering", "unknown"
    ] = "unknown"
    name: str | None = Field(None, description="For people: xgboost, resnet50, llama-3-8b …")
    parameters: float | None = Field(None, gt=0, description="Number of weights.")
    layers: int | None = Field(None, gt=0)
    batch_size: int | None = Field(None, gt=0, description="Samples per step.")
    precision: Literal["fp32", "tf32", "fp16", "bf16", "fp8", "int8", "int4"] | None = Field(
        None, description="Of the weights while computing; int4 is what QLoRA holds."
    )
    lora_rank: int | None = Field(
        None,
        gt=0,
        description="Rank of the adapters of a LoRA; `parameters` are those of its base.",
    )
    hyperparameters: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _adapters_belong_to_networks(self) -> Self:
        if self.lora_rank is not None and self.family not in {"fine_tuning", "deep_network"}:
            raise ValueError(
                f"lora_rank is {self.lora_rank} but family is {self.family}: "
                "set family to fine_tuning or leave lora_rank out"
            )
        return self


class Cadence(Described):
    """How often a task runs; give one of the two."""

    every_s: float | None = Field(None, gt=0, description="Seconds between runs.")
    cron: str | None = Field(None, description="Five-field cron expression, UTC.")

    @model_validator(mode="after")
    def _only_one(self) -> Self:
        if self.every_s is not None and self.cron is not None:
            raise ValueError("every_s and cron are both given; keep one of them")
        return self


class Sla(Described):
    """What was promised to the users of the task's result."""

    attainment: float = Field(0.99, gt=0, le=1, description="Share of runs that must keep it.")
    deadline_s: float | None = Field(None, gt=0, description="Seconds from queued to finished.")
    weight: float = Field(1.0, gt=0, description="Importance relative to other tasks.")


class Locality(Described):
    """Where the task may run and where its data lies."""

    regions: tuple[str, ...] = Field((), description="Allowed regions; empty: any.")
    providers: tuple[str, ...] = Field((), description="Allowed providers; empty: any.")
    data_region: str | None = Field(None, description="Region of the input data.")
    data_gib: float | None = Field(None, ge=0, description="How much data lies there, in GiB.")
    residency: tuple[Jurisdiction, ...] = Field(
        (), description="Legal areas that the data must not leave: EU, UK, US, CH; empty: any."
    )
    spread: Spread | None = Field(
        None, description="Failure domains that the instances are spread over."
    )
    anti_affinity: AntiAffinity | None = Field(
        None, description="Tasks that share no failure domain with this one."
    )

    @model_validator(mode="after")
    def _regions_keep_residency(self) -> Self:
        if not self.residency:
            return self
        for field, regions in (
            ("regions", self.regions),
            ("data_region", (self.data_region,) if self.data_region else ()),
        ):
            for region in regions:
                lies_in = jurisdictions_of(region)
                if lies_in and not lies_in & set(self.residency):
                    raise ValueError(
                        f"{field} has {region}, which lies in {', '.join(sorted(lies_in))}, but "
                        f"residency allows {', '.join(self.residency)} only: correct one of them"
                    )
        return self

    @model_validator(mode="after")
    def _spread_has_room(self) -> Self:
        spread = self.spread
        if spread is None or spread.strictness is not Strictness.REQUIRED:
            return self
        for domain, named in (("region", self.regions), ("provider", self.providers)):
            if spread.domain == domain and named and len(set(named)) < spread.at_least:
                raise ValueError(
                    f"spread requires {spread.to_domain()} but {domain}s allows "
                    f"{', '.join(named)} only: allow more, or lower spread.at_least"
                )
        return self

    @property
    def restricted(self) -> bool:
        """Whether the task may not run everywhere."""
        return bool(self.regions or self.providers or self.residency)

    @property
    def allowed_regions(self) -> tuple[str, ...]:
        """The named regions, else those inside the residency; empty: any."""
        return self.regions or regions_within(self.residency)


class _TaskDescription(Described):
    sla: Sla = Sla()
    locality: Locality = Locality()
    cadence: Cadence | None = None
    cluster: str | None = Field(None, description="Pin the task to this cluster.")
    cores: float | None = Field(None, gt=0, description="Pin the number of cores.")
    memory_gib: float | None = Field(None, gt=0, description="Pin the memory.")
    accelerator: str | None = Field(
        None, min_length=1, description="Pin the accelerator's model, such as A100-80GB."
    )
    requested_memory_gib: float | None = Field(
        None,
        gt=0,
        description="Memory that people have asked for so far: evidence, not a pin.",
    )
    input_gib_of: str | None = Field(
        None,
        min_length=1,
        description="Argument that tells the size of a run's input: GiB, or the path of a file.",
    )
    input_rows_of: str | None = Field(
        None,
        min_length=1,
        description="Argument that tells the rows of a run's input: their number, or a list.",
    )
    idempotent: bool = Field(False, description="May be run again while an old try may live.")
    checkpoint_interval_s: float | None = Field(
        None,
        gt=0,
        description="Seconds of work between two checkpoints from which a rerun goes on; unset: it "
        "starts anew.",
    )
    on_cluster_loss: Literal["wait", "fence_and_rerun"] = Field(
        "wait",
        description="When its cluster is lost: wait for it, or fence the try and run it elsewhere.",
    )

    @model_validator(mode="after")
    def _a_pin_is_no_spread(self) -> Self:
        spread = self.locality.spread
        if self.cluster is not None and spread and spread.strictness is Strictness.REQUIRED:
            raise ValueError(
                f"cluster pins the task to {self.cluster} but locality.spread requires "
                f"{spread.to_domain()}: leave one of them out, or let the spread be preferred"
            )
        return self

    @model_validator(mode="after")
    def _only_the_idempotent_run_twice(self) -> Self:
        if self.on_cluster_loss == "fence_and_rerun" and not self.idempotent:
            raise ValueError(
                "on_cluster_loss is fence_and_rerun but idempotent is false: the old try may go on "
                "beside the new one; set idempotent to true if that does no harm, or wait"
            )
        return self


class Etl(_TaskDescription):
    """Moves and reshapes data."""

    kind: Literal["etl"] = "etl"
    source: Dataset = Dataset()
    target: Dataset = Dataset()
    joins: int | None = Field(None, ge=0)
    aggregations: int | None = Field(None, ge=0)
    streaming: bool = False
    records_per_s: float | None = Field(None, gt=0, description="Arrival rate of a stream.")
    record_bytes: float | None = Field(None, gt=0, description="Size of one record of a stream.")

    @model_validator(mode="after")
    def _only_streams_have_rates(self) -> Self:
        if self.records_per_s is not None and not self.streaming:
            raise ValueError(
                f"records_per_s is {self.records_per_s:g} but streaming is false: "
                "set streaming to true, or give the volume of the source instead"
            )
        return self


class FeatureEngineering(_TaskDescription):
    """Computes model features from data."""

    kind: Literal["feature_engineering"] = "feature_engineering"
    source: Dataset = Dataset()
    features: int | None = Field(None, gt=0, description="Features computed per row.")


class Training(_TaskDescription):
    """Fits one or more model candidates."""

    kind: Literal["training"] = "training"
    dataset: Dataset = Dataset()
    candidates: tuple[ModelCandidate, ...] | Literal["unknown"] = "unknown"
    epochs: int | None = Field(None, gt=0)
    tokens: float | None = Field(None, gt=0, description="Training tokens of a language model.")


class Serving(_TaskDescription):
    """Answers requests with a model."""

    kind: Literal["serving"] = "serving"
    model: ModelCandidate = ModelCandidate()
    concurrent_requests: float | None = Field(None, gt=0)
    requests_per_s: float | None = Field(None, gt=0)
    latency_objective_ms: float | None = Field(None, gt=0)
    latency_percentile: float = Field(95.0, gt=0, lt=100)
    prompt_tokens: float | None = Field(None, gt=0, description="Of a language model, per request.")
    output_tokens: float | None = Field(None, gt=0, description="Of a language model, per request.")
    past_demand_per_s: tuple[Annotated[float, AllowInfNan(True)], ...] = Field(
        (), description="Requests per second in past hours, oldest first; NaN where missing."
    )
    user_regions: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _demand_is_not_negative(self) -> Self:
        if any(rate < 0 for rate in self.past_demand_per_s):
            raise ValueError("past_demand_per_s has a negative rate; a request rate is >= 0")
        if any(math.isinf(rate) for rate in self.past_demand_per_s):
            raise ValueError("past_demand_per_s has an infinite rate; leave it out or make it NaN")
        return self

    @property
    def seen_demand_per_s(self) -> tuple[float, ...]:
        """The past demand without the hours that are missing."""
        return tuple(rate for rate in self.past_demand_per_s if not math.isnan(rate))


class Generic(_TaskDescription):
    """A task of which only its identity and inputs are known."""

    kind: Literal["generic"] = "generic"
    operator: str | None = Field(None, description="Operator class or flow name.")
    parameters: dict[str, Any] = Field(default_factory=dict)
    input_gib: float | None = Field(None, ge=0)
    input_rows: int | None = Field(None, ge=0)


TaskDescription = Annotated[
    Etl | FeatureEngineering | Training | Serving | Generic, Field(discriminator="kind")
]
TASK_DESCRIPTION: TypeAdapter[Etl | FeatureEngineering | Training | Serving | Generic] = (
    TypeAdapter(TaskDescription)
)


def input_size(description: TaskDescription | None) -> tuple[float | None, int | None]:
    """
    Size of what the task reads, as far as its description tells.

    Returns:
        GiB and rows, each ``None`` when unknown.

    >>> input_size(Etl(source=Dataset(volume_gib=2.0, rows=10)))
    (2.0, 10)
    """
    match description:
        case Etl() | FeatureEngineering():
            return description.source.volume_gib, description.source.rows
        case Training():
            return description.dataset.volume_gib, description.dataset.rows
        case Generic():
            return description.input_gib, description.input_rows
        case _:
            return None, None


def with_requested_memory(
    description: TaskDescription | None, gib: float | None
) -> TaskDescription | None:
    """
    A description with what was asked of the host, unless it says so itself.

    Args:
        description: ``None`` where nothing was said.
        gib: What the host was asked for; ``None`` changes nothing.

    >>> with_requested_memory(None, 2.0).requested_memory_gib
    2.0
    """
    if gib is None or (description is not None and description.requested_memory_gib is not None):
        return description
    return (description or Generic()).model_copy(update={"requested_memory_gib": gib})


def with_operator(
    description: TaskDescription | None, known: Generic | None
) -> TaskDescription | None:
    """
    A generic description with the operator that the host knows, unless it names one itself.

    >>> with_operator(Generic(memory_gib=2), Generic(operator="BashOperator")).operator
    'BashOperator'
    """
    if not isinstance(description, Generic) or description.operator or known is None:
        return description
    parameters = {**known.parameters, **description.parameters}
    return description.model_copy(update={"operator": known.operator, "parameters": parameters})


def description_schema() -> dict[str, Any]:
    """
    JSON Schema of a task file: one description, and the name of its task.

    >>> sorted(description_schema()["discriminator"]["mapping"])
    ['etl', 'feature_engineering', 'generic', 'serving', 'training']
    """
    schema = TASK_DESCRIPTION.json_schema()
    name = {"type": "string", "description": "namespace/name, such as DAG id and task id."}
    for reference in schema["discriminator"]["mapping"].values():
        kind = schema["$defs"][reference.rpartition("/")[2]]
        kind["properties"] = {"task": name, **kind["properties"]}
        kind["required"] = ["task", "kind"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
