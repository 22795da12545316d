"""What ``aiops plan`` does: a plan of described tasks, or the plan of the installation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from aiops_provider.control.accelerator_advice import AcceleratorAdvisor
from aiops_provider.control.profilers import new_profiler
from aiops_provider.control.replan import checked_plan, planning_problem, replan
from aiops_provider.control.task_file import read_task_list
from aiops_provider.domain.plan import PlacementPlan
from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.errors import DescriptionError

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation
    from aiops_provider.settings.schema import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPlan:
    """
    A plan and how it came about.

    Attributes:
        plan: ``None`` when there is none and none could be made.
        problem: Why the latest attempt made no plan; ``None`` when it did.
    """

    plan: PlacementPlan | None
    problem: str | None = None


def plan_file(workloads: Path, settings: Settings, now: datetime) -> ShownPlan:
    """
    Plan described tasks on the configured clusters, from what is said about them alone.

    Nothing is stored and no store is needed.

    Args:
        workloads: YAML, a list of task descriptions, each with ``task: namespace/name``.
        settings: Clusters, objective and limits of the planning.
        now: Time stamp of the plan.

    Raises:
        DescriptionError: The file cannot be used, or pins a task to a cluster that is not configured.
        PlanError: No plan was found in time.
    """
    profiles = described_profiles(workloads, settings, now)
    return ShownPlan(plan=checked_plan(settings, settings.cluster_specs, profiles, now=now))


def described_profiles(
    workloads: Path, settings: Settings, now: datetime
) -> tuple[WorkloadProfile, ...]:
    """
    Profiles of described tasks, from what is said about them alone.

    Args:
        workloads: YAML, a list of task descriptions, each with ``task: namespace/name``.
        settings: Of the profiling, and the clusters whose accelerators are weighed.
        now: Time stamp of the profiles.

    Raises:
        DescriptionError: The file cannot be used, or pins a task to a cluster that is not configured.
    """
    tasks = read_task_list(workloads, settings.open_catalog)
    names = [cluster.name for cluster in settings.cluster_specs]
    for task, description in tasks:
        if description.cluster is not None and description.cluster not in names:
            raise DescriptionError(
                f"{task} is pinned to a cluster that is not configured",
                field="cluster",
                value=description.cluster,
                file=str(workloads),
                mend=f"Use one of {', '.join(names)}, or leave the pin out.",
            )
    profiler = new_profiler(settings.profiling)
    advisor = AcceleratorAdvisor(settings.cluster_specs, settings.open_catalog)
    return tuple(
        advisor.advise(profiler.predict(task, description, now=now), description)
        for task, description in tasks
    )


def plan_in_force(installation: Installation, now: datetime) -> ShownPlan:
    """
    The plan of the installation, made now if there is none yet.

    Args:
        installation: With a store.
        now: Time stamp of a plan that is made.

    Raises:
        StoreError: The store does not answer.
    """
    store = installation.require_store()
    plan = store.plan_in_force() or replan(installation, now, "asked for on the command line")
    problem: Mapping[str, str] | None = planning_problem(store)
    told = f"{problem['at']} ({problem['reason']}): {problem['problem']}" if problem else None
    return ShownPlan(plan=plan, problem=told)
