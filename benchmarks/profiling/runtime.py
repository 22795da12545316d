"""
How well the runtime of a job is predicted on configurations it was not seen on.

``python -m benchmarks.profiling.runtime [--data FOLDER] [--seed N] [--output json]``; the folder holds
``c3o``: one table of tab-separated values per job. Repeated runs of a configuration count once, with
their median. Splits: 80 % of the configurations known; 20 of them known; all of one machine type unseen.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiops_provider.profiling.runtime_surface import RuntimeSurface
from benchmarks.command import Options, run
from benchmarks.profiling.runtime_peers import PEERS, Predict, Rows
from benchmarks.report import Must, Report, at_most

_OURS = "aiops runtime surface"
_REPETITIONS = 10
_FEW = 20
_KNOWN_SHARE = 0.8
_RESAMPLINGS = 1_000
_TARGET = "gross_runtime"
_MACHINE = "machine_type"
# The data set's columns by the names that the features have.
_NAMED = {"instance_count": "workers", "slots": "cores", "memory": "memory_mb"}
# A total in the data set. Scaling out and scaling up go by total cores alike; memory per core is the machine's.
_PER_CORE = "memory_mb"


@dataclass(frozen=True, slots=True)
class Job:
    """Configurations of one job, one row each, with machine type and median runtime in seconds."""

    name: str
    features: Rows
    machines: NDArray[Any]
    runtimes_s: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Split:
    """Which configurations are known and which are asked for."""

    name: str
    known: NDArray[np.int64]
    asked: NDArray[np.int64]


def read_jobs(folder: Path) -> list[Job]:
    """All jobs of a folder, by name."""
    return [_read_job(path) for path in sorted(folder.glob("*.tsv"))]


def _read_job(path: Path) -> Job:
    runs: dict[tuple[str, ...], list[float]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, delimiter="\t")
        keys = [key for key in reader.fieldnames or () if key != _TARGET]
        for row in reader:
            runs.setdefault(tuple(row[key] for key in keys), []).append(float(row[_TARGET]))
    names = [_NAMED.get(key, key.lower()) for key in keys]
    configurations = [dict(zip(names, values, strict=True)) for values in runs]
    figures = [
        _per_core({n: float(v) for n, v in row.items() if n != _MACHINE})
        for row in configurations
    ]
    # A share may be zero, which has no logarithm: it enters as 1 + itself, for all peers.
    offset = {name: float(any(row[name] == 0 for row in figures)) for name in figures[0]}
    return Job(
        name=path.stem,
        features=[{name: value + offset[name] for name, value in row.items()} for row in figures],
        machines=np.array([row[_MACHINE] for row in configurations]),
        runtimes_s=np.array([median(found) for found in runs.values()]),
    )


def _per_core(figures: dict[str, float]) -> dict[str, float]:
    return {
        name: value / figures["cores"] if name == _PER_CORE else value
        for name, value in figures.items()
    }


def splits(job: Job, *, seed: int) -> Iterator[Split]:
    """The splits of a job, the same for all peers."""
    generator = np.random.default_rng(seed)
    count = len(job.runtimes_s)
    for _ in range(_REPETITIONS):
        order = generator.permutation(count)
        for name, known in (("80/20", int(_KNOWN_SHARE * count)), ("20 runs", _FEW)):
            yield Split(name, order[:known], order[known:])
    for machine in np.unique(job.machines):
        unseen = job.machines == machine
        yield Split("unseen machine", np.flatnonzero(~unseen), np.flatnonzero(unseen))


def _measure(options: Options) -> Report:
    jobs = read_jobs(options.data / "c3o")
    if not jobs:
        raise SystemExit(
            f"{options.data} holds no table c3o/*.tsv: name the folder above c3o with --data"
        )
    errors: dict[tuple[str, str, str], list[float]] = {}
    covered: dict[tuple[str, str], list[bool]] = {}
    fit_ms: list[float] = []
    for job in jobs:
        for split in splits(job, seed=options.seed):
            known = [job.features[i] for i in split.known]
            asked = [job.features[i] for i in split.asked]
            true, seen = job.runtimes_s[split.asked], job.runtimes_s[split.known]
            started = time.perf_counter()
            surface = RuntimeSurface(known, list(seen))
            fit_ms.append((time.perf_counter() - started) * 1000)
            predicted = [surface.predict(row) for row in asked]
            inside = [
                p.quantile_s(0.1) <= t <= p.quantile_s(0.9)
                for p, t in zip(predicted, true, strict=True)
            ]
            covered.setdefault((job.name, split.name), []).extend(inside)
            answers = {_OURS: np.array([p.p50_s for p in predicted])}
            answers |= {name: _fitted(peer(known, seen), asked) for name, peer in PEERS.items()}
            for name, answer in answers.items():
                errors.setdefault((split.name, job.name, name), []).extend(
                    np.abs(answer / true - 1)
                )
    return _report(options, jobs, errors, covered, fit_ms)


def _fitted(predict: Predict, asked: Rows) -> NDArray[np.float64]:
    return np.asarray(predict(asked), dtype=np.float64)


def _report(
    options: Options,
    jobs: list[Job],
    errors: dict[tuple[str, str, str], list[float]],
    covered: dict[tuple[str, str], list[bool]],
    fit_ms: list[float],
) -> Report:
    rows: list[dict[str, Any]] = [
        {
            "split": split,
            "job": job,
            "peer": name,
            "n": len(found),
            "MAPE %": 100 * float(np.mean(found)),
            "median error %": 100 * float(np.median(found)),
            "80 % interval covers %": 100 * float(np.mean(covered[job, split]))
            if name == _OURS
            else None,
        }
        for (split, job, name), found in sorted(errors.items())
    ]
    means = {key: float(np.mean(found)) for key, found in errors.items()}
    cells = sorted({(split, job) for split, job, _ in errors})
    overall = {
        name: _geometric([means[(*cell, name)] for cell in cells]) for name in (_OURS, *PEERS)
    }
    best = min(overall[name] for name in PEERS)
    generator = np.random.default_rng(options.seed)
    musts: list[Must] = [
        at_most("MAPE / best peer's, geometric mean of all splits", overall[_OURS] / best, 1.0)
    ]
    for split, job in cells:
        peer = min(PEERS, key=lambda name: means[split, job, name])
        lower = _lower_end(errors[split, job, _OURS], errors[split, job, peer], generator)
        # Worse by more than the paired interval: its lower end lies above zero.
        musts.append(
            at_most(f"{split}, {job}: MAPE beyond {peer}, lower end of 95 % interval", lower, 0.0)
        )
    aims = {"80/20": 3, "20 runs": 8, "unseen machine": 12}
    measured = [
        f"{split}: {100 * np.mean([means[s, j, _OURS] for s, j in cells if s == split]):.1f} % (aim {aim} %)"
        for split, aim in aims.items()
    ]
    notes = [
        "Mean MAPE of ours over jobs: " + "; ".join(measured) + ".",
        "Geometric means of MAPE, %: "
        + ", ".join(f"{name} {100 * value:.1f}" for name, value in overall.items())
        + ".",
        f"A fit of ours took {np.median(fit_ms):.0f} ms (median), {max(fit_ms):.0f} ms at most.",
        f"80/20 and 20 runs: {_REPETITIONS} random splits each; unseen machine: every type in turn. The "
        "interval resamples predictions, which repeat between splits: it is narrower than one over new jobs.",
        "80 % intervals of ours cover, over all jobs: "
        + ", ".join(f"{split} {100 * _covered(covered, split):.0f} %" for split in aims)
        + ". They are not calibrated.",
        f"Machine types per job: {', '.join(f'{job.name} {len(np.unique(job.machines))}' for job in jobs)}.",
        "lotaru and scout are not part of this benchmark.",
    ]
    return Report(
        bench="profiling.runtime",
        data="c3o",
        seed=options.seed,
        rows=rows,
        musts=musts,
        notes=notes,
    )


def _covered(covered: dict[tuple[str, str], list[bool]], split: str) -> float:
    return float(
        np.mean(
            [inside for (_, name), found in covered.items() if name == split for inside in found]
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
