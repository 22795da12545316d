"""Puts a complete profile together from the answers of the predictors and the description."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.profile import (
    ComputeType,
    Quantity,
    ResourceRequest,
    Source,
    WorkloadProfile,
)
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.workload import Generic, TaskDescription, input_size
from aiops_provider.profiling.blend import Opinion, blend, claimed_error
from aiops_provider.profiling.calibration import Calibration
from aiops_provider.profiling.completion import completed
from aiops_provider.profiling.described import pinned
from aiops_provider.profiling.estimate import Estimate, Predictor
from aiops_provider.profiling.pool_pace import pool_paces
from aiops_provider.profiling.priors.generic import generic_prior
from aiops_provider.profiling.request import request_for
from aiops_provider.profiling.starts import starts_by_hour_of_week
from aiops_provider.profiling.weekly_use import weekly_use

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What one predictor said.

    Attributes:
        predictor: Who.
        estimate: What.
        calibration: How wrong it has been; ``None`` for own history, whose interval tells.
    """

    predictor: Predictor
    estimate: Estimate
    calibration: Calibration | None


def assemble(
    task: TaskKey,
    description: TaskDescription | None,
    history: Sequence[ExecutionRecord],
    answers: Sequence[Answer],
    *,
    failure_cost_factor: float,
    now: datetime,
) -> WorkloadProfile:
    """
    Blend the figures, size the request, and take everything else from whoever tells it.

    Args:
        task: Which task.
        description: For its pins, input and cadence; its other terms are applied elsewhere.
        history: Runs that had ended by *now*, oldest first.
        answers: May be empty; the profile is then that of an ordinary process.
        failure_cost_factor: See ``request_for``.
        now: The present moment.
    """
    # Whoever has seen the task run speaks first where no blend is possible.
    estimates = [a.estimate for a in sorted(answers, key=lambda a: -a.estimate.own_runs)]
    pins = description or Generic()
    memory = pinned(_figure("memory_gib", answers), pins.memory_gib, unit="GiB")
    cores = pinned(_figure("cores", answers), pins.cores, unit="cores")
    request = _request(memory, cores, estimates, failure_cost_factor, pins.requested_memory_gib)
    compute_type = _first(e.compute_type for e in estimates) or ComputeType.CPU
    if pins.accelerator is not None:
        compute_type = ComputeType.GPU
        request = replace(
            request, accelerator=pins.accelerator, accelerators=max(1, request.accelerators)
        )
    if memory.source is not Source.PINNED:
        # What was killed for lack of memory needs more than it had: the profile must say so.
        killed_at = max((e.killed_at_gib for e in estimates), default=0.0)
        memory = replace(memory, p95=max(memory.p95, killed_at))
    gib, _ = input_size(description)
    use = weekly_use(task, pins, history, now=now)
    starts = starts_by_hour_of_week(pins.cadence, history)
    profile = WorkloadProfile(
        task=task,
        compute_type=compute_type,
        cores=cores,
        memory_gib=memory,
        duration_s=_figure("duration_s", answers),
        request=request,
        predicted_at=now,
        instances=_first(e.instances for e in estimates) or 1,
        accelerator=request.accelerator,
        accelerators=request.accelerators,
        accelerator_memory_gib=_first(e.accelerator_memory_gib for e in estimates),
        local_disk_gib=_first(e.local_disk_gib for e in estimates),
        storage=_first(e.storage for e in estimates) or (),
        warehouse_units=_first(e.warehouse_units for e in estimates),
        network_gbps=_first(e.network_gbps for e in estimates),
        io_mib_per_s=_first(e.io_mib_per_s for e in estimates),
        latency_ms=_first(e.latency_ms for e in estimates),
        input_gib=gib if gib is not None else _first(r.input_gib for r in reversed(history)),
        starts_by_hour_of_week=use.p50 if use and use.unit == "starts" else starts,
        use_by_hour_of_week=use,
        neighbours=_first(e.neighbours for e in estimates) or (),
        # Accelerators have paces of their own, by model.
        pool_pace=pool_paces(history) if compute_type is ComputeType.CPU else (),
    )
    return completed(profile, description)


def _request(
    memory: Quantity,
    cores: Quantity,
    estimates: Sequence[Estimate],
    failure_cost_factor: float,
    requested_gib: float | None,
) -> ResourceRequest:
    disk = _first(e.local_disk_gib for e in estimates)
    own = next((e.memory_gib for e in estimates if e.own_runs and e.memory_gib), None)
    return request_for(
        memory,
        cores,
        shape=own,
        failure_cost_factor=failure_cost_factor,
        killed_at_gib=max((e.killed_at_gib for e in estimates), default=0.0),
        killed_first_gib=max((e.killed_first_gib for e in estimates), default=0.0),
        enough_gib=requested_gib,
        accelerator=_first(e.accelerator for e in estimates),
        accelerators=_first(e.accelerators for e in estimates) or 0,
        local_disk_gib=disk.p95 if disk else 0.0,
    )


def _figure(figure: str, answers: Sequence[Answer]) -> Quantity:
    opinions = []
    for answer in answers:
        quantity: Quantity | None = getattr(answer.estimate, figure)
        if quantity is None:
            continue
        calibration = answer.calibration
        name = answer.predictor.name
        if calibration is None:
            claimed = claimed_error(quantity, answer.estimate.own_runs)
            opinions.append(Opinion(name, quantity, claimed))
        else:
            claimed = calibration.claimed(figure, quantity)
            opinions.append(Opinion(name, quantity, claimed, calibration.errors(figure)))
    if opinions:
        return blend(opinions, never_below_own=figure == "memory_gib")
    # Every predictor was left out: an ordinary process, said to be one.
    last_resort: Quantity = getattr(generic_prior(Generic()), figure)
    return last_resort


def _first(values: Iterable[_Value | None]) -> _Value | None:
    return next((value for value in values if value is not None), None)
