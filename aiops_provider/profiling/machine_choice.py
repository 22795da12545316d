"""
On which configuration of machines should a task run, and which one is worth trying next?

Prices are known, so time is what has to be predicted. Other tasks that ran on several configurations show
how times go together: a task's profile over the configurations – the logarithm of its times, less their
mean – is a draw from a normal distribution whose mean and covariance they estimate, those with a name
like its own more than others (see ``configuration_prior``). A few runs of the task itself (probes) then
tell its level and bend the profile. The next probe is the one with the largest expected improvement
(Jones et al., 1998), as in CherryPick (Alipourfard et al., NSDI 2017).

Failures tell no time. How likely a configuration is to fail is the share of like tasks that failed there,
those counting most that fared as this task did in its own probes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aiops_provider.domain.units import SECONDS_PER_HOUR
from aiops_provider.errors import DataError
from aiops_provider.profiling.configuration_prior import ConfigurationPrior, configuration_kernel

Floats = NDArray[np.float64]

# A failed run is paid for and has to be repeated elsewhere, usually after a person has looked at it.
_FAILURE_FACTOR = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """
    Machines that a task can run on.

    Attributes:
        name: Tells it from the others, such as ``4 x m5.xlarge``.
        usd_per_hour: Price of all its machines together, > 0.
        features: What it is made of: figures > 0 (machines, cores, GiB) and words (family).
    """

    name: str
    usd_per_hour: float
    features: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConfigurationRun:
    """
    A run of a task on a configuration.

    Attributes:
        task: Its name; words in it tell which tasks are alike.
        configuration: Its name.
        duration_s: Seconds, > 0; ``None`` if it failed or was stopped.
    """

    task: str
    configuration: str
    duration_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationForecast:
    """
    What a run on a configuration would take.

    Attributes:
        configuration: Which.
        p50_s: Median time, seconds.
        log_scale: Standard deviation of its natural logarithm.
        cost_usd: Median time at the configuration's price.
        failure: Odds that it fails there, in [0, 1].
        probed: Whether the task ran there.
    """

    configuration: Configuration
    p50_s: float
    log_scale: float
    cost_usd: float
    failure: float
    probed: bool


class MachineChooser:
    """
    Chooses among configurations for one task after another.

    Takes O(tasks x configurations²) once per task, a few milliseconds for dozens of tasks and a hundred
    configurations; what it found is kept.

    Args:
        configurations: That may be chosen, at least one.
        runs: Of other tasks and of this one, in any order. Several of a task on one configuration
            count as one with their median; it failed there if most of them did.

    Raises:
        DataError: No configurations, two of one name, a price, time or figure that is not above 0, or a
            run on an unknown configuration.
    """

    def __init__(
        self, configurations: Sequence[Configuration], runs: Sequence[ConfigurationRun]
    ) -> None:
        _check(configurations, runs)
        self._configurations = tuple(sorted(configurations, key=lambda one: one.name))
        self._place = {one.name: i for i, one in enumerate(self._configurations)}
        self._kernel = configuration_kernel([one.features for one in self._configurations])
        self._tasks: dict[str, Floats] = {}
        runs_of: dict[tuple[str, str], list[float | None]] = {}
        for run in runs:
            runs_of.setdefault((run.task, run.configuration), []).append(run.duration_s)
        for (task, configuration), durations in runs_of.items():
            row = self._tasks.setdefault(task, np.full(len(self._place), np.nan))
            row[self._place[configuration]] = _typical(durations)
        self._told: dict[str, tuple[ConfigurationForecast, ...]] = {}

    def forecast(self, task: str) -> tuple[ConfigurationForecast, ...]:
        """
        What a run of a task would take on each configuration, in order of name.

        Args:
            task: Its name; its own runs are its probes.
        """
        if task not in self._told:
            self._told[task] = self._forecast(task)
        return self._told[task]

    def _forecast(self, task: str) -> tuple[ConfigurationForecast, ...]:
        probes = self._tasks.get(task, np.full(len(self._place), np.nan))
        others = {name: row for name, row in self._tasks.items() if name != task}
        prior = ConfigurationPrior.of(task, others, self._kernel)
        centre, deviation = prior.given(probes)
        failure = prior.failures(probes)
        return tuple(
            ConfigurationForecast(
                configuration=one,
                p50_s=math.exp(centre[i]),
                log_scale=float(deviation[i]),
                cost_usd=math.exp(centre[i]) * one.usd_per_hour / SECONDS_PER_HOUR,
                failure=float(failure[i]),
                probed=bool(np.isfinite(probes[i]) or np.isinf(probes[i])),
            )
            for i, one in enumerate(self._configurations)
        )

    def choose(self, task: str, *, time_weight: float = 0.0) -> ConfigurationForecast:
        """
        The configuration of the lowest expected cost.

        Args:
            task: Its name.
            time_weight: 0 for the least cost, 1 for the least time; between, their weighted product.

        Raises:
            DataError: The task failed on every configuration.
        """
        found = [one for one in self.forecast(task) if not (one.probed and one.failure == 1.0)]
        if not found:
            raise DataError(
                "it failed on every configuration",
                field="task",
                value=task,
                mend="Give it other configurations.",
            )
        return cheapest(found, time_weight=time_weight)

    def next_probe(self, task: str, *, time_weight: float = 0.0) -> ConfigurationForecast | None:
        """
        The configuration that is most worth trying, ``None`` when all were tried.

        Before any run went well, the one of the lowest expected cost; then the one with the largest
        expected improvement over the best.
        """
        found = self.forecast(task)
        open_ones = [one for one in found if not one.probed]
        good = [_expected(one, time_weight) for one in found if one.probed and one.failure < 1.0]
        if not open_ones:
            return None
        if not good:
            return min(
                open_ones, key=lambda one: (_expected(one, time_weight), one.configuration.name)
            )
        return max(
            open_ones,
            key=lambda one: (
                _improvement(min(good) - _expected(one, time_weight), one.log_scale),
                one.configuration.name,
            ),
        )


def cheapest(
    forecasts: Sequence[ConfigurationForecast], *, time_weight: float = 0.0
) -> ConfigurationForecast:
    """
    The forecast of the lowest expected cost.

    Args:
        forecasts: At least one.
        time_weight: As for :meth:`MachineChooser.choose`.
    """
    return min(forecasts, key=lambda one: (_expected(one, time_weight), one.configuration.name))


def _expected(one: ConfigurationForecast, time_weight: float) -> float:
    """Logarithm of the cost, with a failure's share."""
    price = math.log(one.configuration.usd_per_hour)
    return (
        math.log(one.p50_s) + (1.0 - time_weight) * price + one.failure * math.log(_FAILURE_FACTOR)
    )


