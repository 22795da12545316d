"""
What AiopsExecutor costs the scheduler: CPU per task against Airflow's executor, and time per heartbeat.

One Airflow with PostgreSQL; only its scheduler is started anew for every measurement, with one
executor or the other, first one then the other in turns: over a local cluster against LocalExecutor, or
over a Celery worker against CeleryExecutor with the same worker. Needs the extras airflow and postgres and
the dependency group test, over Celery also the extra celery and redis-server. Nothing is read from --data.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median, stdev

import numpy as np
import psutil

from aiops_provider.cli.demo.airflow_stage import AIOPS_EXECUTOR, LOCAL_EXECUTOR, AirflowStage
from benchmarks.airflow.celery_workers import CeleryWorkers
from benchmarks.airflow.local_postgresql import local_postgresql
from benchmarks.command import Options, run
from benchmarks.report import Must, Report, at_most

_DAGS = Path(__file__).with_name("dags")
_RATIO_LIMIT = 1.10
_HEARTBEAT_LIMIT_MS = 20.0
_RUN_TIMEOUT_S = 900.0
_AT_A_TIME = 8
_OURS, _STOCK = "aiops", {"local": LOCAL_EXECUTOR, "celery": "CeleryExecutor"}
# The demo's Airflow wakes its scheduler more often than a stock one, which would hide the difference
# behind idle turns; with two cores eight tasks at a time are plenty.
_VARIABLES = {
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "1",
    "AIRFLOW__CORE__PARALLELISM": str(_AT_A_TIME),
    "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "1000",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cost:
    """CPU milliseconds per task, of the scheduler's process and of it with all below; seconds."""

    scheduler_ms: float
    tree_ms: float
    seconds: float


def measure(options: Options) -> Report:
    """Start Airflow, measure heartbeats, then the pairs."""
    extra = options.extra
    peers = {_OURS: AIOPS_EXECUTOR, _STOCK[extra.executor]: _STOCK[extra.executor]}
    workers = CeleryWorkers(_AT_A_TIME) if extra.executor == "celery" else None
    heartbeats: dict[str, dict[str, list[float]]] = {}
    variables = {**_VARIABLES, "BENCHMARK_TASKS": str(extra.tasks)}
    with tempfile.TemporaryDirectory(prefix="aiops-overhead-") as folder, local_postgresql() as url:
        if workers is not None:
            variables |= workers.variables
        with AirflowStage(Path(folder) / "home", _DAGS, variables=variables, database=url) as stage:
            stage.migrate()
            if workers is None:
                heartbeats = _heartbeats(stage, extra.rounds)
            else:
                workers.start(stage)
            stage.start(["nothing", "warm_up"])
            pairs = [_pair(stage, peers, index, extra.tasks) for index in range(extra.pairs)]
    rows, musts = _heartbeat_rows(heartbeats, options.seed)
    ratio_rows, ratio_musts = _ratio_rows(list(peers), pairs)
    return Report(
        bench="airflow.overhead",
        data=f"{extra.tasks} tasks that do nothing, over {extra.executor}",
        seed=options.seed,
        rows=[*ratio_rows, *rows],
        musts=[*ratio_musts, *musts],
        notes=[
            f"CPU per task: {extra.pairs} interleaved pairs; user and system time of the scheduler's "
            "process with all its threads, from the trigger of a run to its end. Ratio: geometric "
            "mean over the pairs, and the 95 % interval of Student's t on its logarithm, paired.",
            _who_shares_the_cores(),
            *(_NOTES_ON_CELERY if workers is not None else _notes_on_local(extra.rounds)),
        ],
    )


_NOTES_ON_CELERY = (
    f"Both executors send to the same worker, which runs {_AT_A_TIME} tasks at a time and is no part of what "
    "is measured; broker: Redis, results: PostgreSQL.",
    "With all below: the same with the processes that Airflow's executor sends with and, for ours, the "
    "process of the control cycle.",
)


def _notes_on_local(rounds: int) -> tuple[str, ...]:
    return (
        "With all below: the same with worker processes, task processes and, for ours, the "
        "process of the control cycle.",
        f"Heartbeat: 100 tasks are queued in a session of Airflow's, committed, sent and ended; "
        f"median of {rounds} rounds with its bootstrap interval. The cluster in it takes "
        "everything and does nothing; all else is real.",
    )


def _heartbeats(stage: AirflowStage, rounds: int) -> dict[str, dict[str, list[float]]]:
    done = subprocess.run(  # noqa: S603 - a module of this benchmark
        [sys.executable, "-m", "benchmarks.airflow.heartbeat", str(rounds)],
        env=stage.environment,
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, dict[str, list[float]]] = json.loads(done.stdout.splitlines()[-1])
    return found


def _pair(
    stage: AirflowStage, peers: Mapping[str, str], index: int, tasks: int
) -> dict[str, _Cost]:
    order = list(peers) if index % 2 == 0 else list(reversed(peers))
    costs = {peer: _cost(stage, peers[peer], f"pair_{index}_{peer}", tasks) for peer in order}
    shown = ", ".join(f"{p} {c.scheduler_ms:.1f} ms, {c.seconds:.0f} s" for p, c in costs.items())
    print(f"pair {index}: {shown}", file=sys.stderr, flush=True)
    return costs


