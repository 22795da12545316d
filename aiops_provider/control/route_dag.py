"""
What ``aiops route --dag`` does: profile, route and price every task of a DAG file.

Made for continuous integration: no scheduler is needed, and in a dry run no store either – then
priors and descriptions decide. Airflow imports the file in a process of its own, for control never
imports a host.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiops_provider.control.accelerator_advice import AcceleratorAdvisor
from aiops_provider.control.cluster_limits import cluster_limits, team_of
from aiops_provider.control.lessons import hear_of_others
from aiops_provider.control.profilers import new_profiler
from aiops_provider.control.snapshot_reader import load_snapshot
from aiops_provider.domain.plan import Route
from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.workload import TASK_DESCRIPTION, Generic, TaskDescription, with_operator
from aiops_provider.errors import DataError, DescriptionError, InfeasibleError
from aiops_provider.placement.router import Router, RouterSnapshot
from aiops_provider.profiling.book import ProfileBook
from aiops_provider.profiling.profiler import Profiler

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation
    from aiops_provider.settings.schema import Settings

_READER = "aiops_provider.airflow.dag_tasks"
_MARK = "aiops-dag-tasks:"
# Airflow needs some seconds on an idle machine, and the file may import anything.
_TIMEOUT_S = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedDagTask:
    """
    One task of the file.

    Attributes:
        task: Which.
        operator: Its operator.
        known: Whether its profile was stored.
        profile: What it will need; ``None`` when its description cannot be used.
        route: Where it would go; ``None`` when it cannot run anywhere.
        problem: Why it has no profile or no route; empty otherwise.
    """

    task: TaskKey
    operator: str
    known: bool
    profile: WorkloadProfile | None
    route: Route | None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedDagFile:
    """
    Every task of a file.

    Attributes:
        file: Path of it.
        tasks: In the order of their DAGs; a mapped task stands for one of its instances.
        expected_cost_usd: Of one run of everything in it, as far as prices are known.
        unpriced: Tasks whose cost is unknown.
        feasible: Whether all of them can run.
    """

    file: str
    tasks: tuple[RoutedDagTask, ...]
    expected_cost_usd: float
    unpriced: int
    feasible: bool


def route_dag_file(installation: Installation, file: Path, now: datetime) -> RoutedDagFile:
    """
    Say where each task of a DAG file would run, and what a run would cost.

    Args:
        installation: Its clusters; its profiles, plan and quarantines if it has a store.
        file: Python file with DAGs.
        now: Decides which quarantines are in force and the hour of the plan.

    Raises:
        DataError: Airflow is not here, or cannot import the file.
        StoreError: There is a store and it does not answer.
    """
    router, book = _decided_by(installation, now)
    profiler = new_profiler(installation.settings.profiling)
    if installation.store is not None:
        hear_of_others(profiler, installation.store, now)
    advisor = AcceleratorAdvisor(installation.clusters, installation.settings.open_catalog)
    tasks = tuple(
        _routed(
            told,
            router,
            book,
            profiler,
            advisor=advisor,
            settings=installation.settings,
            now=now,
        )
        for told in _read(file)
    )
    costs = [each.route.expected_cost_usd for each in tasks if each.route is not None]
    return RoutedDagFile(
        file=str(file),
        tasks=tasks,
        expected_cost_usd=sum(cost for cost in costs if cost is not None),
        unpriced=sum(cost is None for cost in costs),
        feasible=all(not each.problem for each in tasks),
    )


def _decided_by(installation: Installation, now: datetime) -> tuple[Router, ProfileBook]:
    if installation.store is None:
        bare = RouterSnapshot(
            clusters=installation.clusters,
            carbon_usd_per_kg=installation.settings.objective.carbon_usd_per_kg,
        )
        return Router(bare), ProfileBook(())
    snapshot = load_snapshot(installation, now)
    return Router(snapshot.router), snapshot.book


def _routed(
    told: Mapping[str, Any],
    router: Router,
    book: ProfileBook,
    profiler: Profiler,
    *,
    advisor: AcceleratorAdvisor,
    settings: Settings,
    now: datetime,
) -> RoutedDagTask:
    task = TaskKey(told["dag"], told["task"])
    known = book.get(task)
    if told["problem"]:
        return _impossible(told, task, None, told["problem"])
    description: TaskDescription | None = None
    if told["description"] is not None:
        description = TASK_DESCRIPTION.validate_python(told["description"])
    by_host = Generic.model_validate(told["known"])
    description = with_operator(description, by_host)
    if known is None:
        # What has never run and is not described is described by what its host knows.
        description = description or by_host
        profile = profiler.predict(task, description, now=now)
    else:
        profile = profiler.constrain(known, description) if description else known
    limits = cluster_limits(
        settings,
        team=team_of(settings, task.namespace),
        queue=told["queue"],
        executor=told["executor"],
    )
    profile = replace(profile, cluster_limits=limits)
    try:
        if known is None or description is not None:
            profile = advisor.advise(profile, description)
        route = router.route(profile, now=now)
    except (InfeasibleError, DescriptionError) as error:
        return _impossible(told, task, profile, str(error))
    return RoutedDagTask(
        task=task,
        operator=told["operator"],
        known=known is not None,
        profile=profile,
        route=route,
    )


def _impossible(
    told: Mapping[str, Any], task: TaskKey, profile: WorkloadProfile | None, problem: str
) -> RoutedDagTask:
    return RoutedDagTask(
        task=task,
        operator=told["operator"],
        known=False,
        profile=profile,
        route=None,
        problem=problem,
    )


def _read(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        raise DataError("there is no such file", file=str(file), mend="Name a DAG file.")
    try:
        answer = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", _READER, str(file)],
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DataError(
            f"Airflow has not imported it within {_TIMEOUT_S:g} s", file=str(file)
        ) from None
    marked = [line for line in answer.stdout.splitlines() if line.startswith(_MARK)]
    if answer.returncode != 0 or not marked:
        last = [line for line in answer.stderr.splitlines() if line.strip()][-1:] or ["no answer"]
        raise DataError(
            f"it cannot be read ({last[0]})",
            file=str(file),
            mend="Airflow must be installed beside this command.",
        )
    found = json.loads(marked[-1].removeprefix(_MARK))
    if found["errors"]:
        raise DataError(
            f"cannot be imported: {next(iter(found['errors'].values()))}", file=str(file)
        )
    if not found["tasks"]:
        raise DataError("has no task", file=str(file), mend="Name a file in which a DAG is made.")
    tasks: list[dict[str, Any]] = found["tasks"]
    return tasks
