"""A job's share of the machine: which CPUs, how nice, how many threads its libraries may start."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Linux gives a process 1.25 times the time of one that is a nice level above it.
_NICE_STEP = 1.25
_NICEST = 19
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuShare:
    """
    What a job gets of the host's CPUs.

    Attributes:
        cores: What it was granted.
        cpus: CPUs it may run on; empty: all of them.
    """

    cores: float
    cpus: tuple[int, ...]

    @property
    def thread_environment(self) -> dict[str, str]:
        """Keeps numeric libraries from starting a thread for every CPU of the host."""
        threads = str(max(1, math.floor(self.cores)))
        return dict.fromkeys(_THREAD_VARIABLES, threads)


def cpu_share(cores: float, *, host_cpus: Sequence[int], held: Iterable[CpuShare]) -> CpuShare:
    """
    The share for a job that was granted so many cores.

    With fewer than the host has, the job may run on ``ceil(cores)`` CPUs: those that the fewest
    granted cores share so far. See :func:`nice_beside` for what it gets of them.

    Args:
        cores: Granted cores, > 0.
        host_cpus: CPUs that the pool may use.
        held: Shares of the jobs that run now.

    >>> cpu_share(0.5, host_cpus=(0, 1), held=[CpuShare(cores=1, cpus=(0,))])
    CpuShare(cores=0.5, cpus=(1,))
    """
    wanted = math.ceil(cores)
    if wanted >= len(host_cpus):
        return CpuShare(cores=cores, cpus=())
    load: Counter[int] = Counter()
    for share in held:
        cpus = share.cpus or host_cpus
        for cpu in cpus:
            load[cpu] += share.cores / len(cpus)  # type: ignore[assignment]  # counts may be fractions
    least = sorted(host_cpus, key=lambda cpu: (load[cpu], cpu))[:wanted]
    return CpuShare(cores=cores, cpus=tuple(sorted(least)))


def nice_beside(cores: float, largest: float) -> int:
    """
    The nice level of a job beside the largest one that runs.

    Of a CPU that both want, it gets as much as its granted cores are of the other's, where a whole core
    is as good as several: ``nice = log(largest / cores) / log(1.25)``, rounded, at most 19 – 3 for half a
    core beside a whole one, 10 for a tenth. Jobs that were granted the same are not niced, however little
    that is: beside everything else on the machine they run like the processes of Airflow's own executor.

    Args:
        cores: Granted to the job, > 0.
        largest: The most that a job which runs was granted, itself included.

    >>> [nice_beside(cores, 1.0) for cores in (2.0, 1.0, 0.5, 0.1)]
    [0, 0, 3, 10]
    >>> nice_beside(0.1, 0.1)
    0
    """
    if cores >= min(1.0, largest):
        return 0
    return min(_NICEST, round(math.log(min(1.0, largest) / cores) / math.log(_NICE_STEP)))
