"""Tasks of a scheduler that died: which cluster has them, and which have to be placed anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiops_provider.airflow.inner.cluster import InnerCluster, Orphan
from aiops_provider.airflow.task_request import (
    description_of,
    named_executor,
    named_queue,
    task_run,
)
from aiops_provider.control.cluster_limits import cluster_limits
from aiops_provider.control.decision import reruns_when_lost
from aiops_provider.domain.plan import Placement, PlacementState
from aiops_provider.domain.profile import ClusterLimit
from aiops_provider.domain.task import TaskRun

if TYPE_CHECKING:
    from aiops_provider.settings.schema import Settings

_COLUMNS = (
    "id", "dag_id", "task_id", "run_id", "map_index", "try_number", "state", "queue",
    "external_executor_id", "executor_config", "queued_by_job_id", "key",
)  # fmt: skip


def sort_orphans(
    tis: Sequence[Any],
    *,
    placements: Callable[[Sequence[TaskRun]], Mapping[TaskRun, Placement]],
    clusters: Mapping[str, InnerCluster],
    without_placement: str,
) -> tuple[dict[str, list[Orphan]], list[Any]]:
    """
    Decide by the placement on record, never by asking one cluster after the other.

    A task that is queued and of which nobody noted that its cluster took it goes back: its message
    may or may not have been sent, and going back makes it void. One that runs is never given back
    while its cluster may have it, whether the cluster answers or not.

    Args:
        tis: As the scheduler found them.
        placements: The newest placement of each try.
        clusters: All clusters.
        without_placement: The cluster of tries without placement, which the layer did not place.

    Returns:
        What each cluster has to adopt, and what goes back to the scheduler.
    """
    runs = {task_run(ti): ti for ti in tis}
    known = placements(list(runs))
    adopted: dict[str, list[Orphan]] = {}
    back = []
    for run, ti in runs.items():
        placement = known.get(run)
        name = placement.cluster if placement is not None else without_placement
        cluster = clusters.get(name)
        if cluster is None or not cluster.outlives_scheduler or _never_sent(ti, placement):
            back.append(ti)
            continue
        orphan = Orphan(
            ti=_copy(ti, _COLUMNS),
            run=run,
            epoch=placement.epoch if placement is not None else 0,
            placement=placement,
            rerun_when_lost=placement is not None
            and placement.applied
            and reruns_when_lost(description_of(ti)),
        )
        adopted.setdefault(name, []).append(orphan)
    return adopted, back


def limits_of(orphan: Orphan, settings: Settings) -> tuple[ClusterLimit, ...]:
    """
    The only clusters that a task may use which an earlier scheduler sent somewhere.

    Args:
        orphan: It.
        settings: With ``teams`` and ``airflow``.
    """
    return cluster_limits(
        settings,
        team=orphan.placement.route.team if orphan.placement is not None else None,
        queue=named_queue(orphan.ti.queue),
        executor=named_executor(orphan.ti),
    )


def _never_sent(ti: Any, placement: Placement | None) -> bool:
    queued = str(getattr(ti.state, "value", ti.state)) == "queued"
    return queued and (placement is None or placement.state is PlacementState.CHOSEN)


def _copy(ti: Any, columns: Iterable[str]) -> SimpleNamespace:
    return SimpleNamespace(**{name: getattr(ti, name) for name in columns})
