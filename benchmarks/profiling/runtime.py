"""
How well the runtime of a job is predicted on configurations it was not seen on.

``python -m benchmarks.profiling.runtime [--data FOLDER] [--seed N] [--output json]``; the folder holds ``c3o``,
``scout`` and ``lotaru``, or some of them. Repeated runs of a configuration count once, with their median. Splits: 80 % of
the configurations known; 20 of them known; all of one machine type unseen. Of Lotaru's tasks short runs on one node are
known, full inputs on other nodes are asked for; how fast a node is, a micro-benchmark tells everybody.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiops_provider.profiling.runtime_surface import RuntimeSurface
from benchmarks.command import Options, run
from benchmarks.profiling.runtime_jobs import (
    Job,
    NodeTask,
    read_jobs,
    read_node_tasks,
    splits,
)
from benchmarks.profiling.runtime_peers import NODE_PEERS, PEERS, Peer, Rows
from benchmarks.report import Must, Report, at_most

_OURS = "aiops runtime surface"
_RESAMPLINGS = 1_000


@dataclass(slots=True)
class _Found:
    """Relative errors by split, group and peer; whether ours covered, by split and group; times to fit."""

    errors: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    covered: dict[tuple[str, str], list[bool]] = field(default_factory=dict)
    fit_ms: list[float] = field(default_factory=list)


def _measure(options: Options) -> Report:
    jobs, tasks = read_jobs(options.data), read_node_tasks(options.data / "lotaru")
    if not jobs and not tasks:
        raise SystemExit(
            f"{options.data} holds neither c3o/*.tsv nor scout/*.csv.gz nor lotaru: name the folder "
            "above them with --data"
        )
    found = _Found()
    for job in jobs:
        for split in splits(job, seed=options.seed):
            known = [job.features[i] for i in split.known]
            asked = [job.features[i] for i in split.asked]
            true, seen = job.runtimes_s[split.asked], job.runtimes_s[split.known]
            _compare(found, (split.name, job.group), PEERS, known, seen, asked=asked, true=true)
    for task in tasks:
        _compare_nodes(found, task)
    return _report(options, jobs, found)


def _compare(
    found: _Found,
    cell: tuple[str, str],
    peers: Mapping[str, Peer],
    known: Rows,
    seen: NDArray[np.float64],
    *,
    asked: Rows,
    true: NDArray[np.float64],
) -> None:
    started = time.perf_counter()
    surface = RuntimeSurface(known, list(seen))
    found.fit_ms.append((time.perf_counter() - started) * 1000)
    predicted = [surface.predict(row) for row in asked]
    found.covered.setdefault(cell, []).extend(
        p.quantile_s(0.1) <= t <= p.quantile_s(0.9) for p, t in zip(predicted, true, strict=True)
    )
    answers = {_OURS: np.array([p.p50_s for p in predicted])}
    answers |= {name: np.asarray(peer(known, seen)(asked)) for name, peer in peers.items()}
    for name, answer in answers.items():
        found.errors.setdefault((*cell, name), []).extend(np.abs(answer / true - 1))


def _compare_nodes(found: _Found, task: NodeTask) -> None:
    """Everybody predicts the time on the local node, which the node's factor carries over."""
    known = [{"input_gib": float(value)} for value in task.known_gib]
    asked = [{"input_gib": float(value)} for value in task.asked_gib]
    cell = ("other node", f"lotaru {task.workflow}")
    _compare(
        found, cell, NODE_PEERS, known, task.known_s, asked=asked, true=task.true_s / task.factor
    )


def _report(options: Options, jobs: Sequence[Job], found: _Found) -> Report:
    errors = found.errors
    rows: list[dict[str, Any]] = [
        {
            "split": split,
            "job": group,
            "peer": name,
            "n": len(values),
            "MAPE %": 100 * float(np.mean(values)),
            "median error %": 100 * float(np.median(values)),
            "80 % interval covers %": 100 * float(np.mean(found.covered[split, group]))
            if name == _OURS
            else None,
        }
        for (split, group, name), values in sorted(errors.items())
    ]
    means = {key: float(np.mean(values)) for key, values in errors.items()}
    cells = sorted({(split, group) for split, group, _ in errors})
    generator = np.random.default_rng(options.seed)
    musts: list[Must] = []
    notes: list[str] = []
    for label, peers in (("configurations", PEERS), ("nodes", NODE_PEERS)):
        here = [cell for cell in cells if (*cell, next(iter(peers))) in means]
        if not here:
            continue
        overall = {
            name: _geometric([means[(*cell, name)] for cell in here]) for name in (_OURS, *peers)
        }
        best = min(overall[name] for name in peers)
        musts.append(
            at_most(f"{label}: MAPE / best peer's, geometric mean", overall[_OURS] / best, 1.0)
        )
        notes.append(
            f"Geometric means of MAPE over {label}, %: "
            + ", ".join(f"{name} {100 * value:.1f}" for name, value in overall.items())
            + "."
        )
        for split, group in here:
            peer = min(peers, key=lambda name: means[split, group, name])
            lower = _lower_end(errors[split, group, _OURS], errors[split, group, peer], generator)
            # Worse by more than the paired interval: its lower end lies above zero.
            musts.append(
                at_most(
                    f"{split}, {group}: MAPE beyond {peer}, lower end of 95 % interval", lower, 0
                )
            )
    aims = {"80/20": 3, "20 runs": 8, "unseen machine": 12}
    c3o = {
        split: [means[s, g, _OURS] for s, g in cells if s == split and g.startswith("c3o")]
        for split in aims
    }
    notes += [
        "Mean MAPE of ours over the jobs of C3O: "
        + "; ".join(
            f"{split} {100 * np.mean(values):.1f} % (aim {aims[split]} %)"
            for split, values in c3o.items()
            if values
        )
        + ".",
        f"A fit of ours took {np.median(found.fit_ms):.0f} ms (median), {max(found.fit_ms):.0f} ms at most.",
        "80/20 and 20 runs: 10 random splits each; unseen machine: every type in turn. The interval resamples "
        "predictions, which repeat between splits: it is narrower than one over new jobs. Groups of Scout "
        "are all workloads of a table, those of Lotaru all tasks of a workflow.",
        "80 % intervals of ours cover: "
        + ", ".join(
            f"{split} {100 * _covered(found.covered, split):.0f} %"
            for split in sorted({split for split, _ in found.covered})
        )
        + ". They are not calibrated.",
        f"Jobs: {len(jobs)}; machine types per job: "
        + ", ".join(f"{job.name} {len(np.unique(job.machines))}" for job in jobs[:3])
        + " …",
    ]
    return Report(
        bench="profiling.runtime",
        data="c3o, scout, lotaru",
        seed=options.seed,
        rows=rows,
        musts=musts,
        notes=notes,
    )


def _covered(covered: Mapping[tuple[str, str], Sequence[bool]], split: str) -> float:
    return float(
        np.mean(
            [inside for (name, _), found in covered.items() if name == split for inside in found]
        )
    )


def _geometric(values: list[float]) -> float:
    return float(np.exp(np.mean(np.log(values))))


def _lower_end(ours: list[float], theirs: list[float], generator: np.random.Generator) -> float:
    """Lower end of the paired bootstrap interval of the difference of mean errors."""
    difference = np.array(ours) - np.array(theirs)
    draws = [
        float(difference[generator.integers(0, len(difference), len(difference))].mean())
        for _ in range(_RESAMPLINGS)
    ]
    return float(np.quantile(draws, 0.025))


if __name__ == "__main__":
    raise SystemExit(run("profiling", _measure))
