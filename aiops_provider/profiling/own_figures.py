"""The figures of own runs: each run brought to the input to come and weighted by age and code."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aiops_provider.domain.execution import ExecutionRecord, Outcome
from aiops_provider.domain.profile import Quantity, Source
from aiops_provider.domain.task import TaskRun
from aiops_provider.domain.workload import TaskDescription, input_size
from aiops_provider.profiling.code_change import (
    CodeChange,
    CodeVersion,
    change_in_words,
    code_change,
    code_versions,
)
from aiops_provider.profiling.evidence import Reading
from aiops_provider.profiling.input_size import SizeEffect, size_effect
from aiops_provider.profiling.level_change import runs_since_change
from aiops_provider.profiling.quantiles import (
    DEFAULT_LOG_SCALE,
    LEVELS,
    Observation,
    above_records,
    few_run_quantiles,
)


@dataclass(frozen=True, slots=True)
class InputSizes:
    """Size of the input to come and of each run, both in GiB or both in rows."""

    wanted: float | None
    of: Callable[[ExecutionRecord], float | None]


def input_sizes(description: TaskDescription | None, runs: Sequence[ExecutionRecord]) -> InputSizes:
    """In GiB where the description and a run tell it, else in rows, else unknown."""
    gib, rows = input_size(description)
    if gib and any(r.input_gib for r in runs):
        return InputSizes(gib, lambda r: r.input_gib)
    if rows and any(r.input_rows for r in runs):
        return InputSizes(float(rows), lambda r: r.input_rows)
    return InputSizes(None, lambda _: None)


def versions_of(runs: Sequence[ExecutionRecord]) -> dict[TaskRun, CodeVersion | None]:
    """By run, see :func:`code_versions`."""
    return {r.run: version for r, version in zip(runs, code_versions(runs), strict=True)}


@dataclass(frozen=True, slots=True)
class Figure:
    """
    What the runs say about one figure.

    Attributes:
        what: Its name.
        readings: One per run that measured it, oldest first.
        effect: How the input's size enters.
        observations: The readings at the size to come, weighted by age.
        change: What a change of code does to it; ``None`` without one.
    """

    what: str
    readings: Sequence[Reading]
    effect: SizeEffect | None
    observations: Sequence[Observation]
    change: CodeChange | None

    @property
    def pairs(self) -> list[tuple[Reading, float]]:
        """The readings with their values at the size to come."""
        return [(r, o.value) for r, o in zip(self.readings, self.observations, strict=True)]

    @property
    def doubted(self) -> Mapping[CodeVersion | None, float]:
        """Versions of the code that may need something else than that of today, with the factor."""
        return self.change.doubted if self.change else {}

    @property
    def worth(self) -> float | None:
        """How many runs the readings are worth, where that is less than their weights tell."""
        return self.change.runs if self.change and self.change.doubted else None


@dataclass(frozen=True, slots=True)
class OwnFigures:
    """
    What is the same for all figures: how much each run counts, and the input to come.

    Attributes:
        weights: By age.
        versions: Of the code; ``None`` for that of today.
        sizes: Of the inputs.
        now: The present moment.
    """

    weights: Mapping[TaskRun, float]
    versions: Mapping[TaskRun, CodeVersion | None]
    sizes: InputSizes
    now: datetime

    def figure(self, what: str, readings: Sequence[Reading], *, idle: float = 0.0) -> Figure:
        """
        A figure.

        Args:
            what: Its name.
            readings: Oldest first.
            idle: What no input needs; 0 for a figure that does not grow with the input.
        """
        found = self._seen(what, readings, {}, idle)
        if not (idle and found.doubted):
            return found
        # Two levels would bend the line through the sizes, and the new runs are too few for one.
        return self._seen(what, readings, found.doubted, idle)

    def _seen(
        self,
        what: str,
        readings: Sequence[Reading],
        levels: Mapping[CodeVersion | None, float],
        idle: float,
    ) -> Figure:
        effect = self._effect(readings, levels, idle) if idle else None
        factors = [self.factor(effect, r.record) for r in readings]
        observations = [
            Observation(r.value * f, self.weights[r.record.run], r.censored, r.beyond * f)
            for r, f in zip(readings, factors, strict=True)
        ]
        change = code_change(observations, [self.versions[r.record.run] for r in readings])
        return Figure(what, readings, effect, observations, change)

    def _effect(
        self, readings: Sequence[Reading], levels: Mapping[CodeVersion | None, float], idle: float
    ) -> SizeEffect | None:
        if not self.sizes.wanted:
            return None
        points = [
            (size, r.value * levels.get(self.versions[r.record.run], 1.0))
            for r in readings
            if not r.censored and (size := self.sizes.of(r.record))
        ]
        return size_effect(points, constant_if_unknown=idle)

    def factor(self, effect: SizeEffect | None, record: ExecutionRecord) -> float:
        """By what a figure of this run is multiplied for the input to come."""
        if effect is None or not self.sizes.wanted:
            return 1.0
        return effect.factor(seen=self.sizes.of(record), wanted=self.sizes.wanted)

    def quantity(self, figure: Figure, *, scale: float = DEFAULT_LOG_SCALE) -> Quantity | None:
        """Its quantiles; ``None`` if no run measured it."""
        readings, effect, change = figure.readings, figure.effect, figure.change
        if not readings:
            return None
        observations = figure.observations
        weights = change.weights if change else [o.weight for o in observations]
        alike = self._alike(figure)
        since = runs_since_change([value for _, value in alike])
        if since:
            # Together one run: not forgotten, in case that the old level comes back.
            first = next(i for i, r in enumerate(readings) if r is alike[-since][0])
            before = max(1.0, math.fsum(weights[:first]))
            weights = [w / before for w in weights[:first]] + [*weights[first:]]
        observations = [replace(o, weight=w) for o, w in zip(observations, weights, strict=True)]
        worth = None if since else figure.worth
        p50, p80, p95 = few_run_quantiles(observations, default_scale=scale, runs=worth)
        if change and change.doubted and not change.risen:
            # Code that seems to need less is no reason to ask for more than before.
            before_change = few_run_quantiles(figure.observations, default_scale=scale)
            p50, p80, p95 = map(min, (p50, p80, p95), before_change)
        bend = effect.bend(self.sizes.wanted) if effect and self.sizes.wanted else 1.0
        return Quantity(
            p50=p50,
            p80=p80 * bend,
            p95=p95 * bend,
            source=Source.OWN_HISTORY,
            sample_count=len(readings),
            reason=self._reason(figure, since),
        )

    def with_records(self, quantity: Quantity, figure: Figure, scale: float) -> Quantity:
        """The quantity of this figure, widened while the runs keep breaking their record."""
        risen = figure.change is not None and figure.change.risen
        runs = self._alike(figure) if risen else figure.pairs
        exact = [value for reading, value in runs if not reading.censored]
        if len(exact) < 2:
            return quantity
        p80, p95 = above_records(exact, levels=LEVELS[1:], default_scale=scale)
        if p95 <= quantity.p95:
            return quantity
        return replace(
            quantity,
            p80=max(quantity.p80, p80),
            p95=p95,
            reason=f"{quantity.reason}; its runs keep needing more than those before",
        )

    def _alike(self, figure: Figure) -> list[tuple[Reading, float]]:
        """
        The readings whose code is not doubted, with their values.

        A lower bound counts as a value: above all that was seen it tells of a change as well.
        """
        return [
            (reading, value)
            for reading, value in figure.pairs
            if self.versions[reading.record.run] not in figure.doubted
        ]

    def _reason(self, figure: Figure, since: int | None) -> str:
        readings = figure.readings
        growth = self.factor(figure.effect, readings[-1].record)
        count = len(readings)
        newest = age_in_words(self.now - readings[-1].record.ended_at)
        plural = "s" if count != 1 else ""
        parts = [f"{figure.what} of {count} own run{plural}, newest {newest} ago"]
        if figure.change:
            parts.append(_told_of(readings, figure.change))
        if abs(growth - 1) >= 0.005:
            word = "growth" if growth > 1 else "shrinkage"
            parts.append(f"{100 * (growth - 1):+.0f} % for input {word}")
        if since:
            runs = "run" if since == 1 else f"{since} runs"
            parts.append(f"its level changed with the last {runs}, those before count as one")
        kills = sum(r.record.outcome is Outcome.OUT_OF_MEMORY for r in readings)
        if kills:
            parts.append(f"{kills} of them killed for memory, which tells only a lower bound")
        return "; ".join(parts)


def _told_of(readings: Sequence[Reading], change: CodeChange) -> str:
    changed = f"its {change_in_words([r.record for r in readings])} changed"
    if change.newest:
        runs = "run" if change.newest == 1 else f"{change.newest} runs"
        changed = f"{changed} with the last {runs}"
    if not change.doubted:
        if change.unproven:
            return f"{changed}, and there is no proof of a lesser need"
        return f"{changed}, which agree with those before"
    return f"{changed}, the {change.earlier} before count as {change.worth:.1g}"


def age_in_words(age: timedelta) -> str:
    """
    An age as people say it.

    >>> age_in_words(timedelta(minutes=130))
    '2 h'
    """
    seconds = max(0.0, age / timedelta(seconds=1))
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length or (unit == "min" and seconds >= length):
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
