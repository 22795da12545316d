"""
What losing clusters costs: jobs of Philly on clusters that come and go as spot machines did.

Replays through the real profiler, planner and router, beside emulations of the rules by which other
dispatchers choose and notice a loss. The limit knows all arrivals, durations and outages beforehand.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aiops_provider.control.simulated_routing import RoutedPolicy
from aiops_provider.placement.replay import Replay
from aiops_provider.placement.replay_figures import ReplayFigures, replay_figures
from aiops_provider.placement.replay_policies import RankingPolicy, cheapest_first
from aiops_provider.placement.replay_policy import Policy
from aiops_provider.placement.replay_pool import PlaceKey
from aiops_provider.placement.replay_task import Attempt, Moves, Nomination, ReplayTask
from benchmarks.command import Options, run
from benchmarks.placement.outage_cases import OutageCase, read_case
from benchmarks.placement.outage_limit import clairvoyant_usd
from benchmarks.placement.uniform_progress import UniformProgressPolicy
from benchmarks.report import Report, at_most

_OURS = "aiops"
_UNIFORM = "uniform progress, told all durations"
_BLIND = "aiops, deadlines say nothing of durations"
_RE_SOLVE = "re-solve at every loss"
_ROUND_S = 300.0
_AT_ONCE = 3
_PLAN_EVERY_S = 86_400.0
# MultiKueue's default time after which a worker that does not answer is given up.
_GIVEN_UP_AFTER_S = 900.0
_RESAMPLES = 2_000


class Timed:
    """
    A policy whose own time is measured.

    Args:
        policy: Does the work.

    Attributes:
        rerouted_s: From each signal of a loss to the decision on each job that it made homeless, in
            seconds of the real clock that the policy was at work.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.rerouted_s: list[float] = []
        self._signal_s, self._spent_s = -1.0, 0.0
        self._homeless: set[Any] = set()

    @property
    def notices_after_s(self) -> float:
        """Of the policy."""
        return self.policy.notices_after_s

    @property
    def period_s(self) -> float | None:
        """Of the policy."""
        return self.policy.period_s

    def choose(self, task: ReplayTask, lost_on: Sequence[str], replay: Replay) -> Nomination:
        """Measured when it follows a signal."""
        started = time.perf_counter()
        chosen = self.policy.choose(task, lost_on, replay)
        self._spent_s += time.perf_counter() - started
        if task.run in self._homeless:
            self._homeless.remove(task.run)
            self.rerouted_s.append(self._spent_s)
        return chosen

    def changed(self, replay: Replay) -> None:
        """A signal: the time counts from here; several of one moment count together."""
        if replay.now_s != self._signal_s:
            self._signal_s, self._spent_s = replay.now_s, 0.0
        started = time.perf_counter()
        self.policy.changed(replay)
        self._spent_s += time.perf_counter() - started

    def moves(self, replay: Replay) -> Moves:
        """Of the policy; nobody waits for the answer."""
        return self.policy.moves(replay)

    def ended(self, attempt: Attempt) -> None:
        """A lost attempt makes its job homeless."""
        if attempt.lost:
            self._homeless.add(attempt.task.run)
        self.policy.ended(attempt)

    def tick(self, replay: Replay) -> None:
        """Planning stands beside the router, so it is not measured."""
        self.policy.tick(replay)


class ResolvingPolicy(RoutedPolicy):
    """Solves the whole plan anew whenever a signal makes jobs homeless, then routes them by it."""

    _any_homeless = False

    def ended(self, attempt: Attempt) -> None:
        """Lost or not."""
        super().ended(attempt)
        self._any_homeless |= attempt.lost

    def changed(self, replay: Replay) -> None:
        """Health first, then the plan."""
        super().changed(replay)
        if self._any_homeless:
            self._any_homeless = False
            self.plan_anew(replay)


def _routed(
    case: OutageCase,
    kind: type[RoutedPolicy] = RoutedPolicy,
    plan_every_s: float | None = _PLAN_EVERY_S,
    *,
    trust_deadlines: bool = True,
) -> RoutedPolicy:
    return kind(
        case.settings,
        case.settings.cluster_specs,
        begin=case.begin,
        plan_every_s=plan_every_s,
        again_after_s=_ROUND_S,
        notices_after_s=0.0,
        trust_deadlines=trust_deadlines,
    )


