"""
Packing of tasks onto machines with GPUs by least growth of fragmentation, as they come or at once.

A free GPU is a fragment as far as the tasks that will come cannot use it: because too few GPUs of
its machine are free enough, or because too few cores are left beside them. Each task goes where it
adds least to what is expected to be a fragment.

Source: Weng et al., Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation
Gradient Descent, USENIX ATC 2023 (FGD).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from aiops_provider.errors import DataError
from aiops_provider.placement.fleet import GPU_MILLI, Fleet, Floats, Integers, TaskKind
from aiops_provider.placement.fragmentation import Fragmentation

# Kinds beyond this share of all tasks are too rare to tell what will come (FGD's experiments).
TYPICAL_COVERAGE = 0.95

# A share leaves a GPU incomplete if more than this of it stays free at best; sizes are seldom round.
WASTED_MILLI = 100

# A step is about 0.04 GPU near no growth; FGD's simulator scores in percent.
SCORE_STEPS = 100


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one task goes: a row of the fleet and GPUs of that machine."""

    row: int
    devices: tuple[int, ...]


class Policy(Protocol):
    """Chooses a machine for a task; it does not change the fleet."""

    def choose(self, fleet: Fleet, kind: TaskKind) -> Placement | None:
        """The place for one task now, ``None`` if it fits nowhere."""


def pack(fleet: Fleet, arrivals: Sequence[TaskKind], policy: Policy) -> list[Placement | None]:
    """
    Place tasks one by one in the order of their arrival; what is placed stays.

    Args:
        fleet: Changed: it holds the tasks afterwards.
        arrivals: In order.
        policy: Decides.

    Returns:
        One per arrival; ``None`` for a task that fitted nowhere.
    """
    placements: list[Placement | None] = []
    for kind in arrivals:
        placement = policy.choose(fleet, kind)
        if placement is not None:
            fleet.take(placement.row, kind, placement.devices)
        placements.append(placement)
    return placements


def typical_tasks(
    counts: Mapping[TaskKind, float], *, coverage: float = TYPICAL_COVERAGE
) -> dict[TaskKind, float]:
    """
    The most frequent kinds and their shares, memory left aside.

    Args:
        counts: How often each kind came.
        coverage: Share of all tasks that the kinds returned must reach, in (0, 1].

    Returns:
        Shares that sum to 1, the most frequent kind first.

    Raises:
        DataError: If nothing was counted.
    """
    merged: dict[TaskKind, float] = {}
    for kind, count in counts.items():
        shape = TaskKind(kind.cores_milli, 0, kind.gpus, kind.gpu_milli, kind.models)
        merged[shape] = merged.get(shape, 0.0) + count
    total = math.fsum(merged.values())
    if total <= 0:
        raise DataError("no task was counted: give the kinds of tasks that came so far")
    ordered = sorted(merged.items(), key=_by_frequency, reverse=True)
    kept: dict[TaskKind, float] = {}
    for kind, count in ordered:
        if math.fsum(kept.values()) >= coverage * total:
            break
        kept[kind] = count
    covered = math.fsum(kept.values())
    return {kind: count / covered for kind, count in kept.items()}


def _by_frequency(item: tuple[TaskKind, float]) -> tuple[float, int, int, int, tuple[str, ...]]:
    kind, count = item
    return count, kind.cores_milli, kind.gpu_milli, kind.gpus, kind.models


def planned_order(tasks: Sequence[TaskKind]) -> list[int]:
    """
    The order in which tasks known beforehand fill the machines best.

    Whole GPUs come first, the largest need before the smaller ones; then shares, those before the
    others whose GPU the shares at hand can complete, and of these the ones that ask for the fewest
    cores per GPU, since cores are what is short beside the last free GPUs; then tasks without GPUs. Where not all can
    run, tasks that leave the worst remainders are left out, which a policy that must take each
    task as it comes cannot do.

    Args:
        tasks: All that want to run.

    Returns:
        Positions in *tasks*.
    """
    shares = Counter(task.gpu_milli for task in tasks if 0 < task.gpu_milli < GPU_MILLI)
    usual = [size for size, count in shares.items() if count * len(shares) >= shares.total() / 2]
    waste = {size: _left_over(GPU_MILLI - size, usual) for size in shares}

    def urgency(position: int) -> tuple[float, ...]:
        task = tasks[position]
        if task.gpus == 0:
            return (2, 0, 0, -task.cores_milli, position)
        if task.gpu_milli == GPU_MILLI:
            return (0, 0, -task.gpus, -task.cores_milli, position)
        wasteful = waste[task.gpu_milli] >= WASTED_MILLI
        return (1, wasteful, task.cores_milli / task.gpu_milli, -task.gpu_milli, position)

    return sorted(range(len(tasks)), key=urgency)


def _left_over(room: int, sizes: Sequence[int]) -> int:
    """The least that any of these sizes, each as often as wanted, leave of the room."""
    reachable = [True] + [False] * room
    for total in range(1, room + 1):
        reachable[total] = any(size <= total and reachable[total - size] for size in sizes)
    return next(left for left in range(room + 1) if reachable[room - left])


