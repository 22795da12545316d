"""
Other ways to choose a configuration, from their public descriptions.

A peer sees the times of other tasks and, one after another, those of its own probes, and the price and make
of every configuration. It names the next probe, and in the end its choice: the cheapest of its probes that
went well unless it predicts.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np

from aiops_provider.profiling.configuration_prior import configuration_kernel
from aiops_provider.profiling.machine_choice import (
    Configuration,
    ConfigurationRun,
    MachineChooser,
)
from benchmarks.profiling.machine_tables import Table

Times = dict[str, float | None]


class Chooser(ABC):
    """
    Chooses for one task of a table.

    Args:
        table: All tasks; the own row may only be seen through probes.
        task: Which.
        rng: Of everything random.
    """

    def __init__(self, table: Table, task: str, rng: np.random.Generator) -> None:
        self.task, self.rng = task, rng
        self.known = table.without(task)
        self.open: list[Configuration] = [
            table.configurations[name] for name in sorted(table.times[task])
        ]
        self.probes: Times = {}

    def tell(self, configuration: str, duration: float | None) -> None:
        """A probe has ended."""
        self.probes[configuration] = duration

    @abstractmethod
    def next_probe(self) -> str:
        """Which configuration to try next."""

    @abstractmethod
    def choice(self) -> str:
        """Which configuration to run on from now on."""

    def untried(self) -> list[Configuration]:
        """Configurations without a probe; all, when all were tried."""
        return [one for one in self.open if one.name not in self.probes] or self.open

    def best_probe(self) -> str | None:
        """The cheapest probe that went well."""
        prices = {one.name: one.usd_per_hour for one in self.open}
        good = {name: s * prices[name] for name, s in self.probes.items() if s is not None}
        return min(good, key=lambda name: good[name]) if good else None

    def matrix(self, *, failures: bool = False) -> tuple[list[str], np.ndarray]:
        """
        Names of the other tasks and the logarithms of their times, NaN where there is none.

        Args:
            failures: Take a failure for a time at which it would cost ten times the task's best.
        """
        place = {one.name: i for i, one in enumerate(self.open)}
        tasks = sorted({run.task for run in self.known})
        rows = np.full((len(tasks), len(place)), np.nan)
        for run in self.known:
            if run.duration_s is not None:
                rows[tasks.index(run.task), place[run.configuration]] = math.log(run.duration_s)
        if failures:
            best = np.nanmin(rows + self.log_prices(), axis=1)
            for run in self.known:
                if run.duration_s is None:
                    task, column = tasks.index(run.task), place[run.configuration]
                    rows[task, column] = best[task] + math.log(10.0) - self.log_prices()[column]
        return tasks, rows

    def log_prices(self) -> np.ndarray:
        """Logarithms of the prices, in order."""
        return np.log([one.usd_per_hour for one in self.open])


class Ours(Chooser):
    """The package's chooser."""

    def _chooser(self) -> MachineChooser:
        own = [ConfigurationRun(self.task, name, s) for name, s in self.probes.items()]
        return MachineChooser(self.open, [*self.known, *own])

    def next_probe(self) -> str:
        """As the base class says."""
        found = self._chooser().next_probe(self.task)
        return found.configuration.name if found else self.open[0].name

    def choice(self) -> str:
        """As the base class says."""
        return self._chooser().choose(self.task).configuration.name


class Fixed(Chooser):
    """The configuration with the best geometric mean of cost over the other tasks."""

    def ranked(self) -> list[str]:
        """Configurations from the best on; those that failed for a task count ten times its best."""
        _, rows = self.matrix()
        costs = rows + self.log_prices()
        best = np.nanmin(costs, axis=1, keepdims=True)
        ran = self._ran()
        above = np.where(np.isnan(costs), math.log(10.0), costs - best)
        mean = np.where(ran, above, 0.0).sum(axis=0) / np.maximum(ran.sum(axis=0), 1)
        mean = np.where(ran.sum(axis=0) * 2 >= len(rows), mean, np.inf)
        return [self.open[i].name for i in np.argsort(mean, kind="stable")]

    def _ran(self) -> np.ndarray:
        place = {one.name: i for i, one in enumerate(self.open)}
        tasks = sorted({run.task for run in self.known})
        ran = np.zeros((len(tasks), len(place)), dtype=bool)
        for run in self.known:
            ran[tasks.index(run.task), place[run.configuration]] = True
        return ran

    def next_probe(self) -> str:
        """As the base class says."""
        return next(name for name in self.ranked() if name not in self.probes)

    def choice(self) -> str:
        """As the base class says."""
        return self.best_probe() or next(name for name in self.ranked() if name not in self.probes)


class Cheapest(Chooser):
    """The lowest price per hour, then the next."""

    def next_probe(self) -> str:
        """As the base class says."""
        return min(self.untried(), key=lambda one: (one.usd_per_hour, one.name)).name

    def choice(self) -> str:
        """As the base class says."""
        return self.best_probe() or self.next_probe()


class Random(Chooser):
    """Random search."""

    def next_probe(self) -> str:
        """As the base class says."""
        return str(self.rng.choice([one.name for one in self.untried()]))

    def choice(self) -> str:
        """As the base class says."""
        return self.best_probe() or self.next_probe()


