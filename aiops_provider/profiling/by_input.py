"""One profile per class of input, from the runs of which something was known before they started."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.profile import (
    ByInput,
    InputClass,
    Quantity,
    Source,
    WorkloadProfile,
)
from aiops_provider.profiling.class_levels import brought_to, good_runs, widened
from aiops_provider.profiling.estimate import Estimate
from aiops_provider.profiling.evidence import duration_readings, memory_readings
from aiops_provider.profiling.input_measure import Split, choose_measure, input_class, measured
from aiops_provider.profiling.input_shares import input_shares
from aiops_provider.profiling.own_figures import InputSizes
from aiops_provider.profiling.own_history import IDLE_DURATION_S, IDLE_MEMORY_GIB, OwnHistory
from aiops_provider.profiling.request import request_for

# The classes nearest to the present; a profile travels with every decision.
_MOST_CLASSES = 8
# Beyond the largest size the need grows faster than a line, up to here.
_BEYOND = 4.0
# Older runs change no choice worth the time.
_MOST_RUNS = 64

_Occasion = tuple[float | str, list[ExecutionRecord], InputSizes, int]
"""Where it lies, the runs that tell, how they are brought there, and own runs of a class."""


def by_input(
    profile: WorkloadProfile,
    history: Sequence[ExecutionRecord],
    own: OwnHistory,
    *,
    failure_cost_factor: float,
    requested_gib: float | None,
    now: datetime,
) -> ByInput | None:
    """
    How the need of a task depends on what is known of its input before a run.

    Args:
        profile: For a run of whose input nothing is known.
        history: The task's runs that had ended, oldest first.
        own: Answers for each class.
        failure_cost_factor: See ``request_for``.
        requested_gib: What people ask for, see ``request_for``.
        now: The present moment.

    Returns:
        ``None`` where nothing that was known tells the runs apart.
    """
    runs = [record for record in history if record.inputs and record.outcome.is_task_evidence]
    if len(runs) < 2:
        return None
    split = _split(runs)
    if split is None:
        return None
    maker = _Maker(profile, split.measure, failure_cost_factor, requested_gib)
    bounded = requested_gib is not None
    classes = []
    for at, of_class, sizes, own_runs in _occasions(split, runs):
        estimate = own.estimate(of_class, _always(sizes), bounded=bounded, now=now)
        made = maker.input_class(at, estimate, own_runs)
        if made is not None:
            classes.append(made)
    if len(classes) < 2:
        return None
    by = ByInput(measure=split.measure, classes=tuple(classes), linear=split.effect is not None)
    return replace(by, shares=input_shares(by, runs))


def _split(runs: Sequence[ExecutionRecord]) -> Split | None:
    """By memory, whose shortage kills; else by time."""
    for readings, idle in (
        (memory_readings(runs), IDLE_MEMORY_GIB),
        (duration_readings(runs), IDLE_DURATION_S),
    ):
        exact = [(each.record, each.value) for each in readings if not each.censored][-_MOST_RUNS:]
        split = choose_measure(exact, idle=idle)
        if split is not None:
            return split
    return None


def _occasions(split: Split, runs: Sequence[ExecutionRecord]) -> list[_Occasion]:
    """For each class what tells about it."""
    measure = split.measure
    if split.effect is None:
        return _by_class(measure, runs)

    def size(record: ExecutionRecord) -> float | None:
        value = measured(record, measure)
        return value if isinstance(value, float) and value > 0 else None

    effect = split.effect
    # What lies between two places is on the line through them, so that few will do.
    places = (effect.smallest, effect.largest, effect.largest * _BEYOND)
    sized = [record for record in runs if size(record)]
    return [(place, sized, InputSizes(place, size), 0) for place in places]


def _always(sizes: InputSizes) -> Callable[[Sequence[ExecutionRecord]], InputSizes]:
    return lambda _: sizes


def _by_class(measure: str, runs: Sequence[ExecutionRecord]) -> list[_Occasion]:
    """Also those classes of which no run has ended well yet."""
    members: dict[float | str, list[ExecutionRecord]] = {}
    largest: dict[float | str, float | str] = {}
    for record in runs:  # the classes used last come last
        value = measured(record, measure)
        if value is None:
            continue
        group = input_class(value)
        members[group] = [*members.pop(group, []), record]
        largest[group] = _larger(value, largest.get(group, value))
    kept = list(members)[-_MOST_CLASSES:]
    alike = InputSizes(None, lambda _: None)
    return [
        (largest[group], brought_to(group, members), alike, good_runs(members[group]))
        for group in sorted(kept, key=lambda each: (isinstance(each, str), each))
    ]


def _larger(one: float | str, other: float | str) -> float | str:
    return max(one, other) if isinstance(one, float) and isinstance(other, float) else one


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes the classes of one task, under the pins of its profile."""

    profile: WorkloadProfile
    measure: str
    failure_cost_factor: float
    requested_gib: float | None

    def input_class(
        self, at: float | str, estimate: Estimate | None, own_runs: int
    ) -> InputClass | None:
        """``None`` where the runs do not tell what is needed there."""
        if estimate is None or estimate.explosion or estimate.memory_gib is None:
            return None
        usual = self.profile
        memory, cores = usual.memory_gib, usual.cores
        if memory.source is not Source.PINNED:
            memory = self._settled(estimate.memory_gib, own_runs)
        if cores.source is not Source.PINNED and estimate.cores:
            cores = self._settled(estimate.cores, 0)
        request = request_for(
            memory,
            cores,
            failure_cost_factor=self.failure_cost_factor,
            killed_at_gib=estimate.killed_at_gib,
            killed_first_gib=estimate.killed_first_gib,
            enough_gib=self.requested_gib,
            accelerator=usual.request.accelerator,
            accelerators=usual.request.accelerators,
            local_disk_gib=usual.request.local_disk_gib,
        )
        if memory.source is not Source.PINNED:
            memory = replace(memory, p95=max(memory.p95, estimate.killed_at_gib))
        return InputClass(
            at=at,
            memory_gib=memory,
            cores=cores,
            duration_s=self._settled(estimate.duration_s, own_runs)
            if estimate.duration_s
            else usual.duration_s,
            request=replace(request, accelerator_memory_gib=usual.request.accelerator_memory_gib),
        )

    def _settled(self, figure: Quantity, own_runs: int) -> Quantity:
        """With a reason that does not tell ages: the profile changes when its figures do."""
        if own_runs:
            figure = widened(figure, own_runs)
        runs = f"{figure.sample_count} own run{'s' if figure.sample_count != 1 else ''}"
        return replace(figure, reason=f"{runs}, told apart by {self.measure}")
