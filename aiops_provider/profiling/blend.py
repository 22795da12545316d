"""
One figure from several predictors: a smooth step from cold to warm.

Each predictor's word counts as much as it is right: weights are one over the squared error of
``ln(figure)``, which is what makes the blend of independent, unbiased answers the best one
(inverse-variance weighting). The error is the one measured on the task's own runs where there are
any, drawn towards the one that the predictor claims by its interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from aiops_provider.domain.profile import Quantity, Source
from aiops_provider.profiling.quantiles import SMALLEST, Z95, log_spread

# What a predictor claims about its own error counts as one measured run.
_CLAIM_WEIGHT = 1.0
# Nobody is better than this: the sampling of memory and CPU time alone errs by some percent.
_BEST_LOG_ERROR = 0.03


@dataclass(frozen=True, slots=True)
class Opinion:
    """
    One predictor's answer for one figure.

    Attributes:
        predictor: Its name.
        quantity: Its answer.
        claimed: Standard deviation of the error of ``ln(p50)`` that it claims.
        measured: Errors ``ln(actual / p50)`` that it made on the task's own runs.
    """

    predictor: str
    quantity: Quantity
    claimed: float
    measured: tuple[float, ...] = ()

    @property
    def log_error(self) -> float:
        """Root of the mean squared error, claimed and measured together."""
        squares = math.fsum(e * e for e in self.measured) + _CLAIM_WEIGHT * self.claimed**2
        return max(_BEST_LOG_ERROR, math.sqrt(squares / (len(self.measured) + _CLAIM_WEIGHT)))


def claimed_error(quantity: Quantity, own_runs: float) -> float:
    """
    Error of the level that an interval claims.

    The interval is for a single run; the level is the better known the more own runs are behind it.
    With few runs the interval is wider than the runs vary (``quantiles.few_run_quantiles``), and the
    level is not the less known for that.
    """
    runs = max(1.0, own_runs)
    widened = math.log(1 / ((runs + 1) * 0.05)) / Z95 if own_runs else 1.0
    return log_spread(quantity) / max(1.0, widened) / math.sqrt(runs)


def blend(opinions: Sequence[Opinion], *, never_below_own: bool) -> Quantity:
    """
    Weighted geometric mean of the answers, quantile by quantile.

    Args:
        opinions: At least one.
        never_below_own: Whether a quantile may not be lower than the own runs say. For memory a
            shortfall costs a run, so that a low prior must not talk down what was seen.

    Returns:
        Its source is that of the weightiest opinion, its count that of the own runs.
    """
    if len(opinions) == 1:
        return opinions[0].quantity
    weights = [1 / o.log_error**2 for o in opinions]
    total = math.fsum(weights)
    shares = [w / total for w in weights]
    own = next((o.quantity for o in opinions if o.quantity.source is Source.OWN_HISTORY), None)
    levels: list[float] = []
    for level in ("p50", "p80", "p95"):
        logs = [math.log(max(getattr(o.quantity, level), SMALLEST)) for o in opinions]
        value = math.exp(math.fsum(s * v for s, v in zip(shares, logs, strict=True)))
        if never_below_own and own is not None:
            value = max(value, getattr(own, level))
        levels.append(max(value, levels[-1]) if levels else value)
    first = max(range(len(opinions)), key=lambda i: shares[i])
    leader = opinions[first].quantity
    return Quantity(
        p50=levels[0],
        p80=levels[1],
        p95=levels[2],
        source=leader.source,
        sample_count=own.sample_count if own else leader.sample_count,
        reason=_reason(opinions, shares, first),
    )


def _reason(opinions: Sequence[Opinion], shares: Sequence[float], first: int) -> str:
    parts = [opinions[first].quantity.reason]
    for place, (opinion, share) in enumerate(zip(opinions, shares, strict=True)):
        if place != first and share >= 0.01:
            parts.append(
                f"{100 * share:.0f} % weight on {opinion.predictor.replace('_', ' ')} "
                f"({opinion.quantity.reason})"
            )
    return "; ".join(parts)
