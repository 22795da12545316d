"""
How well one property tells alarmed from healthy executions.

Thirty features of one task on one cluster are not thirty witnesses. Every execution counts once,
in one of two views: *abnormal* when any of its KPIs alarmed, or abnormal to the *share* of them
that did. The first sees a fault that shows in one KPI only, the second keeps a fault of one feature
everywhere from hiding the fault of a cluster. A property that only some KPIs of an execution have
(``feature=age``) splits executions; for it only the second view is fair.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from aiops_provider.detection.attributes import execution_of

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contingency:
    """
    Executions by property and state.

    Attributes:
        alarmed_with: Alarmed ones that have the property.
        healthy_with: Healthy ones that have it.
        alarmed_without: Alarmed ones that lack it.
        healthy_without: Healthy ones that lack it.
        p_value: One-sided Fisher exact test, for both views together, not corrected further.
        least_p: Smallest p-value that these margins could have given.
        power: Explanatory power: 1 tells alarmed from healthy exactly, 0 says nothing; the mean
            of both views.
    """

    alarmed_with: float
    healthy_with: float
    alarmed_without: float
    healthy_without: float
    p_value: float
    least_p: float
    power: float

    @property
    def support(self) -> float:
        """Share of the alarmed executions that have the property."""
        return self.alarmed_with / max(self.alarmed_with + self.alarmed_without, 1e-12)

    @property
    def precision(self) -> float:
        """Share of the executions with the property that alarmed."""
        return self.alarmed_with / max(self.alarmed_with + self.healthy_with, 1e-12)

    @property
    def lift(self) -> float:
        """Precision over the share of alarmed executions overall."""
        alarmed = self.alarmed_with + self.alarmed_without
        total = alarmed + self.healthy_with + self.healthy_without
        return self.precision * total / max(alarmed, 1e-12)


class Observations:
    """
    Alarmed and healthy rows, with the execution that each belongs to.

    Args:
        alarmed: Attributes of the alarmed rows.
        healthy: Attributes of the healthy rows.
    """

    def __init__(
        self, alarmed: Sequence[Mapping[str, str]], healthy: Sequence[Mapping[str, str]]
    ) -> None:
        self.attributes = [*alarmed, *healthy]
        self.alarmed: Mask = np.arange(len(self.attributes)) < len(alarmed)
        numbers: dict[object, int] = {}
        self._unit = np.array(
            [numbers.setdefault(execution_of(row), len(numbers)) for row in self.attributes],
            dtype=np.intp,
        )
        self._units = len(numbers)
        self._rows = self._count(np.ones(len(self.attributes), dtype=np.bool_))
        self._alarmed_rows = self._count(self.alarmed)
        self._columns: dict[str, tuple[dict[str | None, int], NDArray[np.intp]]] = {}

    @property
    def executions(self) -> int:
        """Number of executions."""
        return self._units

    @property
    def alarmed_executions(self) -> int:
        """Executions of which any KPI alarmed."""
        return int((self._alarmed_rows > 0).sum())

    def having(self, attribute: str, value: str) -> Mask:
        """Rows with that value."""
        if attribute not in self._columns:
            codes: dict[str | None, int] = {}
            column = [codes.setdefault(row.get(attribute), len(codes)) for row in self.attributes]
            self._columns[attribute] = codes, np.array(column, dtype=np.intp)
        codes, encoded = self._columns[attribute]
        mask: Mask = encoded == codes.get(value, -1)
        return mask

    def least_p_values(self, names: Collection[str]) -> list[float]:
        """
        For every value of these attributes, alarmed or not, the least p-value it could have had.

        Which values alarmed is what is asked, so those that did not count as tests as well. Values
        that the very same rows have are one.
        """
        alarmed = self.alarmed_executions
        seen: set[bytes] = set()
        found = []
        for name in names:
            self.having(name, "")  # makes the column
            codes, encoded = self._columns[name]
            order = np.argsort(encoded, kind="stable")
            for value, rows in zip(
                codes, np.split(order, np.cumsum(np.bincount(encoded))[:-1]), strict=True
            ):
                key = rows.tobytes()
                if value is None or key in seen:
                    continue
                seen.add(key)
                mask = np.zeros(len(encoded), dtype=np.bool_)
                mask[rows] = True
                inside = self._count(mask)
                with_it = int((inside > 0).sum())
                without = int((self._rows - inside > 0).sum())
                found.append(_least_p(alarmed, with_it, without))
        return found

    def measure(self, mask: Mask) -> Contingency:
        """How well the property of these rows tells alarmed from healthy, in its better view."""
        rows, alarmed = self._count(mask), self._count(mask & self.alarmed)
        other_rows, other_alarmed = self._rows - rows, self._alarmed_rows - alarmed
        inside, outside = rows > 0, other_rows > 0
        with_share = float((alarmed[inside] / rows[inside]).sum())
        without_share = float((other_alarmed[outside] / other_rows[outside]).sum())
        counts = (int(inside.sum()), int(outside.sum()))
        views = [(with_share, without_share)]
        if not (inside & outside).any():
            views.append((float((alarmed > 0).sum()), float((other_alarmed > 0).sum())))
        tables = [_table(view, counts) for view in views]
        # Two views that see the same are one test; two that differ are corrected for.
        tests = len({(table.p_value, table.least_p) for table in tables})
        return replace(
            max(tables, key=lambda table: table.power),
            power=sum(table.power for table in tables) / len(tables),
            p_value=min(1.0, tests * min(table.p_value for table in tables)),
            least_p=min(1.0, tests * min(table.least_p for table in tables)),
        )

    def _count(self, mask: Mask) -> NDArray[np.float64]:
        return np.bincount(self._unit[mask], minlength=self._units).astype(np.float64)


def _table(alarmed: tuple[float, float], counts: tuple[int, int]) -> Contingency:
    a, c = (round(number) for number in alarmed)
    with_it, without = counts
    support = alarmed[0] / max(sum(alarmed), 1e-12)
    healthy, healthy_with = with_it + without - sum(alarmed), with_it - alarmed[0]
    # One healthy execution that has the property as often as all do is added: few are no proof.
    false_share = (healthy_with + with_it / (with_it + without)) / (healthy + 1.0)
    return Contingency(
        alarmed_with=alarmed[0],
        healthy_with=with_it - alarmed[0],
        alarmed_without=alarmed[1],
        healthy_without=without - alarmed[1],
        p_value=fisher_greater(a, with_it - a, c, without - c),
        least_p=_least_p(a + c, with_it, without),
        power=support - false_share,
    )


@lru_cache(maxsize=4096)
def _least_p(alarmed: int, with_it: int, without: int) -> float:
    alarmed = min(alarmed, with_it + without)
    most = min(alarmed, with_it)
    return fisher_greater(most, with_it - most, alarmed - most, without - alarmed + most)


def fisher_greater(a: int, b: int, c: int, d: int) -> float:
    """
    Fisher's exact test, one-sided: odds of the first row greater than those of the second.

    Args:
        a: Alarmed with the property.
        b: Healthy with it.
        c: Alarmed without it.
        d: Healthy without it.

    Returns:
        Probability of *a* or more when state and property have nothing to do with each other.

    >>> round(fisher_greater(3, 0, 0, 3), 4)
    0.05
    """
    from scipy.special import gammaln

    if a == 0:
        return 1.0
    n_with, alarmed, total = a + b, a + c, a + b + c + d
    more = np.arange(a, min(n_with, alarmed) + 1, dtype=np.float64)

    def log_choose(n: object, k: object) -> NDArray[np.float64]:
        n_, k_ = np.asarray(n, dtype=np.float64), np.asarray(k, dtype=np.float64)
        found: NDArray[np.float64] = gammaln(n_ + 1) - gammaln(k_ + 1) - gammaln(n_ - k_ + 1)
        return found

    logs = (
        log_choose(alarmed, more)
        + log_choose(total - alarmed, n_with - more)
        - log_choose(total, n_with)
    )
    return float(min(np.exp(logs).sum(), 1.0))
