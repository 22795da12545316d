"""The profile of a run whose input is known, looked up where it starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from aiops_provider.domain.input_facts import INPUT_GIB, InputFacts
from aiops_provider.domain.profile import (
    ByInput,
    InputClass,
    Quantity,
    ResourceRequest,
    WorkloadProfile,
)
from aiops_provider.profiling.estimate import LARGEST_MEMORY_GIB
from aiops_provider.profiling.input_measure import input_class
from aiops_provider.profiling.own_history import IDLE_DURATION_S, IDLE_MEMORY_GIB
from aiops_provider.profiling.request import MEMORY_STEP_GIB, round_up

# Beyond the largest size that was seen the need grows in proportion, where no line is known: not for
# ever, since a kill tells better.
_FARTHEST = 4.0

_Place = tuple[float, InputClass]


def at_input(profile: WorkloadProfile, inputs: InputFacts) -> WorkloadProfile:
    """
    The profile of a run whose input is known.

    On a line what lies between two sizes is between their needs, and what is larger than all goes on
    along it. Where sizes stand for themselves, one between two gets the higher need of them, and one
    beyond the largest is taken to need more in proportion.

    Args:
        profile: As learned.
        inputs: What the host knows of the input.

    Returns:
        The profile as it is where the input tells nothing about it, or nothing like it was seen.
    """
    by = profile.by_input
    if by is None:
        return profile
    value = next((value for name, value in inputs if name == by.measure), None)
    found = None if value is None else need_at(by, value)
    if value is None or found is None:
        return profile
    what = f"{by.measure} of {value:.6g}" if isinstance(value, float) else f"its {by.measure}"
    return replace(
        profile,
        memory_gib=found.memory_gib,
        cores=found.cores,
        duration_s=found.duration_s,
        request=replace(found.request, reason=f"for {what}: {found.request.reason}"),
        # Else what grows with a larger input would grow once more.
        input_gib=next((v for n, v in inputs if n == INPUT_GIB and isinstance(v, float)), None)
        or profile.input_gib,
        input_class=f"{by.measure} {input_class(value)}",
    )


def need_at(by: ByInput, value: float | str) -> InputClass | None:
    """
    What a run needs whose input measures so much, or is of that kind; see :func:`at_input`.

    Returns:
        ``None`` where nothing like it was seen.
    """
    if isinstance(value, str) or not by.linear:
        alike = (each for each in by.classes if input_class(each.at) == input_class(value))
        same = next(alike, None)
        if same is not None or isinstance(value, str):
            return same
    sizes = [(each.at, each) for each in by.classes if isinstance(each.at, float)]
    smaller = [place for place in sizes if place[0] < value]
    larger = [place for place in sizes if place[0] >= value]
    if not smaller:
        return larger[0][1] if larger else None
    if not larger:
        return _outside(by, sizes, value)
    if by.linear:
        return _on_line(smaller[-1], larger[0], value)
    between = (smaller[-1][1], larger[0][1])
    return max(between, key=lambda each: each.request.memory_gib)


def _outside(by: ByInput, sizes: Sequence[_Place], value: float) -> InputClass:
    """The need beyond the largest size."""
    if by.linear and len(sizes) > 1:
        return _on_line(sizes[-2], sizes[-1], value)
    size, largest = sizes[-1]
    if size <= 0 or largest.memory_gib.p50 < max(each.memory_gib.p50 for _, each in sizes):
        return largest
    factor = min(value / size, _FARTHEST)

    def grown(idle: float) -> Callable[[float], float]:
        return lambda level: min(idle, level) + max(0.0, level - idle) * factor

    return replace(
        largest,
        memory_gib=_at_levels(largest.memory_gib, grown(IDLE_MEMORY_GIB)),
        duration_s=_at_levels(largest.duration_s, grown(IDLE_DURATION_S)),
        request=_asking(largest.request, grown(IDLE_MEMORY_GIB)(largest.request.memory_gib)),
    )


def _on_line(one: _Place, other: _Place, value: float) -> InputClass:
    """The need between two places, or beyond the second."""
    (smaller, lower), (larger, upper) = one, other
    share = (value - smaller) / (larger - smaller)

    def at(less: float, more: float) -> float:
        return max(0.0, less + (more - less) * share)

    def mixed(less: Quantity, more: Quantity) -> Quantity:
        p50, p80, p95 = at(less.p50, more.p50), at(less.p80, more.p80), at(less.p95, more.p95)
        # The levels may cross beyond what was seen.
        return replace(more, p50=p50, p80=max(p50, p80), p95=max(p50, p80, p95))

    return replace(
        upper,
        memory_gib=mixed(lower.memory_gib, upper.memory_gib),
        cores=mixed(lower.cores, upper.cores),
        duration_s=mixed(lower.duration_s, upper.duration_s),
        request=_asking(upper.request, at(lower.request.memory_gib, upper.request.memory_gib)),
    )


def _at_levels(figure: Quantity, level: Callable[[float], float]) -> Quantity:
    return replace(figure, p50=level(figure.p50), p80=level(figure.p80), p95=level(figure.p95))


def _asking(request: ResourceRequest, memory_gib: float) -> ResourceRequest:
    asked = min(round_up(max(memory_gib, MEMORY_STEP_GIB), MEMORY_STEP_GIB), LARGEST_MEMORY_GIB)
    return replace(request, memory_gib=asked)
