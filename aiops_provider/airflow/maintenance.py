"""The DAG that asks for a new plan at night."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import DAG

from aiops_provider.airflow.hook import AiopsHook
from aiops_provider.airflow.plan_operator import AiopsPlanOperator


def maintenance_dag(
    dag_id: str = "aiops_maintenance",
    *,
    schedule: Any = "0 3 * * *",
    aiops_conn_id: str = AiopsHook.default_conn_name,
) -> DAG:
    """
    Make a DAG that asks for a new plan; a file of a bundle assigns it to a name.

    Args:
        dag_id: Its name.
        schedule: As of any DAG; by default at three in the night, UTC.
        aiops_conn_id: The connection of type ``aiops``, with a token of scope ``admin``.
    """
    with DAG(
        dag_id,
        description="Asks the AIOps layer to plan anew.",
        schedule=schedule,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        tags=["aiops"],
    ) as dag:
        AiopsPlanOperator(task_id="plan", retries=2, aiops_conn_id=aiops_conn_id)
    return dag
