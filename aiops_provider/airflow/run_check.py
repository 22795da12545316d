"""
Starts a run of the cluster check and tells what became of it, for commands that must not import Airflow.

``python -m aiops_provider.airflow.run_check`` reads one JSON object from stdin (``cluster``,
``run_id``, ``marker``, ``timeout_s``, ``connections``) and prints one line of JSON after a mark. It
works on Airflow's database, as ``airflow dags trigger`` does, where the scheduler does too.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

from aiops_provider.airflow.cluster_check import TASK_ID, XCOM_KEY, report_key, versions
from aiops_provider.control.check_run import DAG_ID, MARK

log = logging.getLogger(__name__)

_ASK_EVERY_S = 0.5
# The task has ended by then; where logs are uploaded they follow it.
_LOG_WITHIN_S = 15.0


def run_check(asked: dict[str, Any]) -> dict[str, Any]:
    """
    Start a run, wait for its end and read back what it left.

    Args:
        asked: As above.

    Returns:
        ``dag`` (``absent``, ``paused`` or ``ready``), and if it is ready: ``state``, ``started``,
        ``host``, ``report`` (``None``: none came), ``xcom`` and ``log`` (empty if they could be
        read back, else why not), ``here`` (versions).
    """
    ready = _dag_state()
    if ready != "ready":
        return {"dag": ready}
    _trigger(asked)
    ti = _wait(asked["run_id"], time.monotonic() + asked["timeout_s"])
    told = {
        "dag": ready,
        "state": str(getattr(ti.state, "value", ti.state)) if ti is not None else "not created",
        "started": ti is not None and ti.start_date is not None,
        "host": ti.hostname if ti is not None else "",
        "report": _report(asked["marker"]),
        "here": versions(),
    }
    if told["report"] is not None:
        told["xcom"] = _xcom(asked["run_id"], asked["marker"])
        told["log"] = _log(asked["run_id"], asked["marker"])
    return told


def _dag_state() -> str:
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    with create_session() as session:
        known = session.get(DagModel, DAG_ID)
        if known is None or known.is_stale:
            return "absent"
        return "paused" if known.is_paused else "ready"


def _trigger(asked: dict[str, Any]) -> None:
    from airflow.api.common.trigger_dag import trigger_dag
    from airflow.utils.types import DagRunTriggeredByType

    trigger_dag(
        DAG_ID,
        triggered_by=DagRunTriggeredByType.CLI,
        run_id=asked["run_id"],
        conf={"marker": asked["marker"], "connections": asked["connections"]},
    )


def _wait(run_id: str, deadline: float) -> Any:
    """The task as it ended; one that has not by the deadline is ended, so that it runs no later."""
    from airflow.utils.state import State

    while True:
        ti = _task(run_id)
        if ti is not None and ti.state in State.finished:
            return ti
        if time.monotonic() > deadline:
            _give_up(run_id)
            return ti
        time.sleep(_ASK_EVERY_S)


def _task(run_id: str) -> Any:
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        query = select(TaskInstance).where(
            TaskInstance.dag_id == DAG_ID,
            TaskInstance.task_id == TASK_ID,
            TaskInstance.run_id == run_id,
        )
        ti = session.scalars(query).one_or_none()
        if ti is not None:
            session.expunge(ti)
        return ti


def _give_up(run_id: str) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from airflow.utils.state import DagRunState, State, TaskInstanceState
    from sqlalchemy import update

    with create_session() as session:
        session.execute(
            update(TaskInstance)
            .where(TaskInstance.dag_id == DAG_ID, TaskInstance.run_id == run_id)
            .where(
                TaskInstance.state.not_in([s for s in State.finished if s])
                | TaskInstance.state.is_(None)
            )
            .values(state=TaskInstanceState.FAILED)
        )
        session.execute(
            update(DagRun)
            .where(DagRun.dag_id == DAG_ID, DagRun.run_id == run_id)
            .values(state=DagRunState.FAILED)
        )


def _report(marker: str) -> dict[str, Any] | None:
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        found = session.scalars(select(Variable).where(Variable.key == report_key(marker))).first()
        if found is None:
            return None
        report: dict[str, Any] = json.loads(found.val)
        session.delete(found)
        return report


def _xcom(run_id: str, marker: str) -> str:
    """By the backend that is configured here, as the UI reads it."""
    from airflow.models.xcom import XComModel
    from airflow.sdk.execution_time.xcom import XCom
    from airflow.utils.session import create_session

    query = XComModel.get_many(run_id=run_id, key=XCOM_KEY, task_ids=TASK_ID, dag_ids=DAG_ID)
    try:
        with create_session() as session:
            row = session.scalars(query.limit(1)).first()
            if row is None:
                return "nothing is there"
            found = XCom.deserialize_value(row)
    except Exception as error:
        # Any backend may be configured, and each has errors of its own.
        log.exception("The value cannot be read here")
        return type(error).__name__
    return "" if found in (marker, json.dumps(marker)) else "another value is there"


def _log(run_id: str, marker: str) -> str:
    """As the UI reads it; a log that is uploaded may come a little after the end."""
    from airflow.utils.log.log_reader import TaskLogReader

    deadline = time.monotonic() + _LOG_WITHIN_S
    while True:
        try:
            text = "".join(TaskLogReader().read_log_stream(_task(run_id), None, {}))
        except Exception as error:
            # Log handlers have errors of their own too.
            log.exception("The log cannot be read here")
            return type(error).__name__
        if marker in text:
            return ""
        if time.monotonic() > deadline:
            return "what the task logged is not in it"
        time.sleep(_ASK_EVERY_S)


if __name__ == "__main__":
    sys.stdout.write(MARK + json.dumps(run_check(json.load(sys.stdin))) + "\n")
