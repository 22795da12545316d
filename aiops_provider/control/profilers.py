"""A profiler as aiops.yaml wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiops_provider.profiling.profiler import Profiler

if TYPE_CHECKING:
    from aiops_provider.settings.engine_schema import ProfilingSettings


def new_profiler(settings: ProfilingSettings) -> Profiler:
    """
    A profiler that knows no runs yet.

    Args:
        settings: The section ``profiling``.
    """
    return Profiler(
        failure_cost_factor=settings.failure_cost_factor,
        half_life_days=settings.history_half_life_days,
        half_life_runs=settings.history_half_life_runs,
        minimum_runs=settings.minimum_runs,
    )
