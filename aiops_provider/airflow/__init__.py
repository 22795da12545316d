"""
The Airflow door: translates between Airflow and the journeys, nothing more.

``AIRFLOW__CORE__EXECUTOR=aiops_provider.airflow.AiopsExecutor`` is all that an installation needs.
Importing this package is light; the executor is loaded when Airflow asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = [
    "AiopsDataSensor",
    "AiopsExecutor",
    "AiopsHook",
    "AiopsKpiBranchOperator",
    "AiopsKpiSensor",
    "AiopsPlanOperator",
    "RuntimeQuantileDeadline",
    "SuperAlarmNotifier",
    "describe",
    "push_kpis",
]

if TYPE_CHECKING:
    from aiops_provider.airflow.callbacks import push_kpis
    from aiops_provider.airflow.data_sensor import AiopsDataSensor
    from aiops_provider.airflow.deadline import RuntimeQuantileDeadline
    from aiops_provider.airflow.description import describe
    from aiops_provider.airflow.executor import AiopsExecutor
    from aiops_provider.airflow.hook import AiopsHook
    from aiops_provider.airflow.kpi_branch import AiopsKpiBranchOperator
    from aiops_provider.airflow.kpi_sensor import AiopsKpiSensor
    from aiops_provider.airflow.notifier import SuperAlarmNotifier
    from aiops_provider.airflow.plan_operator import AiopsPlanOperator

_HOMES = {
    "AiopsExecutor": "aiops_provider.airflow.executor",
    "AiopsHook": "aiops_provider.airflow.hook",
    "AiopsKpiBranchOperator": "aiops_provider.airflow.kpi_branch",
    "AiopsDataSensor": "aiops_provider.airflow.data_sensor",
    "AiopsKpiSensor": "aiops_provider.airflow.kpi_sensor",
    "AiopsPlanOperator": "aiops_provider.airflow.plan_operator",
    "RuntimeQuantileDeadline": "aiops_provider.airflow.deadline",
    "SuperAlarmNotifier": "aiops_provider.airflow.notifier",
    "describe": "aiops_provider.airflow.description",
    "push_kpis": "aiops_provider.airflow.callbacks",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
