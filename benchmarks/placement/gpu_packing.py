"""
Packs the openb tasks onto the openb machines as they come, and as a plan.

``python -m benchmarks.placement.gpu_packing [--data FOLDER] [--seed N] [--seeds 10]
[--plan-seeds 10] [--pod-list default] [--output json]``. Where the published figures of the pod list
lie beside it, the harness must first reproduce them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aiops_provider.placement.fleet import Fleet, Machine, TaskKind
from aiops_provider.placement.fragmentation import Fragmentation
from aiops_provider.placement.packing import (
    LeastFragmentation,
    Policy,
    pack,
    planned_order,
    typical_tasks,
)
from benchmarks.command import Options, run
from benchmarks.placement import openb
from benchmarks.placement.packing_peers import BestFit, Random
from benchmarks.report import Must, Report, at_least, at_most

_RATIO = 1.3
_BOOTSTRAPS = 10_000
# How near the published means must be reproduced before anything of ours is worth a claim.
_NEAR = {"Random": 0.5, "BestFit": 0.5, "FGD": 0.3}
_OURS = "least fragmentation, tightest"
_PLAN = "the same on a plan's order"


@dataclass(frozen=True, slots=True)
class _Run:
    allocated: float
    placed: float
    placed_without_gpu: float
    tasks_per_s: float


def main() -> int:
    """See the module."""
    return run("placement", measure, add_options=_options)


def measure(options: Options) -> Report:
    """All policies on the same arrivals of each seed."""
    machines = openb.read_machines(options.data)
    tasks = openb.read_tasks(options.data, options.extra.pod_list)
    fragmentation = Fragmentation(typical_tasks(Counter(tasks)))
    fgd = LeastFragmentation(fragmentation, tightest=False)
    ours = LeastFragmentation(fragmentation)
    policies: dict[str, Callable[[int], Policy]] = {
        "Random": Random,
        "BestFit": lambda _: BestFit(),
        "FGD": lambda _: fgd,
        _OURS: lambda _: ours,
    }
    runs: dict[str, list[_Run]] = {}
    for number in range(options.extra.seeds):
        seed = options.seed + number
        arrivals = openb.arrivals(
            tasks, gpu_milli=Fleet(machines).gpu_milli, ratio=_RATIO, seed=seed
        )
        for name, policy in policies.items():
            runs.setdefault(name, []).append(_pack(machines, arrivals, policy(seed)))
        if number < options.extra.plan_seeds:
            planned = [arrivals[place] for place in planned_order(arrivals)]
            runs.setdefault(_PLAN, []).append(_pack(machines, planned, ours))
        print(f"{number + 1} of {options.extra.seeds} seeds", file=sys.stderr)
    published = openb.published_means(options.data, options.extra.pod_list)
    gain, low, high = _paired(runs, options.seed)
    return Report(
        bench="placement.gpu_packing",
        data=f"{openb.FOLDER}, pod list {options.extra.pod_list}",
        seed=options.seed,
        rows=[_row(name, found, published) for name, found in runs.items()],
        musts=_musts(runs, published, low),
        notes=[
            f"Arrivals ask for {_RATIO:.0%} of the GPUs; nothing leaves. Every policy has the same "
            "arrivals; the order of a seed is not that of the published run of that seed.",
            f"{_OURS} against our FGD, paired over {options.extra.seeds} seeds: {gain:+.3f} points "
            f"(95 % bootstrap interval {low:+.3f} to {high:+.3f}). It differs from FGD in one "
            "thing: of the machines whose rounded score is equal it takes the tightest, not the "
            "first by name.",
            "The plan knows all arrivals and chooses which of them are left out; the others must "
            "take each task that fits as it comes. Set it beside them only with that in mind.",
        ],
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seeds", type=int, default=10, help="arrivals to repeat it on")
    parser.add_argument("--plan-seeds", type=int, default=10, help="of these, those also planned")
    parser.add_argument("--pod-list", default="default")


def _pack(machines: Sequence[Machine], tasks: Sequence[TaskKind], policy: Policy) -> _Run:
    fleet = Fleet(machines)
    start = time.perf_counter()
    placed = np.array([place is not None for place in pack(fleet, tasks, policy)])
    seconds = time.perf_counter() - start
    without = np.array([task.gpus == 0 for task in tasks])
    return _Run(
        100.0 * fleet.allocated,
        100.0 * float(placed.mean()),
        100.0 * float(placed[without].mean()) if without.any() else np.nan,
        len(tasks) / seconds,
    )


def _row(name: str, runs: Sequence[_Run], published: Mapping[str, float]) -> dict[str, object]:
    allocated = np.array([run.allocated for run in runs])
    return {
        "policy": name,
        "seeds": len(runs),
        "GPU allocated %": round(float(allocated.mean()), 2),
        "sd": float(allocated.std(ddof=1)) if len(runs) > 1 else None,
        "published %": round(published[name], 2) if name in published else None,
        "tasks placed %": float(np.mean([run.placed for run in runs])),
        "of those without GPU %": float(np.mean([run.placed_without_gpu for run in runs])),
        "tasks/s": float(np.mean([run.tasks_per_s for run in runs])),
    }


def _paired(runs: Mapping[str, Sequence[_Run]], seed: int) -> tuple[float, float, float]:
    pairs = zip(runs[_OURS], runs["FGD"], strict=True)
    gains = np.array([ours.allocated - fgd.allocated for ours, fgd in pairs])
    chance = np.random.default_rng(seed)
    means = chance.choice(gains, (_BOOTSTRAPS, len(gains))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(gains.mean()), float(low), float(high)


def _musts(
    runs: Mapping[str, Sequence[_Run]], published: Mapping[str, float], low: float
) -> list[Must]:
    means = {name: float(np.mean([run.allocated for run in found])) for name, found in runs.items()}
    musts = [
        at_most(f"{name}, distance to the published mean", abs(means[name] - published[name]), near)
        for name, near in _NEAR.items()
        if name in published
    ]
    musts.append(at_least("seeds", len(runs["FGD"]), 10))
    musts.append(at_least("ours online against our FGD, lower bound of the difference", low, 0.0))
    if _PLAN in means:
        musts.append(at_least("as a plan (aim)", means[_PLAN], 97.7))
    return musts


if __name__ == "__main__":
    raise SystemExit(main())
