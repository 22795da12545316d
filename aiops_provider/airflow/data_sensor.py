"""A sensor that lets nobody use data that the detection holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from airflow.sdk import BaseSensorOperator

from aiops_provider.airflow.hook import AiopsHook
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import DescriptionError


class AiopsDataSensor(BaseSensorOperator):
    """
    Wait until what a task reported has been judged, and nothing holds its data.

    A rule says what holds them: ``hold_downstream: true``. Put it before the task that publishes: the
    one with outlets, or the first that reads the data. Works in the modes ``poke`` and ``reschedule``.

    Args:
        of: Whose data, as ``dag_id/task_id``.
        aiops_conn_id: The connection of type ``aiops``.
        **kwargs: As of any sensor; give a *timeout*, after which the task fails.

    Raises:
        DescriptionError: *of* names no task of a DAG.
    """

    template_fields: Sequence[str] = ("of", "aiops_conn_id")

    def __init__(
        self, *, of: str, aiops_conn_id: str = AiopsHook.default_conn_name, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if "{{" not in of and not all(of.partition("/")):
            raise DescriptionError(
                "names no task of a DAG", field="of", value=of, mend="Give dag_id/task_id"
            )
        self.of, self.aiops_conn_id = of, aiops_conn_id
        self._first_asked_at: datetime | None = None

    def poke(self, context: Any) -> bool:
        """Whether the data may be used."""
        since = self._asked_since(context)
        found = AiopsHook(self.aiops_conn_id).data_hold(self.of)
        if found["held"]:
            self.log.info("Data of %s are held: %s", self.of, found["reason"])
            return False
        judged_at = found["judged_at"]
        if judged_at is None or datetime.fromisoformat(judged_at) < since:
            self.log.info("What %s reported is judged up to %s", self.of, judged_at or "nowhere")
            return False
        return True

    def _asked_since(self, context: Any) -> datetime:
        """When it began to wait; what was reported before must have been looked at since."""
        rescheduled: datetime | None = context["ti"].get_first_reschedule_date(context)
        if rescheduled is not None:
            return rescheduled
        self._first_asked_at = self._first_asked_at or utc_now()
        return self._first_asked_at
