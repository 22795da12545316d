"""
Would chance alone have brought these alarms together?

Every KPI is in false alarm now and then, and an installation has many. How often, it shows itself:
alarms that nothing explains are what chance brings here. A group of alarms becomes a super-alarm
when so many of those would have come together by chance at most a few times a week, whatever the
group has in common.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from aiops_provider.detection.attributes import execution_of, has, witness_of
from aiops_provider.detection.evidence import Row
from aiops_provider.detection.failures import at_least
from aiops_provider.detection.limits import FALSE_PER_WEEK

# Alarms whose onsets are within the merge gap are looked at together, so that there are no more than
# so many looks a week with anything to see. Each may err in one of three ways: a cause, many tasks, or
# one execution.
_LOOKS_PER_WEEK = 7 * 24 * 4
BUDGET_P = FALSE_PER_WEEK / _LOOKS_PER_WEEK / 3
"""Probability up to which a group that chance brings together becomes a super-alarm."""

# Until an installation has shown its own share of rows in false alarm: one in two hundred, as much as
# so many rows would say.
_PRIOR_SHARE = 0.005
_PRIOR_ROWS = 200.0

# An execution is abnormal when chance would have brought so many of its KPIs together in at most one of
# twenty.
_ABNORMAL_P = 0.05
# Without a known cause so many witnesses, and most of what ran, must be in alarm …
_UNKNOWN_WITNESSES = 3
_UNKNOWN_SHARE = 0.5
# … or so many KPIs of one execution. Those hang together, so chance needs fewer than one would think.
_UNKNOWN_KPIS = 5
_UNKNOWN_LEAST_SHARE = 0.02


def false_alarm_share(unexplained: int, rows: int) -> float:
    """
    Share of the KPIs that are in alarm at a time for no reason.

    Args:
        unexplained: Rows in alarm that belong neither to the group at hand nor to any that was told.
        rows: All rows seen lately.

    Returns:
        The mean of a beta distribution that starts from one in two hundred.

    >>> false_alarm_share(0, 0)
    0.005
    """
    return (_PRIOR_SHARE * _PRIOR_ROWS + unexplained) / (_PRIOR_ROWS + max(rows, unexplained))


@dataclass(frozen=True, slots=True)
class Chance:
    """
    What chance brings in this installation.

    Attributes:
        share: Share of the KPIs that are in false alarm at a time, in (0, 1).
    """

    share: float = _PRIOR_SHARE

    def explains(
        self, cause: Mapping[str, str], alarmed: Sequence[Row], healthy: Sequence[Row]
    ) -> bool:
        """
        Whether a cause has no more abnormal executions than false alarms may have brought it.

        Every value that could have been told is a test (Bonferroni), and so is every limit from
        which on an execution counts as abnormal.

        Args:
            cause: Attributes and their values.
            alarmed: Rows in alarm.
            healthy: Rows of the same time that are not.
        """
        return self.brings(
            [row for row in alarmed if has(row.attributes, cause)],
            [row for row in healthy if has(row.attributes, cause)],
            tests=_values(cause, [*alarmed, *healthy]),
        )

    def brings(self, alarmed: Sequence[Row], healthy: Sequence[Row], *, tests: int) -> bool:
        """
        Whether a group has no more abnormal executions than false alarms may have brought it.

        Args:
            alarmed: Rows in alarm of the group.
            healthy: Rows of the same time and group that are not.
            tests: Groups that could have been looked at instead (Bonferroni).
        """
        odds = self._odds(alarmed, healthy)
        limits = sorted({max(one, self.share) for one in odds if one <= _ABNORMAL_P})
        if not limits:
            return True
        by_chance = min(
            at_least(sum(one <= limit for one in odds), len(odds), limit) for limit in limits
        )
        return by_chance * len(limits) * tests > BUDGET_P

    def leaves(self, alarmed: Sequence[Row], healthy: Sequence[Row]) -> tuple[Row, ...]:
        """
        Of the rows that no cause explains, those that chance does not explain either.

        An execution of a hundred KPIs has one in false alarm most of the time, so how many of its
        KPIs are in alarm is weighed by how many it has.

        Args:
            alarmed: Rows in alarm.
            healthy: Rows of the same time that are not.
        """
        groups, fine = _by_execution(alarmed), _by_execution(healthy)
        share = max(self.share, _UNKNOWN_LEAST_SHARE)
        odds = {
            key: at_least(len(group), len(group) + len(fine.get(key, ())), share)
            for key, group in groups.items()
        }
        executions = len(groups.keys() | fine.keys())
        abnormal = [key for key in groups if odds[key] <= _ABNORMAL_P]
        witnesses = {
            witness_of(row.series, row.attributes) for key in abnormal for row in groups[key]
        }
        if (
            len(witnesses) >= _UNKNOWN_WITNESSES
            and len(abnormal) >= _UNKNOWN_SHARE * executions
            and at_least(len(abnormal), executions, _ABNORMAL_P) <= BUDGET_P
        ):
            return tuple(alarmed)
        return tuple(
            row
            for key, group in groups.items()
            if len(group) >= _UNKNOWN_KPIS and odds[key] * executions <= BUDGET_P
            for row in group
        )

    def _odds(self, alarmed: Sequence[Row], healthy: Sequence[Row]) -> list[float]:
        """For each execution, the odds that so many of its KPIs are in false alarm."""
        groups, fine = _by_execution(alarmed), _by_execution(healthy)
        return [
            at_least(bad, bad + len(fine.get(key, ())), self.share) if bad else 1.0
            for key in groups.keys() | fine.keys()
            for bad in [len(groups.get(key, ()))]
        ]


def _values(cause: Collection[str], rows: Sequence[Row]) -> int:
    """How many different values the attributes of a cause have together."""
    found = 1
    for name in cause:
        found *= max(len({row.attributes[name] for row in rows if name in row.attributes}), 1)
    return found


def _by_execution(rows: Sequence[Row]) -> dict[object, list[Row]]:
    found: dict[object, list[Row]] = defaultdict(list)
    for row in rows:
        found[execution_of(row.attributes)].append(row)
    return dict(found)
