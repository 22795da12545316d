"""
Demand series and their future: seasons, forecasters, intervals.

Needs numpy and scipy; the rest of the room imports it only where a forecast is made.
"""

from __future__ import annotations

from aiops_provider.profiling.forecast.demand import DemandForecast, forecast_demand
from aiops_provider.profiling.forecast.external import (
    DemandForecaster,
    ForecasterSpec,
    open_forecasters,
)

__all__ = [
    "DemandForecast",
    "DemandForecaster",
    "ForecasterSpec",
    "forecast_demand",
    "open_forecasters",
]