def _improvement(gain: float, deviation: float) -> float:
    """Expected improvement of a normal variable that is better by *gain* on average."""
    if deviation <= 0.0:
        return max(gain, 0.0)
    z = gain / deviation
    density = math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    return gain * 0.5 * math.erfc(-z / math.sqrt(2.0)) + deviation * density


def _typical(durations: Sequence[float | None]) -> float:
    """Median of the runs that went well; infinite if most failed."""
    good = [one for one in durations if one is not None]
    return float(np.median(good)) if 2 * len(good) >= len(durations) else math.inf


def _check(configurations: Sequence[Configuration], runs: Sequence[ConfigurationRun]) -> None:
    if not configurations:
        raise DataError("is empty", field="configurations", mend="Name at least one.")
    names: set[str] = set()
    for one in configurations:
        if one.name in names:
            raise DataError(
                "is there twice", field="configuration", value=one.name, mend="Tell them apart."
            )
        names.add(one.name)
        _above_zero("usd_per_hour", one.usd_per_hour)
        for name, value in one.features.items():
            if not isinstance(value, str):
                _above_zero(name, value)
    for run in runs:
        if run.configuration not in names:
            raise DataError(
                "is no configuration that was given",
                field="configuration",
                value=run.configuration,
                mend="Describe it with its price.",
            )
        if run.duration_s is not None:
            _above_zero("duration_s", run.duration_s)


def _above_zero(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise DataError("is no finite figure above 0", field=name, value=value, mend="Give one.")
