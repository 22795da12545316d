"""What a capacity schedule is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

from aiops_provider.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityPolicy:
    """
    What a schedule is asked for.

    Attributes:
        capacity_per_instance: Demand that one instance serves, in the unit of the demand, > 0.
        quantile: Of the forecast that the plan must hold, in (0, 1); ``None``: the one that, with the
            reaction, would have cost least in the last days.
        shortage_cost: How much worse unmet demand is than as much idle capacity, > 0. 100: capacity
            for one request in a hundred may idle before a request is lost.
        patience_s: How long demand may wait for capacity before it counts as unmet, >= 0. Queued work
            waits, a person does not.
        cold_start_s: From the order of an instance until it serves, >= 0.
        minimum: Instances that always run, >= 0.
        maximum: Instances that are never exceeded; ``None``: no limit.
        slot_s: Seconds per slot: whole minutes that divide a day.
        hold_s: An instance that would be needed again this soon stays (hysteresis), >= 0. 15 minutes:
            three times the scale-in window of Kubernetes' autoscaler.
        change_cost_hours: What one change must save, in hours of an instance, >= 0. Two hours: one
            instance more or less for a single hour is not worth a line in anybody's configuration.
        timezone: IANA name of the wall clock that the demand follows.
    """

    capacity_per_instance: float
    quantile: float | None = None
    shortage_cost: float = 100.0
    patience_s: float = 0.0
    cold_start_s: float = 60.0
    minimum: int = 1
    maximum: int | None = None
    slot_s: float = 3600.0
    hold_s: float = 900.0
    change_cost_hours: float = 2.0
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        for name in ("cold_start_s", "patience_s", "hold_s", "change_cost_hours"):
            _require(name, getattr(self, name), at_least=0)
        _require("minimum", self.minimum, at_least=0)
        if not 0 < self.capacity_per_instance < math.inf:
            raise DataError(
                "must be > 0", field="capacity_per_instance", value=self.capacity_per_instance
            )
        if not 0.0 < self.shortage_cost < math.inf:
            raise DataError("must be > 0", field="shortage_cost", value=self.shortage_cost)
        if self.quantile is not None and not 0.0 < self.quantile < 1.0:
            raise DataError("must be in (0, 1)", field="quantile", value=self.quantile)
        if self.maximum is not None and self.maximum < max(1, self.minimum):
            raise DataError(
                f"must be at least the minimum of {max(1, self.minimum)}",
                field="maximum",
                value=self.maximum,
            )


def _require(name: str, value: float, *, at_least: float) -> None:
    if not at_least <= value < math.inf:
        raise DataError(f"must be >= {at_least}", field=name, value=value)