def _cost(stage: AirflowStage, executor: str, run_id: str, tasks: int) -> _Cost:
    stage.restart_scheduler({"AIRFLOW__CORE__EXECUTOR": executor})
    _end_of_run(stage, "warm_up", run_id)
    scheduler = psutil.Process(stage.scheduler_pid)
    before, tree_before, began = _cpu_s(scheduler), _tree_cpu_s(scheduler), time.monotonic()
    _end_of_run(stage, "nothing", run_id)
    return _Cost(
        scheduler_ms=1000 * (_cpu_s(scheduler) - before) / tasks,
        tree_ms=1000 * (_tree_cpu_s(scheduler) - tree_before) / tasks,
        seconds=time.monotonic() - began,
    )


def _end_of_run(stage: AirflowStage, dag_id: str, run_id: str) -> None:
    api = stage.api
    api.trigger(dag_id, run_id)
    api.wait_until(
        f"{run_id} of {dag_id} ends",
        lambda: api.run_state(dag_id, run_id) in {"success", "failed"},
        timeout_s=_RUN_TIMEOUT_S,
    )
    if api.run_state(dag_id, run_id) != "success":
        raise RuntimeError(f"run {run_id} of {dag_id} failed: what it cost says nothing")


def _who_shares_the_cores() -> str:
    """
    Whether Linux shares the cores between sessions: it does so outside of CPU control groups only.

    Our pool is a session of its own, LocalExecutor's workers are not. Where sessions count, the scheduler
    under LocalExecutor is held up by its own workers, takes fewer turns, and so needs less CPU.
    """
    enabled = Path("/proc/sys/kernel/sched_autogroup_enabled")
    if not enabled.is_file() or enabled.read_text().strip() == "0":
        return "Linux shares the cores between processes."
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, group = line.split(":", 2)
        if group != "/" and (not controllers or "cpu" in controllers.split(",")):
            return (
                "All processes are in one CPU control group, as in a service or a container: Linux "
                "shares the cores between processes."
            )
    return "No CPU control group: Linux shares the cores between sessions (autogroup)."


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _tree_cpu_s(process: psutil.Process) -> float:
    """Also of those that have ended, which the kernel adds to their parents."""
    total = 0.0
    for each in (process, *process.children(recursive=True)):
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue  # it is in its parent's sum by now, or will be
        total += times.user + times.system + times.children_user + times.children_system
    return total


def _ratio_rows(
    peers: Sequence[str],
    pairs: Sequence[Mapping[str, _Cost]],
) -> tuple[list[dict[str, object]], list[Must]]:
    rows: list[dict[str, object]] = []
    for peer in peers:
        costs = [pair[peer] for pair in pairs]
        rows.append(
            {
                "what": f"tasks that do nothing, {peer}",
                "n": len(costs),
                "scheduler CPU ms per task": fmean(cost.scheduler_ms for cost in costs),
                "with all below, ms": fmean(cost.tree_ms for cost in costs),
                "seconds per run": fmean(cost.seconds for cost in costs),
            }
        )
    musts = []
    ours, stock = peers
    for name, of in (("scheduler CPU", "scheduler_ms"), ("CPU with all below", "tree_ms")):
        ratios = [getattr(p[ours], of) / getattr(p[stock], of) for p in pairs]
        ratio, low, high = _interval(ratios)
        rows.append(
            {"what": f"{name}, ratio", "n": len(ratios), "ratio": ratio, "from": low, "to": high}
        )
        if of == "scheduler_ms":
            musts.append(at_most(f"{name} per task, upper bound of the ratio", high, _RATIO_LIMIT))
    return rows, musts


def _interval(ratios: Sequence[float]) -> tuple[float, float, float]:
    """Geometric mean and its 95 % interval; five pairs are too few for a bootstrap."""
    from scipy.stats import t

    logs = [math.log(ratio) for ratio in ratios]
    centre = fmean(logs)
    if len(logs) < 2:
        return math.exp(centre), -math.inf, math.inf
    half = float(t.ppf(0.975, len(logs) - 1)) * stdev(logs) / math.sqrt(len(logs))
    return math.exp(centre), math.exp(centre - half), math.exp(centre + half)


def _heartbeat_rows(
    heartbeats: Mapping[str, Mapping[str, Sequence[float]]], seed: int
) -> tuple[list[dict[str, object]], list[Must]]:
    rows: list[dict[str, object]] = []
    musts = []
    for kind, parts in heartbeats.items():
        wall = (parts["queue"], parts["heartbeat"], parts["end"])
        totals = [sum(each) for each in zip(*wall, strict=True)]
        picks = np.random.default_rng(seed).integers(0, len(totals), (2000, len(totals)))
        low, high = np.quantile(np.median(np.asarray(totals)[picks], axis=1), (0.025, 0.975))
        rows.append(
            {
                "what": f"100 queued tasks, cluster {kind}",
                "n": len(totals),
                "queued ms": median(parts["queue"]),
                "sent ms": median(parts["heartbeat"]),
                "ended ms": median(parts["end"]),
                "together ms": median(totals),
                "from": float(low),
                "to": float(high),
                "of it CPU ms": median(parts["cpu"]),
            }
        )
        musts.append(
            at_most(
                f"ms per heartbeat with 100 queued tasks, cluster {kind}",
                median(totals),
                _HEARTBEAT_LIMIT_MS,
            )
        )
    return rows, musts


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--executor", choices=tuple(_STOCK), default="local", help="what ours is compared over"
    )
    parser.add_argument("--tasks", type=int, default=200, help="per run")
    parser.add_argument("--pairs", type=int, default=5, help="runs under each executor")
    parser.add_argument("--rounds", type=int, default=50, help="heartbeats measured, over local")


if __name__ == "__main__":
    sys.exit(run(None, measure, add_options=_add_options))