class Neighbours(Chooser):
    """
    Collaborative filtering: the mean of other tasks' profiles, the nearer in the probes the heavier.

    Probes are random; without any, all tasks weigh alike.
    """

    def _predicted(self) -> np.ndarray:
        _, rows = self.matrix(failures=True)
        place = {one.name: i for i, one in enumerate(self.open)}
        seen = [place[name] for name, s in self.probes.items() if s is not None]
        own = np.array([math.log(s) for s in self.probes.values() if s is not None])
        level = np.nanmean(rows, axis=1, keepdims=True)
        if not seen:
            return np.nan_to_num(np.nanmean(rows - level, axis=0), nan=0.0)
        rows = rows[np.isfinite(rows[:, seen]).all(axis=1)]
        shift = (own - rows[:, seen]).mean(axis=1)
        distance = ((rows[:, seen] + shift[:, None] - own) ** 2).mean(axis=1)
        weights = 1.0 / (distance + 1e-2)
        moved = rows + shift[:, None]
        ok = np.isfinite(moved)
        return (np.where(ok, moved, 0.0) * weights[:, None]).sum(axis=0) / np.maximum(
            (ok * weights[:, None]).sum(axis=0), 1e-12
        )

    def next_probe(self) -> str:
        """As the base class says."""
        return str(self.rng.choice([one.name for one in self.untried()]))

    def choice(self) -> str:
        """As the base class says."""
        costs = self._predicted() + self.log_prices()
        for i, one in enumerate(self.open):
            if one.name in self.probes:
                told = self.probes[one.name]
                costs[i] = math.inf if told is None else math.log(told) + self.log_prices()[i]
        return self.open[int(np.argmin(costs))].name


class Factors(Neighbours):
    """Quasar-like: the completed matrix's leading singular vectors, fitted to random probes."""

    rank = 3

    def _predicted(self) -> np.ndarray:
        _, rows = self.matrix(failures=True)
        if not any(s is not None for s in self.probes.values()):
            return super()._predicted()
        level = np.nanmean(rows, axis=1, keepdims=True)
        centred = rows - level
        profile = np.nan_to_num(np.nanmean(centred, axis=0), nan=0.0)
        filled = np.where(np.isnan(centred), profile, centred) - profile
        _, _, vectors = np.linalg.svd(filled, full_matrices=False)
        place = {one.name: i for i, one in enumerate(self.open)}
        seen = [place[name] for name, s in self.probes.items() if s is not None]
        own = np.array([math.log(s) for s in self.probes.values() if s is not None])
        basis = np.vstack([np.ones(len(self.open)), vectors[: self.rank]]).T
        # A light ridge on the factors; the level is free.
        penalty = np.diag([0.0, *[0.1] * (basis.shape[1] - 1)])
        chosen = basis[seen]
        factors = np.linalg.lstsq(
            chosen.T @ chosen + penalty, chosen.T @ (own - profile[seen]), rcond=None
        )[0]
        return profile + basis @ factors


class BayesianOptimisation(Chooser):
    """CherryPick-like: a Gaussian process over the configurations' make, expected improvement."""

    def _posterior(self) -> tuple[np.ndarray, np.ndarray] | None:
        place = {one.name: i for i, one in enumerate(self.open)}
        seen = [place[name] for name, s in self.probes.items() if s is not None]
        if not seen:
            return None
        kernel = configuration_kernel(
            [{**one.features, "usd": one.usd_per_hour} for one in self.open]
        )
        told = np.array([math.log(s) for s in self.probes.values() if s is not None])
        told = told + self.log_prices()[seen]
        centre, scale = told.mean(), max(told.std(), 0.3)
        gram = kernel[np.ix_(seen, seen)] + 1e-2 * np.eye(len(seen))
        gain = np.linalg.solve(gram, kernel[seen]).T
        mean = centre + gain @ (told - centre)
        variance = np.maximum(1.0 - (gain * kernel[:, seen]).sum(axis=1), 1e-9) * scale**2
        return mean, np.sqrt(variance)

    def next_probe(self) -> str:
        """As the base class says."""
        found = self._posterior()
        if found is None:
            return str(self.rng.choice([one.name for one in self.untried()]))
        from scipy.special import ndtr

        mean, deviation = found
        prices = {one.name: one.usd_per_hour for one in self.open}
        best = min(math.log(s * prices[name]) for name, s in self.probes.items() if s is not None)
        z = (best - mean) / deviation
        gain = (best - mean) * ndtr(z) + deviation * np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
        untried = {one.name for one in self.untried()}
        order = np.argsort(-gain, kind="stable")
        return next(self.open[i].name for i in order if self.open[i].name in untried)

    def choice(self) -> str:
        """As the base class says."""
        return self.best_probe() or self.next_probe()


PEERS: Mapping[str, type[Chooser]] = {
    "best fixed of the others": Fixed,
    "lowest price per hour": Cheapest,
    "random search": Random,
    "kNN (collaborative filtering)": Neighbours,
    "factorisation (Quasar-like)": Factors,
    "Bayesian optimisation (CherryPick-like)": BayesianOptimisation,
}
