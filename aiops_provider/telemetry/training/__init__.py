"""
KPIs out of a training loop, batch by batch: one callback per library.

Each is loaded when it is first named, with its library and no other. None ever stops a training, or
fails one, unless it was given a ``stop_when``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = [
    "BatchReporter",
    "KerasReporter",
    "LightGBMReporter",
    "LightningReporter",
    "XGBoostReporter",
    "fit_in_batches",
]

if TYPE_CHECKING:
    from aiops_provider.telemetry.training.batches import BatchReporter
    from aiops_provider.telemetry.training.keras import KerasReporter
    from aiops_provider.telemetry.training.lightgbm import LightGBMReporter
    from aiops_provider.telemetry.training.lightning import LightningReporter
    from aiops_provider.telemetry.training.scikit_learn import fit_in_batches
    from aiops_provider.telemetry.training.xgboost import XGBoostReporter

_HOMES = {
    "BatchReporter": "batches",
    "KerasReporter": "keras",
    "LightGBMReporter": "lightgbm",
    "LightningReporter": "lightning",
    "XGBoostReporter": "xgboost",
    "fit_in_batches": "scikit_learn",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
