"""What machines emit: their power, by the figures of the catalogue, times the carbon of their grid."""

from __future__ import annotations

from collections.abc import Iterable

from aiops_provider.catalog.names import provider_name
from aiops_provider.domain.cluster import Capacity, CarbonRate
from aiops_provider.domain.machine import Accelerator, CorePower, Region

# A reserved machine is taken to be half busy, as Cloud Carbon Footprint does where it knows no better
# (AVG_CPU_UTILIZATION_2020 of its packages).
_BUSY = 0.5
# An idle accelerator draws so much of its thermal design power: in Cloud Carbon Footprint's table 18 of
# 150 W (A10G), 8 of 70 W (T4), 35 of 300 W (V100), 46 of 400 W (A100).
_ACCELERATOR_IDLE = 0.115
_GRAMS_PER_KG = 1000.0
_WATTS_PER_KW = 1000.0


class Emissions:
    """
    Kilograms of CO₂ equivalent that a machine in use emits in an hour.

    Power of the cores (with their part of the server, from SPECpower results) and of the accelerators,
    half busy, times the overhead of the data centre, times the carbon intensity of the grid. What it
    took to build the machine is not in it.

    Args:
        regions: With the carbon intensity of their grids, where it is known.
        accelerators: With their thermal design power, where it is known.
        power: Of the cores, by provider.
    """

    def __init__(
        self,
        *,
        regions: Iterable[Region],
        accelerators: Iterable[Accelerator],
        power: Iterable[CorePower],
    ) -> None:
        self._grid = {
            (region.provider, region.name): region.carbon_g_per_kwh
            for region in regions
            if region.carbon_g_per_kwh is not None
        }
        self._power = {each.provider: each for each in power}
        self._tdp: dict[str, float] = {}
        for each in accelerators:
            if each.tdp_watts is not None:  # of the variants of a model the one that draws most
                self._tdp[each.model] = max(each.tdp_watts, self._tdp.get(each.model, 0.0))

    def rate(
        self,
        provider: str,
        region: str,
        machine: Capacity,
        *,
        watts: float | None = None,
        g_per_kwh: float | None = None,
    ) -> CarbonRate:
        """
        Of one machine for one hour.

        For what is unknown the most that is known stands, so that no place looks clean because nobody
        knows what it emits; the rate says so.

        Args:
            provider: Whose machines they are.
            region: Where they stand.
            machine: What one of them offers.
            watts: That the user measured, with its part of the data centre's overhead.
            g_per_kwh: Carbon intensity that the user knows.
        """
        maker = provider_name(provider)
        grid = self._grid.get((maker, region)) if g_per_kwh is None else g_per_kwh
        drawn, known = (watts, True) if watts is not None else self._watts(maker, machine)
        grams = max(self._grid.values()) if grid is None else grid
        return CarbonRate(
            kg_per_hour=drawn / _WATTS_PER_KW * grams / _GRAMS_PER_KG,
            known=known and grid is not None,
        )

    def _watts(self, provider: str, machine: Capacity) -> tuple[float, bool]:
        known = provider in self._power and machine.accelerators.keys() <= self._tdp.keys()
        rows = [self._power[provider]] if provider in self._power else self._power.values()
        core = max(row.idle_watts + _BUSY * (row.full_watts - row.idle_watts) for row in rows)
        most = max(self._tdp.values())
        share = _ACCELERATOR_IDLE + _BUSY * (1.0 - _ACCELERATOR_IDLE)
        accelerators = sum(
            count * self._tdp.get(model, most) * share
            for model, count in machine.accelerators.items()
        )
        return max(row.overhead for row in rows) * (machine.cores * core + accelerators), known
