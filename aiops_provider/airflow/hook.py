"""An Airflow connection of type ``aiops``, and what tasks ask our API by it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.hook import BaseHook

from aiops_provider.errors import (
    AiopsError,
    ConfigurationError,
    DataError,
    TokenError,
    TokenScopeError,
)

if TYPE_CHECKING:
    import httpx

_TIMEOUT_S = 30.0
_MEND_URL = "Give the address of the API as the host, such as https://airflow.example/aiops"
_REFUSALS: Mapping[int, type[AiopsError]] = {401: TokenError, 403: TokenScopeError, 422: DataError}


class AiopsHook(BaseHook):
    """
    A client of our API with the address and token of a connection.

    The connection's host is the address under which the API is mounted, its password a token that
    ``aiops token create`` has made: ``--scope read``, or ``--scope admin`` for :meth:`request_plan`.

    Args:
        aiops_conn_id: Id of the connection.
    """

    conn_name_attr = "aiops_conn_id"
    default_conn_name = "aiops_default"
    conn_type = "aiops"
    hook_name = "AIOps"

    def __init__(self, aiops_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.aiops_conn_id = aiops_conn_id

    def get_conn(self) -> httpx.Client:
        """
        A client that is signed in; its caller closes it.

        Raises:
            ConfigurationError: The connection has no usable address, token or time limit.
        """
        import httpx

        connection = self.get_connection(self.aiops_conn_id)
        where = f"connection {self.aiops_conn_id}"
        if not connection.password:
            raise ConfigurationError(
                "has no token", field=where, mend="Give one of `aiops token create` as the password"
            )
        extra = connection.extra_dejson
        verify = extra.get("verify")
        return httpx.Client(
            base_url=_address(connection, where),
            headers={"Authorization": f"Bearer {connection.password}"},
            timeout=_timeout_s(extra.get("timeout_s"), where),
            verify=True if verify is None else bool(verify),
        )

    def health(self) -> dict[str, Any]:
        """How the server is: ``status``, ``version``, ``now``, ``detail``."""
        answer: dict[str, Any] = self._ask("GET", "health")
        return answer

    def kpis(
        self,
        name: str,
        labels: Mapping[str, str] | None = None,
        *,
        since: datetime | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """
        The newest samples of a KPI, newest first, as the API tells them.

        Args:
            name: Of the KPI.
            labels: What a sample must have: dag, task, partition, run_id, cluster …
            since: None that are older, timezone-aware; by default 24 hours ago.
            limit: At most so many, up to 1000.
        """
        asked: dict[str, Any] = {"name": name, "limit": limit}
        asked["label"] = [f"{label}={value}" for label, value in (labels or {}).items()]
        if since is not None:
            asked["since"] = since.isoformat()
        answer: list[dict[str, Any]] = self._ask("GET", "kpis", asked)
        return answer

    def super_alarms(self, *, open_only: bool = True, limit: int = 100) -> list[dict[str, Any]]:
        """Super-alarms with their hypotheses and responses, newest first, as the API tells them."""
        asked = {"open_only": open_only, "limit": limit}
        answer: list[dict[str, Any]] = self._ask("GET", "super-alarms", asked)
        return answer

    def alarms(self, super_alarm: str) -> list[dict[str, Any]]:
        """The members of a super-alarm, as the API tells them."""
        answer: list[dict[str, Any]] = self._ask("GET", "alarms", {"super_alarm": super_alarm})
        return answer

    def data_hold(self, task: str) -> dict[str, Any]:
        """Whether the data of ``dag_id/task_id`` are held: ``held``, ``reason``, ``judged_at``."""
        answer: dict[str, Any] = self._ask("GET", "data-hold", {"task": task})
        return answer

    def request_plan(self, reason: str) -> None:
        """Ask for a new plan, which the process that plans makes in its next round."""
        self._ask("POST", "plan", {"reason": reason})

    def test_connection(self) -> tuple[bool, str]:
        """What Airflow's button *Test* asks."""
        try:
            health = self.health()
        except AiopsError as error:
            return False, str(error)
        return True, f"aiops-provider {health['version']} answers"

    def _ask(self, method: str, what: str, asked: Mapping[str, Any] | None = None) -> Any:
        """
        The answer to one question.

        Raises:
            ConfigurationError: The connection cannot be used.
            TokenError: The server does not take the token, or not for this.
            DataError: The server does not understand the question.
            AiopsError: The server does not answer, or not as our API does.
        """
        import httpx

        with self.get_conn() as client:
            try:
                answer = client.request(method, f"api/v1/{what}", params=asked)
                said = answer.json()
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise AiopsError(f"{client.base_url} does not answer: {error}") from error
            except ValueError as error:
                raise AiopsError(
                    f"{client.base_url} answers {answer.status_code}, but not as our API does. "
                    f"{_MEND_URL}"
                ) from error
        if answer.is_success:
            return said
        raise _REFUSALS.get(answer.status_code, AiopsError)(_told(said, answer.status_code))


def _told(said: Any, status: int) -> str:
    error = said.get("error") if isinstance(said, Mapping) else None
    if isinstance(error, Mapping) and "message" in error:
        return str(error["message"])
    detail = said.get("detail") if isinstance(said, Mapping) else None
    return f"the server answers {status}: {detail or said}"


def _address(connection: Any, where: str) -> str:
    host = (connection.host or "").rstrip("/")
    if not host:
        raise ConfigurationError("has no address", field=where, mend=_MEND_URL)
    if "://" in host:
        scheme = host.partition("://")[0]
        if scheme not in {"http", "https"}:
            raise ConfigurationError("is no http address", field=where, value=host, mend=_MEND_URL)
        return str(host)
    name, slash, path = host.partition("/")
    port = f":{connection.port}" if connection.port else ""
    return f"{connection.schema or 'https'}://{name}{port}{slash}{path}"


def _timeout_s(said: Any, where: str) -> float:
    if said in {None, ""}:
        return _TIMEOUT_S
    try:
        timeout_s = float(said)
    except (TypeError, ValueError):
        timeout_s = 0.0
    if not 0 < timeout_s < float("inf"):
        raise ConfigurationError(
            "is no time limit",
            field=f"{where}: timeout_s",
            value=said,
            mend="Give seconds, above 0",
        )
    return timeout_s
