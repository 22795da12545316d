"""Airflow's public REST API, as far as the demo uses it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from aiops_provider.errors import AiopsError

_POLL_S = 0.5
_ENDED_RUNS = frozenset({"success", "failed"})


class AirflowApiError(AiopsError):
    """Airflow's REST API did not do what it was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInstance:
    """
    One task instance as Airflow tells it.

    Attributes:
        task_id: Its task.
        map_index: -1 when it is not mapped.
        state: success, failed, running …; empty before it is scheduled.
        try_number: 1 for the first try.
        duration_s: Of the last try; ``None`` before its end.
        started_at: Of the last try.
    """

    task_id: str
    map_index: int
    state: str
    try_number: int
    duration_s: float | None
    started_at: datetime | None


class AirflowApi:
    """
    A logged-in user of the REST API.

    Args:
        url: Of the API server.
        check: Called while waiting; raises when a process has died.
    """

    def __init__(self, url: str, *, check: Callable[[], None] = lambda: None) -> None:
        # Generous: on two busy cores an answer can take seconds.
        self._http = httpx.Client(base_url=url, timeout=60.0, trust_env=False)
        self._check = check

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def answers(self) -> bool:
        """Whether the API server is up."""
        try:
            return self._http.get("/api/v2/monitor/health", timeout=5.0).status_code == 200
        except httpx.TransportError:
            return False

    def log_in(self, user: str, password: str) -> None:
        """Exchange the password for a token, as any script would."""
        answer = self._http.post("/auth/token", json={"username": user, "password": password})
        self._http.headers["Authorization"] = f"Bearer {_body(answer)['access_token']}"

    def healthy(self) -> bool:
        """Whether scheduler and DAG processor have both reported lately."""
        health = self._get("/api/v2/monitor/health")
        parts = (health.get("scheduler"), health.get("dag_processor"))
        return all(part and part.get("status") == "healthy" for part in parts)

    def dag_ids(self) -> set[str]:
        """Ids of the DAGs that were parsed."""
        return {dag["dag_id"] for dag in self._get("/api/v2/dags")["dags"]}

    def import_errors(self) -> list[str]:
        """What went wrong when DAG files were parsed."""
        found = self._get("/api/v2/importErrors")["import_errors"]
        return [f"{one['filename']}: {one['stack_trace']}" for one in found]

    def trigger(self, dag_id: str, run_id: str, params: Mapping[str, Any] | None = None) -> None:
        """Start a run."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(params or {})}
        _body(self._http.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body))

    def run_state(self, dag_id: str, run_id: str) -> str:
        """queued, running, success or failed."""
        return str(self._get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """All task instances of a run."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
        found = self._get(path, limit=100)["task_instances"]
        return [_task_instance(one) for one in found]

    def wait(
        self,
        dag_id: str,
        run_id: str,
        *,
        timeout_s: float,
        seen: Callable[[Sequence[TaskInstance]], None] = lambda _: None,
    ) -> str:
        """
        Wait for the end of a run.

        Args:
            dag_id: Its DAG.
            run_id: The run.
            timeout_s: Give up after this long.
            seen: Called with the task instances at every look.

        Returns:
            success or failed.

        Raises:
            AirflowApiError: It did not end in time.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            instances = self.task_instances(dag_id, run_id)
            seen(instances)
            state = self.run_state(dag_id, run_id)
            if state in _ENDED_RUNS:
                return state
            if time.monotonic() > deadline:
                left = sorted({one.task_id for one in instances if one.state != "success"})
                raise AirflowApiError(
                    f"run {run_id} of {dag_id} is {state} after {timeout_s:.0f} s; "
                    f"not done: {', '.join(left)}"
                )
            self._check()
            time.sleep(_POLL_S)

    def wait_until(self, what: str, condition: Callable[[], bool], *, timeout_s: float) -> None:
        """
        Wait for a condition.

        Raises:
            AirflowApiError: It did not come true in time.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise AirflowApiError(f"waited {timeout_s:.0f} s in vain: {what}")
            self._check()
            time.sleep(_POLL_S)

    def xcom(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """What a task returned."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}"
        return self._get(f"{path}/xcomEntries/return_value", deserialize=True)["value"]

    def _get(self, path: str, **params: Any) -> dict[str, Any]:
        return _body(self._http.get(path, params=params))


def _body(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_error:
        raise AirflowApiError(
            f"{answer.request.method} {answer.request.url.path}: {answer.status_code} "
            f"{answer.text[:500]}"
        )
    body: dict[str, Any] = answer.json()
    return body


def _task_instance(one: Mapping[str, Any]) -> TaskInstance:
    started = one.get("start_date")
    return TaskInstance(
        task_id=one["task_id"],
        map_index=one["map_index"],
        state=one.get("state") or "",
        try_number=one.get("try_number") or 0,
        duration_s=one.get("duration"),
        started_at=datetime.fromisoformat(started) if started else None,
    )
