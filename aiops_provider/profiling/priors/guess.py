"""Three quantiles that can be added and multiplied: the arithmetic of the priors."""

from __future__ import annotations

import math
from dataclasses import dataclass

from aiops_provider.domain.profile import Quantity, Source

# Where ln(value) of the p80 lies between p50 and p95 of a lognormal figure: 0.8416 / 1.6449.
_P80_SHARE = 0.5117


@dataclass(frozen=True, slots=True)
class Guess:
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

    def __add__(self, other: Guess) -> Guess:
        return Guess(self.p50 + other.p50, self.p80 + other.p80, self.p95 + other.p95)

    def __mul__(self, other: Guess | float) -> Guess:
        if not isinstance(other, Guess):
            return Guess(self.p50 * other, self.p80 * other, self.p95 * other)
        if not self.p50 * other.p50:
            return self.together(other)  # what is mostly nothing has no width in logarithms
        p80 = _width(self.p80 / self.p50, other.p80 / other.p50)
        p95 = _width(self.p95 / self.p50, other.p95 / other.p50)
        return Guess(*(self.p50 * other.p50 * width for width in (1.0, p80, p95)))

    def together(self, other: Guess) -> Guess:
        """The product where both are large at the same time, or must be planned for as if they were."""
        return Guess(self.p50 * other.p50, self.p80 * other.p80, self.p95 * other.p95)

    def at_most(self, limit: float) -> Guess:
        """No quantile above the limit."""
        return Guess(min(self.p50, limit), min(self.p80, limit), min(self.p95, limit))

    def at_least(self, limit: float) -> Guess:
        """No quantile below the limit."""
        return Guess(max(self.p50, limit), max(self.p80, limit), max(self.p95, limit))

    def largest(self, other: Guess) -> Guess:
        """The larger of both, quantile by quantile."""
        return Guess(max(self.p50, other.p50), max(self.p80, other.p80), max(self.p95, other.p95))

    def quantity(self, reason: str) -> Quantity:
        """As a prior with its reason."""
        return Quantity(
            p50=self.p50, p80=self.p80, p95=self.p95, source=Source.PRIOR, reason=reason
        )


def _width(one: float, other: float) -> float:
    return math.exp(math.hypot(math.log(one), math.log(other)))


def between(p50: float, p95: float) -> Guess:
    """
    A lognormal figure of which median and p95 are known.

    >>> round(between(1.0, 4.0).p80, 2)
    2.03
    """
    return Guess(p50, p50 * (p95 / p50) ** _P80_SHARE, p95)


def exactly(value: float) -> Guess:
    """A figure without doubt."""
    return Guess(value, value, value)


NOTHING = exactly(0.0)

# A Python process that has imported the host, pandas and scikit-learn: 0.3 GiB resident is usual,
# 0.4 with a database driver or a cloud's SDK, 0.5 with both. An engineering assumption; it is the
# floor of every prior, since which libraries a task imports is not in its description.
PROCESS_MEMORY_GIB = Guess(0.3, 0.4, 0.5)
# Forking, importing and connecting before the first byte is read. An engineering assumption.
PROCESS_START_S = between(2.0, 15.0)
