"""
What it is worth that the size of an input is found out among what a host knows before a run.

``python -m benchmarks.profiling.input_classes [--data FOLDER] [--workflow NAME] [--seed N] [--output json]``; the
folder holds ``nfcore_memory`` or ``lotaru``. Three fresh profilers meet each trace: one that knows nothing of
inputs, one that finds the size of the input as one argument among others that mean nothing, and one
that is told it by a description. The traces of nf-core tell no size: there the second has the other
arguments alone, and must do no worse than the first.
"""

from __future__ import annotations

import argparse
import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from aiops_provider.domain.input_facts import input_facts
from benchmarks.command import Options, run
from benchmarks.profiling.memory_ours import OurProfiler
from benchmarks.profiling.memory_replay import Tally, replay
from benchmarks.profiling.memory_traces import Job, read_traces
from benchmarks.report import Report, at_most

_NOTHING, _FOUND, _TOLD = "unknown", "one argument of four", "described"
_KINDS = ("full", "daily", "repair")


def measure(options: Options) -> Report:
    """Replay every workflow with each knowledge of the inputs."""
    traces = read_traces(options.data)
    if options.extra.workflow:
        traces = {name: jobs for name, jobs in traces.items() if options.extra.workflow in name}
    if not traces:
        raise SystemExit(
            f"--data {options.data} holds no workflow of that name: it needs "
            "nfcore_memory/trace_<workflow>.csv.gz or lotaru/lotaru_traces.csv.gz"
        )
    rows, sized, unsized = [], [], []
    for name, jobs in traces.items():
        tells = any(job.input_gib for job in jobs)
        found = {who: _warm(jobs, who, options.seed) for who in (_NOTHING, _FOUND)}
        if tells:
            found[_TOLD] = _warm(jobs, _TOLD, options.seed)
        (sized if tells else unsized).append((found[_FOUND], found[_NOTHING]))
        rows += [_row(name, who, tally) for who, tally in found.items()]
    return Report(
        bench="profiling.input_classes",
        data=", ".join(traces),
        seed=options.seed,
        rows=rows,
        musts=[
            *_musts("size among the arguments", sized, 0.9),
            *_musts("arguments that mean nothing", unsized, 1.02),
        ],
        notes=[
            "Warm jobs only: those submitted after a run of their kind had ended. All three know what the user "
            "asked for.",
            "The arguments that mean nothing are a number, a running index and one of three words, drawn for each "
            "job; the limits were set before the first run.",
        ],
    )


def _musts(what: str, pairs: Sequence[tuple[Tally, Tally]], limit: float) -> list[Any]:
    if not pairs:
        return []
    ratios = [one.waste_gib_h / other.waste_gib_h for one, other in pairs]
    mean = math.exp(math.fsum(math.log(ratio) for ratio in ratios) / len(ratios))
    kills = [sum(pair[i].kills for pair in pairs) for i in (0, 1)]
    return [
        at_most(f"{what}: waste / unknown, geometric mean", mean, limit),
        at_most(f"{what}: kills / unknown", kills[0] / max(1, kills[1]), 1.0),
    ]


def _warm(jobs: Sequence[Job], who: str, seed: int) -> Tally:
    if who == _TOLD:
        return replay(jobs, OurProfiler()).warm
    without = [replace(job, input_gib=None) for job in jobs]
    if who == _NOTHING:
        return replay(without, OurProfiler()).warm
    draw = random.Random(seed)  # noqa: S311 - must be repeatable
    inputs = {
        job.number: input_facts(
            {
                "seed": draw.uniform(1, 1000),
                "index": float(place),
                "mode": draw.choice(_KINDS),
                **({"path.gib": job.input_gib} if job.input_gib else {}),
            }
        )
        for place, job in enumerate(jobs)
    }
    return replay(without, OurProfiler(inputs=inputs)).warm


def _row(workflow: str, who: str, found: Tally) -> dict[str, Any]:
    return {
        "workflow": workflow,
        "size of the input": who,
        "n": found.jobs,
        "kills": found.kills,
        "failures %": 100 * found.failures,
        "waste GiB h": found.waste_gib_h,
    }


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workflow", default="", help="only workflows whose name contains this")


if __name__ == "__main__":
    raise SystemExit(run("profiling", measure, add_options=_options))