def _race(case: OutageCase, notices_after_s: float = 0.0) -> RankingPolicy:
    """A copy waits at every cluster that could hold the job, in order of their names."""
    return RankingPolicy(
        case.settings.cluster_specs,
        lambda _task, places, _replay: tuple(sorted(places)),
        notices_after_s=notices_after_s,
    )


class IncrementalPolicy(RankingPolicy):
    """Nominates three clusters in order of their names, and three more in each round."""

    def __init__(self, case: OutageCase) -> None:
        super().__init__(case.settings.cluster_specs, self._widen, again_after_s=_ROUND_S)
        self._nominated: dict[Any, tuple[int, int]] = {}

    def _widen(
        self, task: ReplayTask, places: Sequence[PlaceKey], _replay: Replay
    ) -> tuple[PlaceKey, ...]:
        count, _ = self._nominated.get(task.run, (0, 0))
        count = min(count + _AT_ONCE, len(places))
        self._nominated[task.run] = (count, 0)
        return tuple(sorted(places)[:count])

    def ended(self, attempt: Attempt) -> None:
        """Whoever lost its place begins with three again."""
        self._nominated.pop(attempt.task.run, None)


PEERS: dict[str, Callable[[OutageCase], Policy]] = {
    _OURS: _routed,
    "aiops, router without a plan": lambda case: _routed(case, plan_every_s=None),
    _BLIND: lambda case: _routed(case, trust_deadlines=False),
    _RE_SOLVE: lambda case: _routed(case, ResolvingPolicy),
    "cheapest first": lambda case: cheapest_first(case.settings.cluster_specs),
    "all-at-once race": _race,
    _UNIFORM: lambda case: UniformProgressPolicy(case.settings.cluster_specs),
    "incremental, threes": IncrementalPolicy,
    "race, lost after 15 min": lambda case: _race(case, _GIVEN_UP_AFTER_S),
}


@dataclass(slots=True)
class _Found:
    figures: list[ReplayFigures] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    rerouted_s: list[float] = field(default_factory=list)
    notices_after_s: float = 0.0


def measure(options: Options) -> Report:
    """Replay each window under each policy."""
    extra = options.extra
    peers = {name: PEERS[name] for name in PEERS if not extra.peer or name in extra.peer}
    found = {name: _Found() for name in peers}
    limits, jobs, too_large = [], 0, 0
    for window in range(extra.windows):
        draw = random.Random(f"{options.seed}/{window}")  # noqa: S311 - must be repeatable
        case = read_case(
            options.data, draw, days=extra.days, checkpoint_s=extra.checkpoint_s or None
        )
        limits.append(clairvoyant_usd(case))
        jobs, too_large = jobs + len(case.tasks), too_large + case.too_large
        for name, make in peers.items():
            if name != _RE_SOLVE or window < extra.re_solve_windows:
                _replay(case, make(case), limits[-1], found[name])
    rows = [_row(name, each) for name, each in found.items() if each.figures]
    rows.append(
        {
            "peer": "clairvoyant limit",
            "windows": len(limits),
            "cost_USD": sum(limits),
            "cost_of_limit": 1.0,
        }
    )
    return Report(
        bench="placement.outages",
        data="philly-jobs, spot-availability, vm-prices",
        seed=options.seed,
        rows=rows,
        musts=_musts(found[_OURS]) if _OURS in found else (),
        notes=_notes(extra, found, jobs=jobs, too_large=too_large),
    )


def _replay(case: OutageCase, policy: Policy, limit: float, found: _Found) -> None:
    clusters = case.settings.cluster_specs
    timed = Timed(policy)
    replay = Replay(case.tasks, clusters, timed, outages=case.outages)
    attempts = replay.run()
    figures = replay_figures(
        case.tasks, attempts, clusters, outages=case.outages, refused=replay.refused
    )
    found.figures.append(figures)
    found.ratios.append(figures.cost_usd / limit)
    found.rerouted_s += timed.rerouted_s
    found.notices_after_s = policy.notices_after_s


