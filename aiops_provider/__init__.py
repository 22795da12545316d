"""
An AIOps layer between ML pipelines and infrastructure, for Airflow and Prefect.

Importing this package costs next to nothing: schedulers and every worker do it. The names below
are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

_HOMES = {
    "AntiAffinity": "aiops_provider.domain.spread",
    "Cadence": "aiops_provider.domain.workload",
    "DataProfile": "aiops_provider.control.data_profile",
    "Dataset": "aiops_provider.domain.workload",
    "Etl": "aiops_provider.domain.workload",
    "FeatureEngineering": "aiops_provider.domain.workload",
    "Generic": "aiops_provider.domain.workload",
    "Locality": "aiops_provider.domain.workload",
    "ModelCandidate": "aiops_provider.domain.workload",
    "Serving": "aiops_provider.domain.workload",
    "Sla": "aiops_provider.domain.workload",
    "Spread": "aiops_provider.domain.spread",
    "Training": "aiops_provider.domain.workload",
    "describe": "aiops_provider.profiling.sentence",
    "report": "aiops_provider.telemetry.report",
    "report_drift": "aiops_provider.control.data_drift",
    "report_quality": "aiops_provider.control.data_quality",
}

__all__ = [
    "AntiAffinity",
    "Cadence",
    "DataProfile",
    "Dataset",
    "Etl",
    "FeatureEngineering",
    "Generic",
    "Locality",
    "ModelCandidate",
    "Serving",
    "Sla",
    "Spread",
    "Training",
    "__version__",
    "describe",
    "report",
    "report_drift",
    "report_quality",
]

if TYPE_CHECKING:
    from aiops_provider.control.data_drift import report_drift
    from aiops_provider.control.data_profile import DataProfile
    from aiops_provider.control.data_quality import report_quality
    from aiops_provider.domain.spread import AntiAffinity, Spread
    from aiops_provider.domain.workload import (
        Cadence,
        Dataset,
        Etl,
        FeatureEngineering,
        Generic,
        Locality,
        ModelCandidate,
        Serving,
        Sla,
        Training,
    )
    from aiops_provider.profiling.sentence import describe
    from aiops_provider.telemetry.report import report


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
