"""A branch that a KPI decides: the row count chooses the model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.branch import BaseBranchOperator

from aiops_provider.airflow.hook import AiopsHook
from aiops_provider.domain.units import utc_now
from aiops_provider.errors import DataError, DescriptionError


class AiopsKpiBranchOperator(BaseBranchOperator):
    """
    Go on with one of several tasks, by the newest value of a KPI.

    Args:
        kpi: Name of the KPI.
        branches: Ids of directly following tasks or task groups, each under the value from which on
            it is taken, such as ``{0: "small_model", 1_000_000: "large_model"}``.
        otherwise: What is taken below the lowest of them, and where there is no value; without it
            the task fails then, so that nothing is skipped for want of a number.
        labels: What the KPI's sample must have, such as ``{"run_id": "{{ run_id }}"}``.
        within: Older samples do not count.
        aiops_conn_id: The connection of type ``aiops``.
        **kwargs: As of any operator.

    Raises:
        DescriptionError: There are no branches, or one lies at what is no finite number.
    """

    template_fields: Sequence[str] = ("kpi", "labels", "aiops_conn_id")

    def __init__(
        self,
        *,
        kpi: str,
        branches: Mapping[float, str],
        otherwise: str | None = None,
        labels: Mapping[str, str] | None = None,
        within: timedelta = timedelta(hours=24),
        aiops_conn_id: str = AiopsHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not branches:
            raise DescriptionError("there are none", field="branches", mend="Give {0: 'task_id'}")
        bounds: list[Any] = list(branches)
        for bound in bounds:
            if not isinstance(bound, (int, float)) or not math.isfinite(bound):
                raise DescriptionError(
                    "is no finite number", field="branches", value=bound, mend="Give {0: 'task_id'}"
                )
        self.kpi, self.labels, self.within = kpi, dict(labels or {}), within
        # Pairs, for keys of a stored DAG are text.
        self.branches = sorted(branches.items())
        self.otherwise, self.aiops_conn_id = otherwise, aiops_conn_id

    def choose_branch(self, context: Any) -> str:  # noqa: ARG002 - Airflow calls it so
        """
        The task to go on with.

        Raises:
            DataError: There is no value, or a lower one than any branch is for, and no *otherwise*.
        """
        newest = AiopsHook(self.aiops_conn_id).kpis(
            self.kpi, self.labels, since=utc_now() - self.within, limit=1
        )
        value = float(newest[0]["value"]) if newest else None
        self.log.info("%s is %s", self.kpi, "unknown" if value is None else f"{value:g}")
        reached = [
            branch for bound, branch in self.branches if value is not None and value >= bound
        ]
        if reached:
            return reached[-1]
        if self.otherwise is None:
            raise DataError(
                f"no branch is for this value of {self.kpi}",
                field="value",
                value="none" if value is None else value,
                mend="Give `otherwise`, or report the KPI before",
            )
        return self.otherwise
