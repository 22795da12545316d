"""
Plans for many groups on many clusters: how near the best plan, how fast, and is the proof true.

``python -m benchmarks.placement.plan_scale [--data FOLDER] [--seed N] [--sizes 2000x40,20000x200]
[--instances N] [--limit-s 25] [--large-limit-s 300] [--results FILE] [--peers NAME,…] [--minutes M]
[--output json]``. Needs the dependency group ``bench`` for OR-Tools. Peers on the same problem: the greedy
rule of thumb, one program for HiGHS, one for CBC, its linear relaxation, and OR-Tools' CP-SAT, each with
ten times the time that ours took, within ``--peer-least-s`` and ``--peer-limit-s``; the limit is the best bound that any
of them proves, or ours. A size above ``--peers-up-to`` options runs without the peers that could not
even hold it.

Each runs in a process of its own, which is killed when it goes on for ``--grace-s`` beyond its limit: a
peer that ends with nothing is a row that says so. With ``--results`` each answer is kept in that file as
soon as it is there, and a later call goes on from it.
"""

from __future__ import annotations

import argparse
import math
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from aiops_provider import domain, placement
from aiops_provider.domain.plan import Objective, PlacementPlan, PlanStatus
from aiops_provider.placement.feasibility import check_plan
from aiops_provider.placement.planner import plan_placement
from benchmarks.command import Options, run
from benchmarks.placement.kept_answers import KeptAnswers, digest_of, name_of
from benchmarks.placement.plan_cases import PlanCase, plan_case
from benchmarks.placement.plan_peers import PEERS, Answer
from benchmarks.placement.plan_report import (
    LARGE_GROUPS,
    OURS,
    Comparison,
    goal_of,
    not_run,
    plan_musts,
    table_row,
    verdict,
    verdict_musts,
)
from benchmarks.placement.separate_process import run_apart
from benchmarks.report import Report

_LEVEL = 0.75
_MORE_TIME = 10.0
_GAP = 0.0005
_GIB = 2**20  # ru_maxrss counts KiB
_GENERATOR = ("plan_cases", "instances", "dag_cases")


def main() -> int:
    """See the module."""
    return run("placement", measure, add_options=_options)


def _options(parser: argparse.ArgumentParser) -> None:
    def names(text: str) -> list[str]:
        return text.split(",")

    add = parser.add_argument
    add("--sizes", type=names, default="2000x40,20000x200", help="groups x clusters, by commas")
    add("--limit-s", type=float, default=25.0, help="of a plan")
    add("--large-limit-s", type=float, default=300.0, help="of a large plan")
    add("--peer-limit-s", type=float, default=300.0, help="of a peer, at most")
    add("--peer-least-s", type=float, default=30.0, help="of a peer, at least")
    add("--grace-s", type=float, default=120.0, help="kill what goes on so long beyond its limit")
    add("--limit-gib", type=float, default=8.0, help="address space of each process")
    add("--peers-up-to", type=int, default=200_000, help="groups times clusters")
    add("--objectives", type=names, default="most,least", help="most, least, or both with a comma")
    add("--instances", type=int, default=1, help="seeds, from --seed on")
    add("--results", type=Path, metavar="FILE", help="keep answers there, and go on from them")
    add("--peers", type=names, default="", metavar="NAME,…",
        help="run only those whose name contains one of these; all that is kept is told")  # fmt: skip
    add("--minutes", type=float, default=math.inf, metavar="M", help="begin nothing after so long")


def measure(options: Options) -> Report:
    """Both objectives at each size."""
    kept = KeptAnswers(options.extra.results)
    until = time.monotonic() + 60.0 * options.extra.minutes
    comparisons: list[Comparison] = []
    for size in options.extra.sizes:
        groups, clusters = (int(part) for part in size.split("x"))
        for seed in range(options.seed, options.seed + options.extra.instances):
            case = plan_case(options.data, groups, clusters, seed)
            objectives = {
                "most": Objective(budget_usd_per_hour=case.budget_usd_per_hour),
                "least": Objective(maximize_sla=False, sla=_LEVEL),
            }
            for name in options.extra.objectives:
                task = (f"{size}x24", seed, case, objectives[name])
                found = _compare(*task, options=options, kept=kept, until=until)
                comparisons.append(found)
    return Report(
        bench="placement.plan_scale",
        data="vm-prices, skyplane-network, philly-jobs",
        seed=options.seed,
        rows=[table_row(one, answer) for one in comparisons for answer in one.answers],
        musts=[must for one in comparisons for must in plan_musts(one)]
        + verdict_musts(comparisons),
        notes=[
            "Value: SLA-weighted share within capacity and budget (most), or USD per hour at "
            f"{_LEVEL:.0%} of it (least cost). Gap: to the best bound of the column 'bound', "
            "relative to the larger.",
            "Seconds by the wall and of the process, with building the problem; ours with the "
            "check whether a plan that places as much is cheaper. Peers had "
            f"{_MORE_TIME:g} times our seconds for solving, within {options.extra.peer_least_s:g} and "
            f"{options.extra.peer_limit_s:g} s, one thread each, and were killed {options.extra.grace_s:g} s later.",
            "Violations are counted by the independent checker, the memory is the peak of a "
            "process of its own.",
            "The linear relaxation is HiGHS without integer choices, all limits written down. CBC's "
            "bound is read from its log, which has three digits; CP-SAT counts in thousandths of a "
            "group, so that its bound is not used.",
            *verdict(comparisons),
            *not_run(comparisons),
        ],
    )


