"""What a description decides by itself: limits, promises and pins, whatever the runs say."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from aiops_provider.domain.profile import Quantity, ResourceRequest, Source, WorkloadProfile
from aiops_provider.domain.separation import AntiAffinityRule, SpreadRule
from aiops_provider.domain.workload import (
    Etl,
    FeatureEngineering,
    Generic,
    Serving,
    TaskDescription,
    Training,
)
from aiops_provider.profiling.own_history import IDLE_DURATION_S, IDLE_MEMORY_GIB
from aiops_provider.profiling.request import MEMORY_STEP_GIB, round_up


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """
    The fields of a profile that only the description knows; see ``WorkloadProfile``.

    Attributes:
        sla_attainment: Share of runs that must keep the promise.
        sla_weight: Importance.
        deadline_s: From queued to finished.
        latency_objective_ms: Of a request.
        user_regions: Where requests come from.
        allowed_regions: Empty: any.
        allowed_providers: Empty: any.
        data_region: Where the input lies.
        preferred_regions: Near the users, else near the data.
        pinned_cluster: The only cluster it may run on.
        spread: Over which failure domains its instances are spread.
        anti_affinity: Which tasks it shares no failure domain with.
        idempotent: May run twice.
        checkpoint_interval_s: Work between two checkpoints; ``None``: it writes none.
    """

    sla_attainment: float = 0.99
    sla_weight: float = 1.0
    deadline_s: float | None = None
    latency_objective_ms: float | None = None
    user_regions: tuple[str, ...] = ()
    allowed_regions: tuple[str, ...] = ()
    allowed_providers: tuple[str, ...] = ()
    data_region: str | None = None
    preferred_regions: tuple[str, ...] = ()
    pinned_cluster: str | None = None
    spread: SpreadRule | None = None
    anti_affinity: tuple[AntiAffinityRule, ...] = ()
    idempotent: bool = False
    checkpoint_interval_s: float | None = None

    def apply(self, profile: WorkloadProfile) -> WorkloadProfile:
        """The profile under these terms."""
        return replace(profile, **{f.name: getattr(self, f.name) for f in fields(self)})


def terms_of(description: TaskDescription | None) -> Terms:
    """The terms that a description sets; the defaults without one."""
    if description is None:
        return Terms()
    sla, locality = description.sla, description.locality
    near_data = (locality.data_region,) if locality.data_region else ()
    serving = description if isinstance(description, Serving) else None
    near_users = serving.user_regions if serving else ()
    objective_ms = serving.latency_objective_ms if serving else None
    attainment = sla.attainment
    if (
        serving is not None
        and objective_ms is not None
        and "attainment" not in sla.model_fields_set
    ):
        attainment = serving.latency_percentile / 100.0
    return Terms(
        sla_attainment=attainment,
        sla_weight=sla.weight,
        deadline_s=sla.deadline_s,
        latency_objective_ms=objective_ms,
        user_regions=near_users,
        allowed_regions=locality.allowed_regions,
        allowed_providers=locality.providers,
        data_region=locality.data_region,
        preferred_regions=near_users or near_data,
        pinned_cluster=description.cluster,
        spread=None if locality.spread is None else locality.spread.to_domain(),
        anti_affinity=()
        if locality.anti_affinity is None
        else (locality.anti_affinity.to_domain(),),
        idempotent=description.idempotent,
        checkpoint_interval_s=description.checkpoint_interval_s,
    )


def pinned(figure: Quantity, value: float | None, *, unit: str) -> Quantity:
    """The figure as the description pins it; unchanged without a pin."""
    if value is None:
        return figure
    return Quantity(
        p50=value,
        p80=value,
        p95=value,
        source=Source.PINNED,
        sample_count=figure.sample_count,
        reason=f"pinned to {value:g} {unit} by the description",
    )


def with_input_size(
    description: TaskDescription | None, gib: float | None, rows: int | None
) -> TaskDescription | None:
    """
    The same description for another size of the input; unknown sizes leave it as it is.

    Sizes are not checked against one another: they were measured.
    """
    if description is None or not (gib or rows):
        return description
    match description:
        case Etl() | FeatureEngineering():
            sized = description.source.model_copy(
                update=_sizes("volume_gib", description.source.volume_gib, gib, rows)
            )
            return description.model_copy(update={"source": sized})
        case Training():
            sized = description.dataset.model_copy(
                update=_sizes("volume_gib", description.dataset.volume_gib, gib, rows)
            )
            return description.model_copy(update={"dataset": sized})
        case Generic():
            return description.model_copy(
                update=_sizes("input_gib", description.input_gib, gib, rows, "input_rows")
            )
        case _:
            return description


def without_input_size(description: TaskDescription | None) -> TaskDescription | None:
    """The same description with the size of the input unknown."""
    unknown: dict[str, None] = {"volume_gib": None, "rows": None}
    match description:
        case Etl() | FeatureEngineering():
            return description.model_copy(
                update={"source": description.source.model_copy(update=unknown)}
            )
        case Training():
            return description.model_copy(
                update={"dataset": description.dataset.model_copy(update=unknown)}
            )
        case Generic():
            return description.model_copy(update={"input_gib": None, "input_rows": None})
        case _:
            return description


def _sizes(
    gib_field: str,
    described_gib: float | None,
    gib: float | None,
    rows: int | None,
    rows_field: str = "rows",
) -> dict[str, float | int | None]:
    update: dict[str, float | int | None] = {}
    # A volume that is described but was not measured must not stand beside the measured rows.
    if gib or described_gib is not None:
        update[gib_field] = gib
    if rows:
        update[rows_field] = rows
    return update


def grown(profile: WorkloadProfile, input_gib: float | None) -> WorkloadProfile:
    """
    The profile for a larger input than it was made for.

    Memory and time above what an idle process takes grow in proportion, which the runs will
    correct; nothing is taken away for a smaller input.
    """
    if not input_gib or not profile.input_gib or input_gib <= profile.input_gib:
        return profile
    factor = input_gib / profile.input_gib
    memory = _grown(profile.memory_gib, factor, IDLE_MEMORY_GIB)
    asked = profile.request.memory_gib
    idle = min(IDLE_MEMORY_GIB, asked)
    request: ResourceRequest = replace(
        profile.request,
        memory_gib=round_up(idle + (asked - idle) * factor, MEMORY_STEP_GIB),
        reason=f"{profile.request.reason}; {100 * (factor - 1):+.0f} % for input growth",
    )
    return replace(
        profile,
        memory_gib=memory,
        duration_s=_grown(profile.duration_s, factor, IDLE_DURATION_S),
        request=request,
        input_gib=input_gib,
    )


def _grown(figure: Quantity, factor: float, idle: float) -> Quantity:
    def at(value: float) -> float:
        constant = min(idle, value)
        return constant + (value - constant) * factor

    return replace(
        figure,
        p50=at(figure.p50),
        p80=at(figure.p80),
        p95=at(figure.p95),
        reason=f"{figure.reason}; {100 * (factor - 1):+.0f} % for input growth",
    )


def with_learned(fresh: WorkloadProfile, known: WorkloadProfile) -> WorkloadProfile:
    """*fresh* with those figures of *known* that runs are behind and that nobody pins."""

    def evidence(figure: Quantity) -> tuple[bool, int]:
        # Many runs of similar tasks are less than one of its own.
        return figure.source is not Source.SIMILAR_TASKS, figure.sample_count

    def keeps(new: Quantity, old: Quantity) -> bool:
        learned = old.sample_count > 0 and evidence(old) > evidence(new)
        return learned and Source.PINNED not in (old.source, new.source)

    memory = keeps(fresh.memory_gib, known.memory_gib)
    cores = keeps(fresh.cores, known.cores)
    return replace(
        fresh,
        memory_gib=known.memory_gib if memory else fresh.memory_gib,
        cores=known.cores if cores else fresh.cores,
        duration_s=known.duration_s
        if keeps(fresh.duration_s, known.duration_s)
        else fresh.duration_s,
        io_mib_per_s=known.io_mib_per_s or fresh.io_mib_per_s,
        pool_pace=known.pool_pace or fresh.pool_pace,
        starts_by_hour_of_week=known.starts_by_hour_of_week or fresh.starts_by_hour_of_week,
        # A past demand is part of the description, starts are learned.
        use_by_hour_of_week=use
        if (use := fresh.use_by_hour_of_week) is not None and use.unit != "starts"
        else known.use_by_hour_of_week or use,
        input_gib=known.input_gib,
        request=replace(
            fresh.request,
            memory_gib=known.request.memory_gib if memory else fresh.request.memory_gib,
            memory_quantile=known.request.memory_quantile
            if memory
            else fresh.request.memory_quantile,
            reason=known.request.reason if memory else fresh.request.reason,
            cores=known.request.cores if cores else fresh.request.cores,
        ),
    )
