"""Prefect's REST API, as far as the demo uses it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from aiops_provider.domain.task import TaskKey
from aiops_provider.errors import AiopsError

_POLL_S = 0.5
_BUSY_S = 30.0
_ENDED = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})


class PrefectApiError(AiopsError):
    """Prefect's REST API did not do what it was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRun:
    """
    One flow run as Prefect tells it.

    Attributes:
        id: Its id.
        task: Flow name and deployment name.
        state: COMPLETED, RUNNING …
        message: What the state says, or empty.
        run_count: How often it was started.
        infrastructure: What runs it, as the worker named it.
    """

    id: str
    task: TaskKey
    state: str
    message: str
    run_count: int
    infrastructure: str


class PrefectApi:
    """
    Reads and starts flow runs.

    Args:
        url: Of the API, ending in ``/api``.
        check: Called while waiting; raises when a process has died.
    """

    def __init__(self, url: str, *, check: Callable[[], None] = lambda: None) -> None:
        # Generous: on two busy cores an answer can take seconds.
        self._http = httpx.Client(base_url=url, timeout=60.0, trust_env=False)
        self._check = check
        self._names: dict[str, str] = {}

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def answers(self) -> bool:
        """Whether the server is up."""
        try:
            return self._http.get("/health", timeout=5.0).status_code == 200
        except httpx.TransportError:
            return False

    def work_pool_type(self, name: str) -> str:
        """Type of a work pool."""
        return str(self._get(f"/work_pools/{name}")["type"])

    def workers_online(self, work_pool: str) -> int:
        """Workers that have sent a heartbeat lately."""
        found = self._post(f"/work_pools/{work_pool}/workers/filter", {})
        return sum(one["status"] == "ONLINE" for one in found)

    def deployment_names(self) -> set[str]:
        """All deployments as ``flow/deployment``."""
        found = self._post("/deployments/filter", {})
        return {f"{self._name('flows', one['flow_id'])}/{one['name']}" for one in found}

    def start(self, deployment: str, parameters: Mapping[str, Any]) -> str:
        """
        Start a run of a deployment.

        Returns:
            Its id.
        """
        found = self._get(f"/deployments/name/{deployment}")
        body = {"parameters": dict(parameters), "state": {"type": "SCHEDULED"}}
        return str(self._post(f"/deployments/{found['id']}/create_flow_run", body)["id"])

    def flow_run(self, flow_run_id: str) -> FlowRun:
        """A flow run."""
        return self._flow_run(self._get(f"/flow_runs/{flow_run_id}"))

    def children(self, flow_run_id: str) -> list[FlowRun]:
        """Flow runs that a flow run has started, oldest first."""
        wanted = {"parent_flow_run_id": {"any_": [flow_run_id]}}
        body = {"flow_runs": wanted, "sort": "EXPECTED_START_TIME_ASC"}
        return [self._flow_run(one) for one in self._post("/flow_runs/filter", body)]

    def wait(
        self,
        flow_run_id: str,
        *,
        timeout_s: float,
        seen: Callable[[Sequence[FlowRun]], None] = lambda _: None,
    ) -> FlowRun:
        """
        Wait for the end of a flow run.

        Args:
            flow_run_id: Its id.
            timeout_s: Give up after this long.
            seen: Called with what it has started, at every look.

        Raises:
            PrefectApiError: It did not end in time.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            found = self.flow_run(flow_run_id)
            children = self.children(flow_run_id)
            seen(children)
            if found.state in _ENDED:
                return found
            if time.monotonic() > deadline:
                left = [f"{one.task} {one.state}" for one in children if one.state != "COMPLETED"]
                raise PrefectApiError(
                    f"{found.task} is {found.state} after {timeout_s:.0f} s; "
                    f"not done: {', '.join(left)}"
                )
            self._check()
            time.sleep(_POLL_S)

    def wait_until(self, what: str, condition: Callable[[], bool], *, timeout_s: float) -> None:
        """
        Wait for a condition.

        Raises:
            PrefectApiError: It did not come true in time.
        """
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise PrefectApiError(f"waited {timeout_s:.0f} s in vain until {what}")
            self._check()
            time.sleep(_POLL_S)

    def _flow_run(self, told: Mapping[str, Any]) -> FlowRun:
        flow = self._name("flows", told["flow_id"])
        deployment = told.get("deployment_id")
        state = told.get("state") or {}
        return FlowRun(
            id=told["id"],
            task=TaskKey(flow, self._name("deployments", deployment) if deployment else flow),
            state=str(state.get("type", "")),
            message=str(state.get("message") or ""),
            run_count=int(told.get("run_count") or 0),
            infrastructure=str(told.get("infrastructure_pid") or ""),
        )

    def _name(self, kind: str, key: str) -> str:
        if key not in self._names:
            self._names[key] = str(self._get(f"/{kind}/{key}")["name"])
        return self._names[key]

    def _get(self, path: str) -> Any:
        return self._ask("GET", path)

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._ask("POST", path, json=body)

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        """Ask, and ask again while the server's SQLite is busy, as every client of Prefect does."""
        deadline = time.monotonic() + _BUSY_S
        answer = self._http.request(method, path, **options)
        while answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and time.monotonic() < deadline:
            time.sleep(_POLL_S)
            answer = self._http.request(method, path, **options)
        return _body(answer)


def _body(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise PrefectApiError(
            f"{answer.request.method} {answer.request.url} answered {answer.status_code}: "
            f"{answer.text[:500]}"
        )
    return answer.json()
