"""Three quantiles that can be added and multiplied: the arithmetic of the priors."""

from __future__ import annotations

import math
from dataclasses import dataclass

from aiops_provider.domain.profile import Quantity, Source

# Where ln(value) of the p80 lies between p50 and p95 of a lognormal figure: 0.8416 / 1.6449.
_P80_SHARE = 0.5117


@dataclass(frozen=True, slots=True)
class Spread:
    """
    p50, p80 and p95 of one figure.

    The factors of a product are taken to be independent and lognormal, so that the logarithms of
    their widths add as squares do: five factors that may each be double are not expected to double
    at once. Sums take quantile by quantile, as if all parts were large together, which is nearly
    the same where one part dominates and on the safe side elsewhere.
    """

    p50: float
    p80: float
    p95: float

    def __add__(self, other: Spread) -> Spread:
        return Spread(self.p50 + other.p50, self.p80 + other.p80, self.p95 + other.p95)

    def __mul__(self, other: Spread | float) -> Spread:
        if not isinstance(other, Spread):
            return Spread(self.p50 * other, self.p80 * other, self.p95 * other)
        if not self.p50 * other.p50:
            return self.together(other)  # what is mostly nothing has no width in logarithms
        p80 = _width(self.p80 / self.p50, other.p80 / other.p50)
        p95 = _width(self.p95 / self.p50, other.p95 / other.p50)
        return Spread(*(self.p50 * other.p50 * width for width in (1.0, p80, p95)))

    def together(self, other: Spread) -> Spread:
        """The product where both are large at the same time, or must be planned for as if they were."""
        return Spread(self.p50 * other.p50, self.p80 * other.p80, self.p95 * other.p95)

    def at_most(self, limit: float) -> Spread:
        """No quantile above the limit."""
        return Spread(min(self.p50, limit), min(self.p80, limit), min(self.p95, limit))

    def at_least(self, limit: float) -> Spread:
        """No quantile below the limit."""
        return Spread(max(self.p50, limit), max(self.p80, limit), max(self.p95, limit))

    def largest(self, other: Spread) -> Spread:
        """The larger of both, quantile by quantile."""
        return Spread(max(self.p50, other.p50), max(self.p80, other.p80), max(self.p95, other.p95))

    def quantity(self, reason: str) -> Quantity:
        """As a prior with its reason."""
        return Quantity(
            p50=self.p50, p80=self.p80, p95=self.p95, source=Source.PRIOR, reason=reason
        )


def _width(one: float, other: float) -> float:
    return math.exp(math.hypot(math.log(one), math.log(other)))


def between(p50: float, p95: float) -> Spread:
    """
    A lognormal figure of which median and p95 are known.

    >>> round(between(1.0, 4.0).p80, 2)
    2.03
    """
    return Spread(p50, p50 * (p95 / p50) ** _P80_SHARE, p95)


def exactly(value: float) -> Spread:
    """A figure without doubt."""
    return Spread(value, value, value)


NOTHING = exactly(0.0)

# A Python process that has imported the host, pandas and scikit-learn: 0.3 GiB resident is usual,
# 0.4 with a database driver or a cloud's SDK, 0.5 with both. An engineering assumption; it is the
# floor of every prior, since which libraries a task imports is not in its description.
PROCESS_MEMORY_GIB = Spread(0.3, 0.4, 0.5)
# Forking, importing and connecting before the first byte is read. An engineering assumption.
PROCESS_START_S = between(2.0, 15.0)
