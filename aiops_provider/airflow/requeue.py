"""
Tasks that were sent to a cluster and have not started there go back to the scheduler.

Airflow's own database is the fence. A worker may start a task only under the id that its message
carries; a task that goes back gets a new id. So whatever still lies in the queues of a cluster that
froze, or in a message of which nobody knows whether it arrived, can never start: neither when the
cluster thaws nor later.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from aiops_provider.domain.units import utc_now

# What is restarting still runs until its worker has heard of it.
_ON_A_WORKER = ("running", "restarting")
_UNDER_WAY = frozenset({"queued", "running", "restarting"})


def give_back(ids: Collection[UUID]) -> set[UUID]:
    """
    Have the scheduler queue those tasks anew that are still queued; the try stays the same.

    One short transaction of its own. A task that starts at this very moment is left alone: the
    row is locked by whoever starts it.

    Args:
        ids: Ids of task instances, as their workloads have them.

    Returns:
        The ids that went back, which no worker can use any more.
    """
    if not ids:
        return set()
    from airflow.models.taskinstance import TaskInstance, uuid7
    from airflow.models.taskreschedule import TaskReschedule
    from airflow.utils.session import create_session
    from airflow.utils.state import TaskInstanceState
    from sqlalchemy import delete, select, update

    with create_session() as session:
        queued = select(TaskInstance.id).where(
            TaskInstance.id.in_(ids), TaskInstance.state == TaskInstanceState.QUEUED
        )
        found = set(session.scalars(queued.with_for_update(skip_locked=True)))
        for one in found:
            # Rows of earlier pokes refer to the id; Airflow drops them too when a try is reset.
            session.execute(delete(TaskReschedule).where(TaskReschedule.ti_id == one))
            session.execute(
                update(TaskInstance)
                .where(TaskInstance.id == one)
                .values(
                    id=uuid7(),
                    state=TaskInstanceState.SCHEDULED,
                    queued_dttm=None,
                    queued_by_job_id=None,
                    external_executor_id=None,
                    scheduled_dttm=utc_now(),
                )
                .execution_options(synchronize_session=False)
            )
        return found


def fence(ids: Collection[UUID], *, reason: str) -> set[UUID]:
    """
    Have the scheduler run those tasks anew that are on a worker; what they were counts no more.

    A new try under a new id, as when somebody clears the task, and at no cost of its retries. The
    old try keeps its place in Airflow's history. Its worker, should it live, is told at its next
    heartbeat that its id is gone and ends the task; until then both may run.

    Args:
        ids: Ids of task instances that may run twice, as their workloads have them.
        reason: Stands in Airflow's event log.

    Returns:
        The ids that were fenced.
    """
    return _run_anew(dict.fromkeys(ids, reason), event="fenced by aiops", states=_ON_A_WORKER)


def end_to_move(reasons: Mapping[UUID, str]) -> set[UUID]:
    """
    Have the workers of those tasks end them that are running, as when somebody clears the tasks.

    They are *restarting* from then on: their workers are told so at their next heartbeat, end them, and
    tell nothing more. No new try begins before somebody says that the old one has ended: we by
    :func:`run_moved`, else Airflow itself, which restarts them when it hears of the end or misses the
    heartbeats.

    Args:
        reasons: By id of the task instance, as its workload has it; stand in Airflow's event log.

    Returns:
        The ids of those that are being ended.
    """
    if not reasons:
        return set()
    from airflow.models.log import Log
    from airflow.utils.session import create_session
    from airflow.utils.state import TaskInstanceState

    ending: set[UUID] = set()
    with create_session() as session:
        for ti in _locked(session, reasons, ("running",)):
            ending.add(ti.id)
            session.add(Log(event="moved by aiops", task_instance=ti.key, extra=reasons[ti.id]))
            ti.state = TaskInstanceState.RESTARTING
    return ending


def run_moved(ids: Collection[UUID], *, reason: str) -> set[UUID]:
    """
    Have the scheduler run those tasks anew whose old try has ended; at no cost of their retries.

    Args:
        ids: Of tasks that were ended by :func:`end_to_move`.
        reason: Stands in Airflow's event log.

    Returns:
        The ids of those that run anew; the others are not restarting any more.
    """
    return _run_anew(dict.fromkeys(ids, reason), event="ended to be moved", states=("restarting",))


def _run_anew(reasons: Mapping[UUID, str], *, event: str, states: Sequence[str]) -> set[UUID]:
    if not reasons:
        return set()
    from airflow.models.log import Log
    from airflow.utils.session import create_session

    found: set[UUID] = set()
    with create_session() as session:
        for ti in _locked(session, reasons, states):
            found.add(ti.id)
            session.add(Log(event=event, task_instance=ti.key, extra=reasons[ti.id]))
            ti.prepare_db_for_next_try(session)
            ti.state = None
            ti.max_tries += 1
            ti.external_executor_id = None
            ti.clear_next_method_args()
    return found


def _locked(session: Any, ids: Collection[UUID], states: Sequence[str]) -> list[Any]:
    """The rows in one of the states, but those that somebody else is changing at this moment."""
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select
    from sqlalchemy.orm import lazyload

    rows = (
        select(TaskInstance)
        .where(TaskInstance.id.in_(ids), TaskInstance.state.in_(states))
        # The run of a task is joined otherwise, and nobody looks at it here.
        .options(lazyload(TaskInstance.dag_run))
    )
    return list(session.scalars(rows.with_for_update(of=TaskInstance, skip_locked=True)))


def settled(ids: Collection[UUID]) -> set[UUID]:
    """
    Those ids under which nothing is queued or running any more.

    Args:
        ids: Ids of task instances, as their workloads had them.
    """
    if not ids:
        return set()
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        rows: Any = session.execute(
            select(TaskInstance.id, TaskInstance.state).where(TaskInstance.id.in_(ids))
        )
        alive = {one for one, state in rows if str(getattr(state, "value", state)) in _UNDER_WAY}
    return set(ids) - alive


def is_waiting(ti_id: UUID | str) -> bool:
    """
    Whether a task instance has not begun: it is queued under that id.

    Args:
        ti_id: Id as its workload had it; one that was given back has another.
    """
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from airflow.utils.state import TaskInstanceState
    from sqlalchemy import select

    with create_session() as session:
        state = session.scalar(
            select(TaskInstance.state).where(TaskInstance.id == UUID(str(ti_id)))
        )
    return bool(state == TaskInstanceState.QUEUED)
