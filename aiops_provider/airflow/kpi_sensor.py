"""A sensor that waits for a KPI."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseSensorOperator
from airflow.sdk.bases.sensor import PokeReturnValue

from aiops_provider.airflow.hook import AiopsHook
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import DescriptionError


class AiopsKpiSensor(BaseSensorOperator):
    """
    Wait until the newest value of a KPI lies between two bounds; the value is what it returns.

    Works in the modes ``poke`` and ``reschedule``.

    Args:
        kpi: Name of the KPI.
        labels: What its sample must have, such as ``{"dag": "sales", "run_id": "{{ run_id }}"}``.
        at_least: The lower bound, if there is one.
        at_most: The upper bound, if there is one.
        within: Older samples do not count.
        aiops_conn_id: The connection of type ``aiops``.
        **kwargs: As of any sensor.

    Raises:
        DescriptionError: A bound is no finite number, the bounds leave no value, or *within* is no
            duration above 0.
    """

    template_fields: Sequence[str] = ("kpi", "labels", "aiops_conn_id")

    def __init__(
        self,
        *,
        kpi: str,
        labels: Mapping[str, str] | None = None,
        at_least: float | None = None,
        at_most: float | None = None,
        within: timedelta = timedelta(hours=24),
        aiops_conn_id: str = AiopsHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        bounds: dict[str, Any] = {"at_least": at_least, "at_most": at_most}
        for field, bound in bounds.items():
            # Nothing compares with NaN: the sensor would wait for ever.
            if bound is not None and not (isinstance(bound, (int, float)) and math.isfinite(bound)):
                raise DescriptionError(
                    "is no finite number", field=field, value=bound, mend="Give a number or None"
                )
        if at_least is not None and at_most is not None and at_least > at_most:
            raise DescriptionError(
                "no value is left", field="at_least", value=at_least, mend=f"at_most is {at_most}"
            )
        given: Any = within
        if not isinstance(given, timedelta) or given <= timedelta(0):
            raise DescriptionError(
                "leaves no time",
                field="within",
                value=within,
                mend="Give a timedelta above 0, such as timedelta(hours=24)",
            )
        self.kpi, self.labels = kpi, dict(labels or {})
        self.at_least, self.at_most, self.within = at_least, at_most, within
        self.aiops_conn_id = aiops_conn_id

    def poke(self, context: Any) -> PokeReturnValue:  # noqa: ARG002 - Airflow calls it so
        """Whether the newest value is one that is waited for."""
        newest = AiopsHook(self.aiops_conn_id).kpis(
            self.kpi, self.labels, since=utc_now() - self.within, limit=1
        )
        if not newest:
            self.log.info("No %s within %s yet", self.kpi, self.within)
            return PokeReturnValue(is_done=False)
        value = float(newest[0]["value"])
        done = (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )
        self.log.info("%s is %g, of %s", self.kpi, value, newest[0]["observed_at"])
        return PokeReturnValue(is_done=done, xcom_value=value if done else None)
