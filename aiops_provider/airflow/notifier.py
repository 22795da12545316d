"""A notifier that tells what is wrong around a task, in the words of the super-alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import BaseNotifier

from aiops_provider.airflow.hook import AiopsHook
from aiops_provider.errors import AiopsError, ConfigurationError

_TIMEOUT_S = 10.0


class SuperAlarmNotifier(BaseNotifier):
    """
    Log the open super-alarms of a DAG, and send them to a webhook if one is named.

    ``on_failure_callback=SuperAlarmNotifier()`` says beside a failure whether it stands alone or is
    part of something larger. Nothing is sent when there is no open super-alarm of the DAG.

    Args:
        dag_id: Whose super-alarms; by default those of the DAG that calls.
        webhook_conn_id: A connection whose host is the address of a webhook, for which
            ``{"text": …}`` is posted, as Slack, Mattermost and Teams' workflows read it.
        aiops_conn_id: The connection of type ``aiops``.
    """

    template_fields: Sequence[str] = ("dag_id", "webhook_conn_id", "aiops_conn_id")

    def __init__(
        self,
        dag_id: str = "{{ dag.dag_id }}",
        *,
        webhook_conn_id: str | None = None,
        aiops_conn_id: str = AiopsHook.default_conn_name,
    ) -> None:
        super().__init__()
        self.dag_id, self.webhook_conn_id, self.aiops_conn_id = (
            dag_id,
            webhook_conn_id,
            aiops_conn_id,
        )

    def notify(self, context: Any) -> None:  # noqa: ARG002 - Airflow calls it so
        """
        Tell them.

        Raises:
            ConfigurationError: A connection has no address or no token.
            AiopsError: The layer or the webhook does not answer, or refuses.
        """
        hook = AiopsHook(self.aiops_conn_id)
        told = [each for each in hook.super_alarms() if self._concerns(hook, each["id"])]
        if not told:
            self.log.info("No open super-alarm of %s", self.dag_id)
            return
        text = "\n".join(map(_line, told))
        self.log.warning("Open super-alarms of %s:\n%s", self.dag_id, text)
        if self.webhook_conn_id:
            self._send(f"Open super-alarms of {self.dag_id}:\n{text}")

    def _concerns(self, hook: AiopsHook, super_alarm: str) -> bool:
        return any(
            dict(alarm["series"]["dimensions"]).get("dag") == self.dag_id
            for alarm in hook.alarms(super_alarm)
        )

    def _send(self, text: str) -> None:
        import httpx

        where = f"connection {self.webhook_conn_id}"
        address = AiopsHook.get_connection(str(self.webhook_conn_id)).host
        if not address:
            raise ConfigurationError(
                "has no address", field=where, mend="Give the webhook as the host"
            )
        try:
            httpx.post(address, json={"text": text}, timeout=_TIMEOUT_S).raise_for_status()
        except httpx.HTTPStatusError as error:
            # The address of a webhook is a secret, which the error's own words would tell.
            status = error.response.status_code
            raise AiopsError(f"the webhook of {where} answers {status}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            kind = type(error).__name__
            raise AiopsError(f"the webhook of {where} does not answer: {kind}") from None


def _line(super_alarm: Mapping[str, Any]) -> str:
    """A super-alarm in one line, with what helps where that is known."""
    hypotheses = super_alarm.get("root_cause", {}).get("hypotheses") or [{}]
    remedy = hypotheses[0].get("remedy")
    line = f"{super_alarm['severity']}: {super_alarm['summary']}"
    return f"{line}. Remedy: {remedy}" if remedy else line
