"""An operator that asks for a new plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator

from aiops_provider.airflow.hook import AiopsHook


class AiopsPlanOperator(BaseOperator):
    """
    Ask the layer to plan anew; the process that plans does so in its next round.

    The new plan is put in force only if it is worth the switch, as any other.

    Args:
        reason: For the log of whoever plans; by default which DAG asks.
        aiops_conn_id: The connection of type ``aiops``, with a token of scope ``admin``.
        **kwargs: As of any operator.
    """

    template_fields: Sequence[str] = ("reason", "aiops_conn_id")

    def __init__(
        self,
        *,
        reason: str = "{{ dag.dag_id }}",
        aiops_conn_id: str = AiopsHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.reason, self.aiops_conn_id = reason, aiops_conn_id

    def execute(self, context: Any) -> None:  # noqa: ARG002 - Airflow calls it so
        """Ask."""
        AiopsHook(self.aiops_conn_id).request_plan(self.reason)
        self.log.info("A new plan was asked for: %s", self.reason)