def _compare(
    size: str,
    seed: int,
    case: PlanCase,
    objective: Objective,
    *,
    options: Options,
    kept: KeptAnswers,
    until: float,
) -> Comparison:
    large = len(case.groups) >= LARGE_GROUPS
    limit_s = options.extra.large_limit_s if large else options.extra.limit_s
    answers: list[Answer] = []
    missing: list[str] = []

    def ask(peer: str, work: _Peer, limit_s: float, source: str) -> Answer | None:
        name = name_of(peer, goal_of(objective), case, limit_s, source)
        found = kept.get(name)
        wanted = any(part in peer for part in options.extra.peers) and time.monotonic() < until
        if found is None and wanted:
            found = _apart(peer, work, case, objective, limit_s=limit_s, options=options)
            kept.put(name, found)
            told = f"{size}, seed {seed}, {goal_of(objective)}: {peer} {found.value:.6g}, "
            print(f"{told}{found.seconds:.1f} s, {found.ending}", file=sys.stderr, flush=True)
        if found is None:
            missing.append(peer)
        else:
            answers.append(found)
        return found

    ours = ask(OURS, _ours, limit_s, _source())
    if len(case.groups) * len(case.clusters) <= options.extra.peers_up_to:
        for peer, work in PEERS.items():
            if ours is None:
                missing.append(peer)
                continue
            least_s, most_s = options.extra.peer_least_s, options.extra.peer_limit_s
            peer_limit_s = min(max(_MORE_TIME * ours.seconds, least_s), most_s)
            ask(peer, work, peer_limit_s, _source("plan_peers"))
    return Comparison(
        size=size, seed=seed, case=case, objective=objective, answers=answers, missing=missing
    )


def _source(*modules: str) -> str:
    """Digest of what an answer depends on: the generator, the package's rooms, these modules."""
    here = Path(__file__).parent
    files = [here / f"{name}.py" for name in (*_GENERATOR, *modules)]
    for room in (placement, domain):
        files += Path(room.__path__[0]).glob("*.py")
    return digest_of(files)


def _ours(case: PlanCase, objective: Objective, limit_s: float) -> Answer:
    start, used = time.perf_counter(), time.process_time()
    plan = plan_placement(
        case.groups,
        case.clusters,
        objective,
        now=datetime(2026, 1, 1, tzinfo=UTC),
        egress=case.egress,
        time_limit_s=limit_s,
        gap_tolerance=_GAP,
    )
    seconds, process = time.perf_counter() - start, time.process_time() - used
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _GIB
    return Answer(
        peer=OURS,
        value=plan.objective_value,
        bound=plan.bound,
        seconds=seconds,
        process_seconds=process,
        violations=_violations(plan, case),
        gib=gib,
        ending=_ending(plan),
    )


def _violations(plan: PlacementPlan, case: PlanCase) -> int:
    return len(check_plan(plan, case.clusters, egress=case.egress))


def _ending(plan: PlacementPlan) -> str:
    if plan.status is PlanStatus.INFEASIBLE:
        return "level out of reach"
    return "done" if plan.gap <= _GAP else "time limit"


_Peer = Callable[[PlanCase, Objective, float], Answer]


def _apart(
    peer: str,
    work: _Peer,
    case: PlanCase,
    objective: Objective,
    *,
    limit_s: float,
    options: Options,
) -> Answer:
    """In a process of its own; with nothing but its bound of time if that had to be killed."""
    ended = run_apart(
        work,
        (case, objective, limit_s),
        limit_s=limit_s + options.extra.grace_s,
        limit_gib=options.extra.limit_gib,
    )
    if ended.result is not None:
        return replace(ended.result, peer=peer)
    return Answer(
        peer=peer,
        value=math.nan,
        bound=math.inf if objective.maximize_sla else -math.inf,
        seconds=ended.seconds,
        process_seconds=ended.process_seconds,
        violations=0,
        gib=math.nan,
        ending=ended.how,
    )


if __name__ == "__main__":
    raise SystemExit(main())
