"""Machines with whole and fractional GPUs, what is free on them, and the kinds of tasks they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aiops_provider.errors import DataError

# All amounts are integers, so that what is taken and given back leaves no dust.
GPU_MILLI: Final = 1000

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TaskKind:
    """
    What tasks of one kind ask for.

    Attributes:
        cores_milli: Thousandths of a core.
        memory_mib: MiB of main memory.
        gpus: Number of GPUs; 0 for a task without.
        gpu_milli: Thousandths of each GPU; less than 1000 only for a single one, 0 without GPUs.
        models: GPU models it may use; empty for any.

    Raises:
        DataError: If an amount is negative, or the share does not go with the number of GPUs.
    """

    cores_milli: int
    memory_mib: int
    gpus: int = 0
    gpu_milli: int = 0
    models: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("cores_milli", "memory_mib", "gpus"):
            if getattr(self, name) < 0:
                raise DataError(f"{name} of a task is {getattr(self, name)}: give 0 or more")
        shares = {0: (0, 0), 1: (1, GPU_MILLI)}.get(self.gpus, (GPU_MILLI, GPU_MILLI))
        if not shares[0] <= self.gpu_milli <= shares[1]:
            raise DataError(
                f"gpu_milli of a task with {self.gpus} GPUs is {self.gpu_milli}: "
                f"give {shares[0]} to {shares[1]}"
            )

    @property
    def total_gpu_milli(self) -> int:
        """Thousandths of GPUs in all."""
        return self.gpus * self.gpu_milli


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine as it is when empty; all of its GPUs are of one model."""

    name: str
    cores_milli: int
    memory_mib: int
    gpus: int = 0
    model: str = ""


class Fleet:
    """
    What is free on each machine; changed by :meth:`take` and :meth:`give_back` only.

    Not for several threads at once.

    Attributes:
        machines: In the order that decides between equals.
        cores: Free thousandths of cores, shape (machines,).
        memory: Free MiB, shape (machines,).
        gpus: Free thousandths of each GPU, shape (machines, most GPUs of a machine).
        gpu_milli: Thousandths of GPUs of all machines, free or not.
        most_cores: Thousandths of cores of the largest machine, at least 1.
        most_gpus: Thousandths of GPUs of the largest machine, at least 1.
    """

    __slots__ = (
        "cores",
        "gpu_milli",
        "gpus",
        "machines",
        "memory",
        "models",
        "most_cores",
        "most_gpus",
    )

    def __init__(self, machines: Sequence[Machine]) -> None:
        if not machines:
            raise DataError("a fleet has no machine: give at least one")
        self.machines = tuple(machines)
        self.models = np.array([machine.model for machine in machines])
        self.cores: Integers = np.array([machine.cores_milli for machine in machines])
        self.memory: Integers = np.array([machine.memory_mib for machine in machines])
        width = max(*(machine.gpus for machine in machines), 1)
        self.gpus: Integers = np.zeros((len(machines), width), dtype=np.int64)
        for row, machine in enumerate(machines):
            self.gpus[row, : machine.gpus] = GPU_MILLI
        self.gpu_milli = int(self.gpus.sum())
        self.most_cores = max(int(self.cores.max()), 1)
        self.most_gpus = max(int(self.gpus.sum(axis=1).max()), 1)

    @property
    def allocated(self) -> float:
        """Share of the GPUs that is taken, 0 to 1; 0 without GPUs."""
        free = int(self.gpus.sum())
        return (self.gpu_milli - free) / self.gpu_milli if self.gpu_milli else 0.0

    def accessible(self, kind: TaskKind) -> Flags:
        """Machines whose model suits, full or not; tasks without GPUs suit all."""
        if not kind.models:
            return np.ones(len(self.machines), dtype=bool)
        return np.isin(self.models, kind.models)

    def fitting(self, kind: TaskKind) -> Flags:
        """Machines with enough of everything free."""
        fits: Flags = (self.cores >= kind.cores_milli) & (self.memory >= kind.memory_mib)
        if kind.gpus:
            fits &= (self.gpus >= kind.gpu_milli).sum(axis=1) >= kind.gpus
        return fits & self.accessible(kind)

    def whole_gpus(self, row: int, count: int) -> Integers:
        """The first GPUs of a machine that are entirely free, at most *count*."""
        found: Integers = np.flatnonzero(self.gpus[row] == GPU_MILLI)[:count]
        return found

    def take(self, row: int, kind: TaskKind, devices: Sequence[int] | Integers) -> None:
        """Reserve for one task; the caller has checked that it fits."""
        self._change(row, kind, devices, -1)

    def give_back(self, row: int, kind: TaskKind, devices: Sequence[int] | Integers) -> None:
        """Release what :meth:`take` reserved."""
        self._change(row, kind, devices, 1)

    def _change(
        self, row: int, kind: TaskKind, devices: Sequence[int] | Integers, sign: int
    ) -> None:
        self.cores[row] += sign * kind.cores_milli
        self.memory[row] += sign * kind.memory_mib
        if kind.gpus:
            self.gpus[row, devices] += sign * kind.gpu_milli
