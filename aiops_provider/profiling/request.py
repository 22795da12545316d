"""What to ask of a cluster: the size at which more memory costs as much as the kills it avoids."""

from __future__ import annotations

import math
from dataclasses import replace

from aiops_provider.domain.profile import Quantity, ResourceRequest, Source
from aiops_provider.profiling.estimate import LARGEST_MEMORY_GIB
from aiops_provider.profiling.evidence import size_after_kill
from aiops_provider.profiling.quantiles import (
    Z80,
    Z95,
    exceeded,
    quantile_at,
    z_exceeded_with,
    z_of,
)

# Clusters bill and schedule in such steps (AWS Fargate: 0.25 vCPU); finer ones only look exact.
MEMORY_STEP_GIB = 1 / 16
CORES_STEP = 0.25
# No request is below these: an interpreter with the host's own code in it needs 0.1 GiB.
SMALLEST_MEMORY_GIB = 0.125
SMALLEST_CORES = 0.25
# An interpreter that has imported scikit-learn takes 0.3–0.4 GiB; before a first run nobody knows
# that a task does not.
SMALLEST_UNSEEN_MEMORY_GIB = 0.4
# Beyond 1 in 740 runs the shape of the tail is guesswork and only waste is certain.
_HIGHEST_Z, _STEP_Z = 3.0, 0.05
# Too few cores only slow a task down, so that the cores of four runs in five are enough.
CORES_Z = Z80


def request_for(
    memory_gib: Quantity,
    cores: Quantity,
    *,
    shape: Quantity | None = None,
    failure_cost_factor: float = 10.0,
    killed_at_gib: float = 0.0,
    killed_first_gib: float = 0.0,
    enough_gib: float | None = None,
    accelerator: str | None = None,
    accelerators: int = 0,
    local_disk_gib: float = 0.0,
) -> ResourceRequest:
    """
    Size a request from what is expected and what a failure costs.

    A run that asks for *r* costs *r* (it is held whether used or not); one that is killed for
    memory costs the run ``k`` times over. The expected cost ``r * (1 + k * P(need > r))`` is
    lowest at some quantile, the higher the narrower the distribution: for a task that always
    needs the same, a few MiB more avoid nearly all kills. The quantile is never below the
    newsvendor's critical ratio ``k / (k + 1)``, which is right where a shortfall costs in
    proportion (Arrow, Harris & Marschak 1951). Pinned figures are taken as they are.

    Args:
        memory_gib: Peak memory of a run.
        cores: Mean cores of a run; p80 is asked for, since too few only make it slower.
        shape: Whose width decides the quantile; default: *memory_gib*. Give the one of own runs
            where there are any: their width does not change with the size of the input to come,
            so that a larger input never gets less.
        failure_cost_factor: ``k``, > 0.
        killed_at_gib: A run was killed at this much: ask for at least ``size_after_kill``. The
            quantiles are taken to know of the kill already.
        killed_first_gib: First kill of the row; default: *killed_at_gib*.
        enough_gib: What people have asked for so far. Without proof of the contrary, such as a kill
            at as much, no more is asked for; after a kill at less it is asked for at once.
        accelerator: Passed on.
        accelerators: Passed on.
        local_disk_gib: Passed on.

    Returns:
        Memory rounded up to 1/16 GiB, at least 0.125 (0.4 where no run was ever seen); cores
        rounded up to 0.25, at least 0.25.
    """
    if memory_gib.source is Source.PINNED:
        size, quantile, reason = memory_gib.p50, None, memory_gib.reason
    else:
        size, quantile, reason = _memory(
            memory_gib,
            shape or memory_gib,
            failure_cost_factor,
            killed_at_gib,
            killed_first_gib or killed_at_gib,
            enough_gib=enough_gib or 0.0,
        )
    if cores.source is Source.PINNED:
        asked_cores = cores.p50
    else:
        asked_cores = round_up(max(quantile_at(cores, CORES_Z), SMALLEST_CORES), CORES_STEP)
    return ResourceRequest(
        cores=asked_cores,
        memory_gib=size,
        accelerator=accelerator,
        accelerators=accelerators,
        local_disk_gib=local_disk_gib,
        memory_quantile=quantile,
        reason=reason,
    )