class LeastFragmentation:
    """
    FGD: the place where a task adds least to the expected fragments of its machine.

    Args:
        fragmentation: What free GPUs are worth to the tasks to come.
        steps: Scores are rounded down to that many steps between 0 and 1, as the published
            simulator does (100). Without rounding the choice follows noise in what will come and
            starts on ever more machines.
        tightest: Of the many machines that rounding makes equal, take the one with the least left
            over, cores and GPUs weighing the same; else the first, which is FGD as published.
    """

    __slots__ = (
        "_asked",
        "_cores",
        "_device",
        "_fragmentation",
        "_gpus",
        "_known",
        "_score",
        "_shapes",
        "_steps",
        "_tightest",
    )

    def __init__(
        self, fragmentation: Fragmentation, *, steps: int = SCORE_STEPS, tightest: bool = True
    ) -> None:
        self._fragmentation = fragmentation
        self._steps = steps
        self._tightest = tightest
        self._shapes: dict[TaskKind, int] = {}
        self._known: dict[tuple[str, int, bytes], tuple[Floats, Integers]] = {}
        self._asked: Integers = np.zeros((0, 3), dtype=np.int64)
        self._cores: Integers = np.zeros(0, dtype=np.int64)
        self._gpus: Integers = np.zeros((0, 0), dtype=np.int64)
        self._score: Floats = np.zeros((0, 0))
        self._device: Integers = np.zeros((0, 0), dtype=np.int64)

    def choose(self, fleet: Fleet, kind: TaskKind) -> Placement | None:
        """The machine and GPUs of the highest score, the first of equals."""
        shape = self._shape(kind)
        self._follow(fleet)
        scores = np.where(fleet.fitting(kind), self._score[:, shape], -np.inf)
        best = scores.max()
        if best == -np.inf:
            return None
        row = self._among(fleet, np.flatnonzero(scores == best))
        if kind.gpus == 0:
            return Placement(row, ())
        if kind.gpu_milli < GPU_MILLI:
            return Placement(row, (int(self._device[row, shape]),))
        return Placement(row, tuple(fleet.whole_gpus(row, kind.gpus).tolist()))

    def _among(self, fleet: Fleet, rows: Integers) -> int:
        if not self._tightest:
            return int(rows[0])
        left = fleet.cores[rows] / fleet.most_cores + fleet.gpus[rows].sum(axis=1) / fleet.most_gpus
        return int(rows[left.argmin()])

    def _shape(self, kind: TaskKind) -> int:
        bare = TaskKind(kind.cores_milli, 0, kind.gpus, kind.gpu_milli)
        if bare not in self._shapes:
            self._shapes[bare] = len(self._shapes)
            self._known.clear()
            self._asked = np.array([(k.cores_milli, k.gpus, k.gpu_milli) for k in self._shapes])
            self._cores = self._cores[:0]
        return self._shapes[bare]

    def _follow(self, fleet: Fleet) -> None:
        """Score the machines anew that changed since the last task."""
        if self._gpus.shape != fleet.gpus.shape or len(self._cores) != len(fleet.cores):
            rows = np.arange(len(fleet.cores))
            self._score = np.zeros((len(rows), len(self._shapes)))
            self._device = np.zeros((len(rows), len(self._shapes)), dtype=np.int64)
        else:
            changed = (self._cores != fleet.cores) | (self._gpus != fleet.gpus).any(axis=1)
            rows = np.flatnonzero(changed)
        for row in rows:
            model = str(fleet.models[row])
            state = (model, int(fleet.cores[row]), fleet.gpus[row].tobytes())
            if state not in self._known:
                self._known[state] = self._rate(model, state[1], fleet.gpus[row])
            self._score[row], self._device[row] = self._known[state]
        if len(rows):
            self._cores, self._gpus = fleet.cores.copy(), fleet.gpus.copy()

    def _rate(self, model: str, cores: int, gpus: Integers) -> tuple[Floats, Integers]:
        """Score of each shape on a machine in this state, and the GPU for a share of one."""
        scores = np.full(len(self._shapes), -np.inf)
        devices = np.zeros(len(self._shapes), dtype=np.int64)
        shapes, chosen, gpus_after = self._outcomes(cores, gpus)
        if not len(shapes):
            return scores, devices
        before = self._fragmentation.of(model, np.array([cores]), gpus[None])[0]
        after = self._fragmentation.of(model, cores - self._asked[shapes, 0], gpus_after)
        # What floating point leaves of no growth would decide between equals.
        growth = np.round(after - before, 6)
        rated = np.floor(self._steps / (1.0 + np.exp(growth / GPU_MILLI)))
        # The first of equal GPUs: a later one must be better to be written over it.
        for shape, device, score in zip(
            shapes.tolist(), chosen.tolist(), rated.tolist(), strict=True
        ):
            if score > scores[shape]:
                scores[shape], devices[shape] = score, device
        return scores, devices

    def _outcomes(self, cores: int, gpus: Integers) -> tuple[Integers, Integers, Integers]:
        """Each shape that fits on each GPU that differs: shape, GPU, what is free afterwards."""
        count, milli = self._asked[:, 1], self._asked[:, 2]
        enough = self._asked[:, 0] <= cores
        share = (count == 1) & (milli < GPU_MILLI)
        differs = np.zeros(len(gpus), dtype=bool)
        differs[np.unique(gpus, return_index=True)[1]] = True
        sharing, device = np.nonzero((enough & share)[:, None] & (gpus >= milli[:, None]) & differs)
        shared = np.tile(gpus, (len(sharing), 1))
        shared[np.arange(len(sharing)), device] -= milli[sharing]
        whole = gpus == GPU_MILLI
        exclusive = np.flatnonzero(enough & ~share & (count <= whole.sum()))
        taken = whole & (whole.cumsum() <= count[exclusive, None])
        return (
            np.concatenate([sharing, exclusive]),
            np.concatenate([device, np.zeros_like(exclusive)]),
            np.concatenate([shared, np.where(taken, 0, gpus)]),
        )
