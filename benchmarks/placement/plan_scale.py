"""
Plans for many groups on many clusters: how near the best plan, how fast, and is the proof true.

``python -m benchmarks.placement.plan_scale [--data FOLDER] [--seed N] [--sizes 2000x40,20000x200]
[--limit-s 25] [--large-limit-s 300] [--output json]``. Peers on the same problem: the greedy rule of
thumb, one program for HiGHS, one for CBC, and OR-Tools' CP-SAT, each with ten times the time that
ours took; the limit is the best bound that any of them proves, or ours. A size above
``--peers-up-to`` options runs without the peers that could not even hold it.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime

from aiops_provider.domain.plan import Objective, PlacementPlan
from aiops_provider.placement.feasibility import check_plan
from aiops_provider.placement.planner import plan_placement
from benchmarks.command import Options, run
from benchmarks.placement.plan_cases import PlanCase, plan_case
from benchmarks.placement.plan_peers import PEERS, Answer
from benchmarks.report import Must, Report, at_most

_LEVEL = 0.75
_MORE_TIME = 10.0
_GAP = 0.0005
_LARGE_GROUPS = 10_000
_GIB = 2**20  # ru_maxrss counts KiB


def main() -> int:
    """See the module."""
    return run("placement", measure, add_options=_options)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sizes", default="2000x40,20000x200", help="groups x clusters, by commas")
    parser.add_argument("--limit-s", type=float, default=25.0, help="of a plan")
    parser.add_argument("--large-limit-s", type=float, default=300.0, help="of a large plan")
    parser.add_argument("--peers-up-to", type=int, default=200_000, help="groups times clusters")
    parser.add_argument(
        "--objectives", default="most,least", help="most, least, or both with a comma"
    )
    parser.add_argument("--instances", type=int, default=1, help="seeds, from --seed on")


def measure(options: Options) -> Report:
    """Both objectives at each size."""
    rows: list[dict[str, object]] = []
    musts: list[Must] = []
    for size in str(options.extra.sizes).split(","):
        groups, clusters = (int(part) for part in size.split("x"))
        for seed in range(options.seed, options.seed + options.extra.instances):
            case = plan_case(options.data, groups, clusters, seed)
            objectives = {
                "most": Objective(budget_usd_per_hour=case.budget_usd_per_hour),
                "least": Objective(maximize_sla=False, sla=_LEVEL),
            }
            for name in str(options.extra.objectives).split(","):
                objective = objectives[name]
                found, limits = _compare(f"{size}x24", seed, case, objective, options)
                rows += found
                musts += limits
    return Report(
        bench="placement.plan_scale",
        data="vm-prices, skyplane-network, philly-jobs",
        seed=options.seed,
        rows=rows,
        musts=musts,
        notes=[
            "Value: SLA-weighted share within capacity and budget (most), or USD per hour at "
            f"{_LEVEL:.0%} of it (least cost). Gap: to the best bound of the column 'bound', "
            "relative to the larger.",
            "Seconds by the wall and of the process, with building the problem; ours with the "
            "check whether a plan that places as much is cheaper. Peers had "
            f"{_MORE_TIME:g} times our seconds for solving, one thread each.",
            "Violations are counted by the independent checker, the memory is the peak of a "
            "process of its own.",
            "The linear relaxation is HiGHS without integer choices, all limits written down.",
        ],
    )


def _compare(
    size: str, seed: int, case: PlanCase, objective: Objective, options: Options
) -> tuple[list[dict[str, object]], list[Must]]:
    large = len(case.groups) >= _LARGE_GROUPS
    limit_s = options.extra.large_limit_s if large else options.extra.limit_s
    ours = _apart(_ours, case, objective, limit_s)
    answers = [ours]
    if len(case.groups) * len(case.clusters) <= options.extra.peers_up_to:
        peer_limit_s = _MORE_TIME * ours.seconds
        answers += [_apart(peer, case, objective, peer_limit_s) for peer in PEERS]
    most = objective.maximize_sla
    bounds = [answer.bound for answer in answers if math.isfinite(answer.bound)]
    limit = min(bounds) if most else max(bounds)
    rows = [_row(size, seed, objective, answer, limit) for answer in answers]
    name = f"{size}, seed {seed}, {_goal(objective)}"
    gap = _gap(ours.value, ours.bound if large else limit)
    musts = [
        at_most(f"{name}: gap to the best bound", gap, 0.03 if large else 0.02),
        at_most(f"{name}: seconds by the wall", ours.seconds, 300.0 if large else 25.0),
        at_most(f"{name}: seconds of the process", ours.process_seconds, 300.0 if large else 25.0),
        at_most(f"{name}: violations", ours.violations, 0),
    ]
    if large:
        musts.append(at_most(f"{name}: GiB", ours.gib, 8.0))
    return rows, musts


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
        peer="aiops",
        value=plan.objective_value,
        bound=plan.bound,
        seconds=seconds,
        process_seconds=process,
        violations=_violations(plan, case),
        gib=gib,
    )


def _violations(plan: PlacementPlan, case: PlanCase) -> int:
    return len(check_plan(plan, case.clusters, egress=case.egress))


_Peer = Callable[[PlanCase, Objective, float], Answer]


def _apart(peer: _Peer, case: PlanCase, objective: Objective, limit_s: float) -> Answer:
    """In a process of its own, so that its memory and its leftovers are its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(peer, (case, objective, limit_s))


def _row(
    size: str, seed: int, objective: Objective, answer: Answer, limit: float
) -> dict[str, object]:
    return {
        "size": size,
        "seed": seed,
        "objective": _goal(objective),
        "peer": answer.peer,
        "value": answer.value,
        "own bound": answer.bound,
        "bound": limit,
        "gap %": 100 * _gap(answer.value, limit),
        "wall s": answer.seconds,
        "process s": answer.process_seconds,
        "violations": answer.violations,
        "GiB": answer.gib,
    }


def _goal(objective: Objective) -> str:
    return "most" if objective.maximize_sla else "least cost"


def _gap(value: float, bound: float) -> float:
    if not math.isfinite(value):
        return math.inf
    return abs(value - bound) / max(abs(value), abs(bound), 1e-12)


if __name__ == "__main__":
    raise SystemExit(main())
