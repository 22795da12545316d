"""
What a run over an input of a given size would take on each configuration, from the task's own runs.

For a job that runs over inputs of all sizes, such as one on a cluster whose machines are rented for it: a
runtime surface over what configurations are made of and the size of the input. It answers for configurations
made of what was seen: other numbers of machines within twice what was tried, no other words (families).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiops_provider.domain.units import SECONDS_PER_HOUR
from aiops_provider.errors import DataError
from aiops_provider.profiling.machine_choice import Configuration, ConfigurationForecast

_FEWEST_RUNS = 5
# Fitting takes time with the cube of it: the newest tell most.
_MOST_RUNS = 200
# So far beyond the figures that were tried a line is trusted.
_REACH = 2.0
_SIZE = "input_gib"


@dataclass(frozen=True, slots=True)
class SizedRun:
    """
    A good run of the task.

    Attributes:
        configuration: Name of the one that it ran on.
        input_gib: Size of its input, > 0.
        duration_s: Seconds, > 0.
    """

    configuration: str
    input_gib: float
    duration_s: float


def forecasts_at(
    configurations: Sequence[Configuration],
    runs: Sequence[SizedRun],
    input_gib: float,
    *,
    failures: Mapping[str, float] | None = None,
) -> tuple[ConfigurationForecast, ...]:
    """
    Forecast one size on every configuration that own runs tell of.

    Args:
        configurations: With their prices and figures; what one lacks of the others' counts for none.
        runs: Of the task, oldest first.
        input_gib: Of the run to come, > 0.
        failures: Odds that it fails, by name of the configuration; default: none.

    Returns:
        In order of name; configurations of whose make no run tells are left out.

    Raises:
        DataError: Fewer than five runs, or a size or time that is not above 0.
    """
    if not (input_gib > 0 and math.isfinite(input_gib)):
        raise DataError("is no size above 0", field=_SIZE, value=input_gib, mend="Give GiB.")
    if len(runs) < _FEWEST_RUNS:
        raise DataError(
            f"{len(runs)} good runs of the task tell the size of their input, which are too few",
            field=_SIZE,
            mend=f"Give {_FEWEST_RUNS} and more in a column {_SIZE}, or leave the size out.",
        )
    from aiops_provider.profiling.runtime_surface import RuntimeSurface

    newest = runs[-_MOST_RUNS:]
    by_name = {one.name: one for one in configurations}
    tried = [by_name[run.configuration] for run in newest]
    make = _Make.of(tried)
    rows = [
        {**make.figures(one), _SIZE: run.input_gib} for one, run in zip(tried, newest, strict=True)
    ]
    surface = RuntimeSurface(rows, [run.duration_s for run in newest])
    probed = {run.configuration for run in newest}
    found = []
    for one in sorted(configurations, key=lambda each: each.name):
        if not make.knows(one):
            continue
        runtime = surface.predict({**make.figures(one), _SIZE: input_gib})
        found.append(
            ConfigurationForecast(
                configuration=one,
                p50_s=runtime.p50_s,
                log_scale=runtime.log_scale,
                cost_usd=runtime.p50_s * one.usd_per_hour / SECONDS_PER_HOUR,
                failure=(failures or {}).get(one.name, 0.0),
                probed=one.name in probed,
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Make:
    """
    What the tried configurations are made of.

    Attributes:
        ranges: Smallest and largest value by figure that all of them have.
        words: Words by feature that all of them have.
    """

    ranges: Mapping[str, tuple[float, float]]
    words: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, tried: Sequence[Configuration]) -> _Make:
        shared = set.intersection(*({*one.features} for one in tried))
        ranges, words = {}, {}
        for name in sorted(shared):
            values = [one.features[name] for one in tried]
            figures = [value for value in values if not isinstance(value, str)]
            if len(figures) == len(values):
                ranges[name] = (min(figures), max(figures))
            else:
                words[name] = frozenset(str(value) for value in values)
        return cls(ranges, words)

    def knows(self, one: Configuration) -> bool:
        """Whether a configuration is made of what was tried."""
        for name, (least, most) in self.ranges.items():
            value = one.features.get(name)
            if value is None or isinstance(value, str):
                return False
            if not least / _REACH <= value <= most * _REACH:
                return False
        return all(str(one.features.get(name)) in known for name, known in self.words.items())

    def figures(self, one: Configuration) -> dict[str, float]:
        """Figures above 0, words as one figure each that is another where the word is met."""
        found = {name: float(one.features[name]) for name in self.ranges}
        for name, known in self.words.items():
            # The last word is what remains.
            for word in sorted(known)[:-1]:
                found[f"{name}={word}"] = math.e if str(one.features[name]) == word else 1.0
        return found
