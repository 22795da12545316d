"""What was promised about a workload, and how often that is kept where it runs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist

_NORMAL = NormalDist()
# Of p50, p80 and p95 on the scale of the standard normal distribution.
_DEVIATIONS = tuple(_NORMAL.inv_cdf(level) for level in (0.5, 0.8, 0.95))
# Shorter is nothing: logarithms need something to begin with.
_LEAST = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """
    The promises about one member of a group; what nothing was promised about is kept.

    Attributes:
        weight: SLA weight of the member.
        attainment: Share of its runs or requests that must keep it.
        deadline_s: From queued to finished; ``None``: no deadline.
        duration_s: p50, p80 and p95 of a run.
        pace: Time that a model of accelerator takes for the same work, as a multiple, by model.
        latency_objective_ms: Of a request, from the user and back; ``None``: no objective.
        latency_ms: p50, p80 and p95 of an answer without the way to the user; ``None``: unknown.
        user_regions: Where requests come from, in equal parts; empty: near the cluster.
        samples: Finished runs behind the figures; 0: they come from a prior.
        checkpoint_s: Work between two checkpoints; ``None``: what is lost starts anew.
    """

    weight: float = 1.0
    attainment: float = 0.99
    deadline_s: float | None = None
    duration_s: tuple[float, float, float] = (0.0, 0.0, 0.0)
    pace: Mapping[str, float] = field(default_factory=dict)
    latency_objective_ms: float | None = None
    latency_ms: tuple[float, float, float] | None = None
    user_regions: tuple[str, ...] = ()
    samples: int = 0
    checkpoint_s: float | None = None

    def kept(
        self,
        accelerator: str | None,
        round_trip_ms: Mapping[str, float],
        *,
        lost_once: bool = False,
    ) -> float:
        """
        Share of runs or requests that keep the promise where there is room for them.

        Args:
            accelerator: Model that it gets there, if any.
            round_trip_ms: From there to a user's region and back; a region that is missing is not
                judged.
            lost_once: Whether the run must be in time although its machine is taken away just
                before its end, and what it has done since its last checkpoint is done again.

        >>> run = Promise(deadline_s=100.0, duration_s=(50.0, 80.0, 100.0))
        >>> run.kept(None, {}), run.kept(None, {}, lost_once=True)
        (0.95, 0.5)
        >>> users = Promise(
        ...     latency_objective_ms=100.0, latency_ms=(20.0, 30.0, 40.0), user_regions=("eu", "us")
        ... )
        >>> round(users.kept(None, {"eu": 10.0, "us": 200.0}), 2)
        0.5
        """
        share = 1.0
        if self.deadline_s is not None:
            pace = self.pace.get(accelerator, 1.0) if accelerator is not None else 1.0
            limit_s = self.deadline_s / pace
            if lost_once:
                # Twice the run, or the run and the work between two checkpoints, whichever is less.
                limit_s = max(limit_s / 2, limit_s - (self.checkpoint_s or limit_s))
            share = probability_below(limit_s, self.duration_s)
        if self.latency_objective_ms is not None:
            share = min(share, self._answered_in_time(self.latency_objective_ms, round_trip_ms))
        return share

    def _answered_in_time(self, objective_ms: float, round_trip_ms: Mapping[str, float]) -> float:
        answers = self.latency_ms or (0.0, 0.0, 0.0)
        ways = [round_trip_ms.get(region, 0.0) for region in self.user_regions] or [0.0]
        return math.fsum(probability_below(objective_ms - way, answers) for way in ways) / len(ways)


def probability_below(limit: float, quantiles: tuple[float, float, float]) -> float:
    """
    Probability that a figure known by three quantiles stays within a limit.

    Between the quantiles, and beyond them, it is taken as log-normal: straight lines through the
    logarithms over the deviations of the normal distribution.

    Args:
        limit: In the unit of the quantiles.
        quantiles: p50, p80 and p95, in ascending order, not negative.

    >>> probability_below(80.0, (50.0, 80.0, 100.0))
    0.8
    >>> probability_below(60.0, (60.0, 60.0, 60.0)), probability_below(59.0, (60.0, 60.0, 60.0))
    (1.0, 0.0)
    """
    if limit < 0:
        return 0.0
    value = math.log(max(limit, _LEAST))
    logs = [math.log(max(each, _LEAST)) for each in quantiles]
    if value >= logs[-1] and logs[-1] == logs[-2]:
        return 1.0
    if value < logs[0] and logs[0] == logs[1]:
        return 0.0
    # The segment that the limit lies in; the first and the last one go on beyond their ends.
    first = 0 if value < logs[1] else 1
    low, high = logs[first], logs[first + 1]
    part = (value - low) / (high - low) if high > low else 1.0
    deviation = _DEVIATIONS[first] + part * (_DEVIATIONS[first + 1] - _DEVIATIONS[first])
    return round(_NORMAL.cdf(deviation), 12)


def value_at(level: float, quantiles: tuple[float, float, float]) -> float:
    """
    The limit that a figure known by three quantiles stays within so often.

    The inverse of :func:`probability_below`; where two quantiles coincide, the lowest such limit.

    Args:
        level: In (0, 1).
        quantiles: p50, p80 and p95, in ascending order, not negative.

    >>> value_at(0.8, (50.0, 80.0, 100.0)), round(value_at(0.99, (50.0, 80.0, 100.0)), 1)
    (80.0, 120.8)
    """
    deviation = _NORMAL.inv_cdf(level)
    first = 0 if deviation < _DEVIATIONS[1] else 1
    low, high = (math.log(max(each, _LEAST)) for each in quantiles[first : first + 2])
    part = (deviation - _DEVIATIONS[first]) / (_DEVIATIONS[first + 1] - _DEVIATIONS[first])
    return round(math.exp(low + part * (high - low)), 12)