def _row(name: str, found: _Found) -> dict[str, Any]:
    figures = found.figures
    jobs = sum(each.tasks for each in figures)
    own = np.array(found.rerouted_s or [np.nan])
    return {
        "peer": name,
        "windows": len(figures),
        "jobs": jobs,
        "lost": sum(each.lost for each in figures),
        "doubled": sum(each.doubled for each in figures),
        "interrupted": sum(each.interruptions for each in figures),
        "moved": sum(each.moves for each in figures),
        "SLA": sum((each.sla_attainment or 0.0) * each.with_deadline for each in figures) / jobs,
        "cost_USD": sum(each.cost_usd for each in figures),
        "wasted_USD": sum(each.wasted_usd for each in figures),
        "cost_of_limit": float(np.mean(found.ratios)),
        "queue_mean_s": sum((each.queueing_mean_s or 0.0) * each.finished for each in figures)
        / max(1, sum(each.finished for each in figures)),
        "noticed_after_s": found.notices_after_s,
        "reroute_p50_ms": float(np.quantile(own, 0.5)) * 1e3,
        "reroute_p99_ms": float(np.quantile(own, 0.99)) * 1e3,
        "reroute_max_ms": float(own.max()) * 1e3,
    }


def _musts(ours: _Found) -> list[Any]:
    slowest = max(ours.rerouted_s, default=float("nan")) + ours.notices_after_s
    return [
        at_most("lost jobs", sum(each.lost for each in ours.figures), 0),
        at_most("doubled jobs", sum(each.doubled for each in ours.figures), 0),
        at_most("slowest reroute from the signal, s", slowest, 1.0),
        at_most("slowest reroute from the signal (aim), s", slowest, 0.01),
        at_most("mean cost, as a multiple of the limit", float(np.mean(ours.ratios)), 1.10),
        at_most("mean cost, as a multiple of the limit (aim)", float(np.mean(ours.ratios)), 1.05),
    ]


def _notes(
    extra: argparse.Namespace, found: dict[str, _Found], *, jobs: int, too_large: int
) -> list[str]:
    notes = [
        f"{jobs} jobs in {extra.windows} drawn windows of {extra.days:g} days ({too_large} of more "
        "GPUs than a machine has are left out); a checkpoint "
        + (f"every {extra.checkpoint_s:g} s." if extra.checkpoint_s else "never."),
        "Each zone of the availability trace is a cluster of spot machines, all of them together "
        "as large as the mean demand; one more cluster on demand is always there and never full. "
        "Spot prices are list prices × the median ratio of the price list, because it has none of "
        "AWS.",
        "The limit is a lower bound: a linear program that knows everything, cuts jobs as it likes "
        "and meets every deadline (twice the duration and an hour).",
        "The race and the incremental dispatcher are emulations of MultiKueue's rules, which know "
        "no prices, and not MultiKueue itself; copies are withdrawn in no time, so they cannot double. The "
        "cluster on demand is the last by name, in their favour.",
        "Uniform Progress is an emulation of the rules of Can't Be Late (NSDI 2024) for each job by "
        "itself. It is told each job's duration, as in the paper; nobody else is.",
        f"{_OURS} learns from runs that have ended which share of its deadline a run needs. The "
        "deadlines here are made from the durations, so they tell more than deadlines of people do; "
        f"in '{_BLIND}' only past durations count.",
        "A restart takes no time for anybody here, beyond the work since the last checkpoint; the "
        "rule by which aiops moves a job counts a minute for it all the same.",
        f"{_OURS} plans anew every {_PLAN_EVERY_S / 3600:g} hours of the replay, an installation every hour "
        "by default, which takes too long here.",
        "reroute: the policy's own time from the signal of a loss to the decision on each job, "
        "those before it included; in the musts the time until the loss is noticed is added.",
    ]
    if _OURS in found:
        for name, each in found.items():
            if name != _OURS and each.ratios:
                count = len(each.ratios)
                ours = np.array(found[_OURS].ratios[:count])
                low, high = _interval(np.array(each.ratios) - ours)
                notes.append(
                    f"Cost of {name} less that of {_OURS}, in multiples of the limit, paired over "
                    f"{count} windows: 95 % bootstrap interval {low:+.3f} to {high:+.3f}."
                )
    return notes


def _interval(differences: np.ndarray) -> tuple[float, float]:
    draw = np.random.default_rng(0)
    means = draw.choice(differences, (_RESAMPLES, len(differences))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--windows", type=int, default=4)
    parser.add_argument("--re-solve-windows", type=int, default=2)
    parser.add_argument("--days", type=float, default=2.0)
    parser.add_argument("--checkpoint-s", type=float, default=1800.0)
    parser.add_argument("--peer", action="append", choices=list(PEERS), default=None)


if __name__ == "__main__":
    raise SystemExit(run("placement", measure, add_options=_add_options))
