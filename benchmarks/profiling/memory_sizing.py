"""
How much memory is held for nothing, cold and warm, beside the rules of others.

``python -m benchmarks.profiling.memory_sizing [--data FOLDER] [--workflow NAME] [--output json]``; the folder
holds ``nfcore_memory`` or ``lotaru``, other traces of their format as well. Each workflow is met by a
fresh profiler. An outcome is known only when its run has completed; bytes read (``rchar``), known
only afterwards, are given to nobody.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.command import Options, run
from benchmarks.profiling.memory_ours import OurProfiler
from benchmarks.profiling.memory_peers import PEERS, UserRequest
from benchmarks.profiling.memory_replay import Replay, replay
from benchmarks.profiling.memory_traces import Job, chosen_traces
from benchmarks.report import Report, at_most

_OURS = "aiops profiler"
_USER = next(name for name, peer in PEERS.items() if peer is UserRequest)
_RESAMPLINGS = 10_000
_MOST_FAILURES = 0.015


@dataclass(frozen=True, slots=True)
class _Found:
    """One workflow's replays by sizer, and how long ours took for a job."""

    replays: Mapping[str, Replay]
    ms_per_job: float

    @property
    def cold_ratio(self) -> float:
        """Our waste for cold jobs as a share of what the user's requests waste."""
        ours, user = self.replays[_OURS].cold, self.replays[_USER].cold
        return ours.waste_gib_h / user.waste_gib_h

    @property
    def best_peer(self) -> str:
        """The thriftiest peer for warm jobs that has as few failures as we have."""
        kills = self.replays[_OURS].warm.kills
        peers = [name for name in PEERS if self.replays[name].warm.kills <= kills]
        return min(peers, key=lambda name: self.replays[name].warm.waste_gib_h)

    @property
    def warm_ratio_to_limit(self) -> float:
        """Our waste for warm jobs as a share of that of the best peer within the limit of failures."""
        peers = [self.replays[name].warm for name in PEERS]
        best = min(peer.waste_gib_h for peer in peers if peer.failures <= _MOST_FAILURES)
        return self.replays[_OURS].warm.waste_gib_h / best

    @property
    def warm_ratio(self) -> float:
        """Our waste for warm jobs as a share of the best peer's."""
        best = self.replays[self.best_peer].warm.waste_gib_h
        return self.replays[_OURS].warm.waste_gib_h / best


def measure(options: Options) -> Report:
    """Replay every workflow with every sizer."""
    traces = chosen_traces(options.data, options.extra.workflow)
    found = {name: _replay_all(jobs) for name, jobs in traces.items()}
    cold = [one.cold_ratio for one in found.values()]
    warm = [one.warm_ratio for one in found.values()]
    ours = [one.replays[_OURS] for one in found.values()]
    return Report(
        bench="profiling.memory_sizing",
        data=", ".join(found),
        seed=options.seed,
        rows=[row for name, one in found.items() for row in _rows(name, one)],
        musts=[
            at_most(
                "warm waste / best peer with as few failures, geometric mean", _mean(warm), 0.75
            ),
            at_most("warm failures, all workflows", _failures(ours, "warm"), _MOST_FAILURES),
            at_most(
                "warm failures, worst workflow", max(r.warm.failures for r in ours), _MOST_FAILURES
            ),
            at_most("cold waste / user's request, geometric mean", _mean(cold), 0.8),
        ],
        notes=[
            f"95 % intervals of the geometric means over {len(found)} workflows (bootstrap of "
            f"workflows, {_RESAMPLINGS:,} resamplings): warm {_interval(warm, options.seed)}, "
            f"cold {_interval(cold, options.seed)}.",
            "Best peers: " + ", ".join(f"{n} – {one.best_peer}" for n, one in found.items()) + ".",
            "Beside the best peer that fails in at most 1.5 % of warm jobs, even if more often than ours: "
            f"{_mean([one.warm_ratio_to_limit for one in found.values()]):.2f} (geometric mean). "
            "Rules that fail more often may hold less: see the rows.",
            "Cold: submitted before any run of its kind had ended in the trace; all peers give the "
            "user's request then. A killed try holds its memory for the whole run, is lost, and is "
            "tried again larger. Waste is memory held beyond the peak, and all that killed tries held.",
            f"Failures of cold jobs: {_failures(ours, 'cold'):.2%} (no limit was set for them).",
            "The user's requests never failed in these traces, which hold finished runs only: that "
            "favours every rule that falls back on them, ours included.",
            "Ours asks for at least 0.125 GiB in steps of 1/16 GiB, peers to the byte.",
            "Constants of the profiler (least share of a request, shares in the prior, default spread) "
            "were chosen on the nf-core traces with lotaru's figures in sight: these are no held-out "
            "figures; other workflows are the cleaner test.",
            "lotaru has no time stamps: its clock is described in benchmarks/profiling/memory_traces.py.",
        ],
    )


def _replay_all(jobs: Sequence[Job]) -> _Found:
    begun = time.process_time()
    replays = {_OURS: replay(jobs, OurProfiler())}
    ms_per_job = (time.process_time() - begun) / len(jobs) * 1000
    replays |= {name: replay(jobs, peer()) for name, peer in PEERS.items()}
    return _Found(replays, ms_per_job)


def _rows(workflow: str, found: _Found) -> list[dict[str, Any]]:
    user = found.replays[_USER]
    return [
        {
            "workflow": workflow,
            "peer": name,
            "cold n": one.cold.jobs,
            "cold waste GiB h": one.cold.waste_gib_h,
            "cold / user": one.cold.waste_gib_h / user.cold.waste_gib_h,
            "cold failures %": 100 * one.cold.failures,
            "warm n": one.warm.jobs,
            "warm waste GiB h": one.warm.waste_gib_h,
            "warm / user": one.warm.waste_gib_h / user.warm.waste_gib_h,
            "warm failures %": 100 * one.warm.failures,
            "CPU ms per job": found.ms_per_job if name == _OURS else None,
        }
        for name, one in found.replays.items()
    ]


def _mean(ratios: Sequence[float]) -> float:
    return math.exp(math.fsum(math.log(ratio) for ratio in ratios) / len(ratios))


def _failures(replays: Sequence[Replay], part: str) -> float:
    tallies = [getattr(one, part) for one in replays]
    return sum(tally.kills for tally in tallies) / max(1, sum(tally.jobs for tally in tallies))


def _interval(ratios: Sequence[float], seed: int) -> str:
    logs = np.log(ratios)
    picks = np.random.default_rng(seed).integers(len(logs), size=(_RESAMPLINGS, len(logs)))
    low, high = np.exp(np.percentile(logs[picks].mean(axis=1), [2.5, 97.5]))
    return f"{low:.2f}–{high:.2f}"


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workflow", default="", help="only workflows whose name contains this")


if __name__ == "__main__":
    raise SystemExit(run("profiling", measure, add_options=_options))
