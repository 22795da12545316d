"""
Demand series and their future: seasons, forecasters, intervals.

Needs numpy and scipy; the rest of the room imports it only where a forecast is made.
"""

from __future__ import annotations

from aiops_provider.profiling.forecast.demand import DemandForecast, forecast_demand

__all__ = ["DemandForecast", "forecast_demand"]