def enlarged(
    request: ResourceRequest,
    memory_gib: Quantity,
    *,
    failed_gib: float,
    enough_gib: float | None = None,
) -> ResourceRequest:
    """
    The next request after a run was killed for memory, without waiting for history.

    Args:
        request: What the profile asked for so far.
        memory_gib: Expected peak memory.
        failed_gib: What the killed run was allowed, > 0.
        enough_gib: What people have asked for so far; asked for at once if it is more.

    Returns:
        More than *failed_gib*, and never less than *request*.
    """
    first = min(request.memory_gib, failed_gib)
    quantile = request.memory_quantile or 0.5
    size, reason = _above_kill(memory_gib, 1 - quantile, failed_gib, first)
    if enough_gib and enough_gib > failed_gib:
        size, reason = enough_gib, f"{_after_kill(failed_gib)}: what people ask for"
    return replace(
        request,
        memory_gib=max(request.memory_gib, round_up(size, MEMORY_STEP_GIB)),
        reason=reason,
    )


def _memory(
    quantity: Quantity,
    shape: Quantity,
    factor: float,
    killed_at_gib: float,
    killed_first_gib: float,
    *,
    enough_gib: float,
) -> tuple[float, float, str]:
    z = cheapest_z(shape, factor)
    # Above the p95 the tail is that of the shape, see ``quantile_at``.
    tail = quantile_at(shape, z) / quantile_at(shape, Z95) if z > Z95 else 1.0
    size = quantile_at(quantity, min(z, Z95)) * tail
    quantile = 1 - exceeded(z)
    reason = (
        f"the {100 * quantile:.4g} % quantile of its peak memory: a killed run is taken to cost "
        f"{factor:g} runs"
    )
    floor = SMALLEST_UNSEEN_MEMORY_GIB if quantity.sample_count == 0 else SMALLEST_MEMORY_GIB
    if size < floor:
        size, reason = floor, f"no less than {floor:g} GiB is asked for"
    if killed_at_gib and (step := size_after_kill(killed_at_gib, killed_first_gib)) > size:
        size, reason = max(step, enough_gib), _after_kill(killed_at_gib)
    if killed_at_gib < enough_gib < size:
        size, reason = enough_gib, f"{reason}, and no more than people ask for"
    return min(round_up(size, MEMORY_STEP_GIB), LARGEST_MEMORY_GIB), quantile, reason


def cheapest_z(shape: Quantity, failure_cost_factor: float) -> float:
    """
    Standard normal quantile at which ``r * (1 + k * P(need > r))`` is lowest.

    Args:
        shape: The need; only its width matters.
        failure_cost_factor: ``k``, > 0.

    Returns:
        Between the critical ratio ``k / (k + 1)``, rounded up to the next 0.05, and 3.
    """
    lowest = min(_HIGHEST_Z, z_exceeded_with(1 / (1 + failure_cost_factor)))
    # The same grid for every factor: were it to start at the lowest, a dearer kill could end up
    # on a lower point than a cheaper one.
    first, last = math.ceil(lowest / _STEP_Z - 1e-9), round(_HIGHEST_Z / _STEP_Z)
    candidates = [step * _STEP_Z for step in range(first, last + 1)]

    def cost(z: float) -> float:
        return quantile_at(shape, z) * (1 + failure_cost_factor * exceeded(z))

    return min(candidates, key=cost)


def _after_kill(killed_at_gib: float) -> str:
    return f"a run was killed for memory at {killed_at_gib:.4g} GiB, so the next one gets more"


def _above_kill(
    quantity: Quantity, share: float, killed_at_gib: float, killed_first_gib: float
) -> tuple[float, str]:
    # P(need > r | need > killed) = share  <=>  P(need > r) = share * P(need > killed)
    beyond = share * exceeded(z_of(quantity, killed_at_gib))
    conditional = quantile_at(quantity, z_exceeded_with(beyond)) if beyond > 1e-9 else 0.0
    step = size_after_kill(killed_at_gib, killed_first_gib)
    # The tail may be fitted to little: a jump beyond twice what failed is left to the next kill.
    return max(step, min(conditional, 2 * killed_at_gib)), _after_kill(killed_at_gib)


def round_up(value: float, step: float) -> float:
    """
    The next multiple of a step, forgiving a rounding error.

    >>> round_up(0.4, 1 / 16)
    0.4375
    """
    return math.ceil(value / step - 1e-9) * step
