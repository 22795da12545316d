"""How much of a machine's free GPUs the tasks to come are expected to be unable to use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from aiops_provider.errors import DataError
from aiops_provider.placement.fleet import Flags, Floats, Integers, TaskKind


class Fragmentation:
    """
    Expected fragment of a machine's free GPUs, in thousandths of a GPU.

    ``F = sum_t p[t] * f[t]``: for a kind of task *t* that does not fit, ``f[t]`` is all that is
    free; for one that fits, what is free on GPUs too full for its share.

    Source: Weng et al., USENIX ATC 2023, section 3.

    Args:
        typical: Kinds of tasks to come and their weights, see
            :func:`aiops_provider.placement.packing.typical_tasks`.

    Raises:
        DataError: If there is no kind.
    """

    __slots__ = ("_cores", "_count", "_level", "_levels", "_models", "_weights")

    def __init__(self, typical: Mapping[TaskKind, float]) -> None:
        if not typical:
            raise DataError("no typical task: give the kinds of tasks that will come")
        kinds = list(typical)
        self._weights: Final = np.array(list(typical.values()))
        self._cores: Final = np.array([kind.cores_milli for kind in kinds])
        # No machine has so many GPUs: to a task without any, every free GPU is of no use.
        self._count: Final = np.array([kind.gpus or np.iinfo(np.int64).max for kind in kinds])
        self._models: Final = [kind.models for kind in kinds]
        self._levels: Integers
        self._level: Integers
        self._levels, self._level = np.unique(
            np.array([kind.gpu_milli for kind in kinds]), return_inverse=True
        )

    def of(self, model: str, cores: Integers, gpus: Integers) -> Floats:
        """
        Expected fragments of several states of one machine.

        Args:
            model: The model of its GPUs.
            cores: Free thousandths of cores, shape (states,).
            gpus: Free thousandths of each GPU, shape (states, GPUs).

        Returns:
            Thousandths of a GPU, shape (states,).
        """
        total = gpus.sum(axis=1)
        enough: Flags = gpus[:, None, :] >= self._levels[None, :, None]
        usable = np.where(enough, gpus[:, None, :], 0).sum(axis=2)
        suits = np.array([not models or model in models for models in self._models])
        fits = (
            (enough.sum(axis=2)[:, self._level] >= self._count)
            & (cores[:, None] >= self._cores)
            & suits
        )
        fragments: Floats = total - np.where(fits, usable[:, self._level], 0) @ self._weights
        return fragments
