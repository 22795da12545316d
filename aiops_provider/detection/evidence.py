"""
What was seen lately of each series at each place: alarmed or healthy.

A root cause is found by comparison, so the healthy observations matter as much as the alarmed
ones: that another task was fine on a cluster, or the same task elsewhere, is what tells them apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aiops_provider.detection.attributes import execution_of, has, place_of
from aiops_provider.domain.kpi import KpiSample, SeriesKey

Place = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """
    The state of one series at one place.

    Attributes:
        series: Which series.
        observed_at: When it was seen in that state.
        attributes: Dimensions and context.
        value: What was seen.
        expected: What was expected.
        alarm: Id of the alarm that holds it, ``None`` for a healthy one.
        times: How often it was seen so: during that alarm, or, if healthy, in that run.
    """

    series: SeriesKey
    observed_at: datetime
    attributes: Mapping[str, str]
    value: float
    expected: float
    alarm: str | None = None
    times: int = 1


class Evidence:
    """
    The latest healthy and the latest alarmed row of every series at every place.

    A row that alarmed stays until its alarm is let go, even when the series is healthy there again:
    while an incident clears, its cause must not seem to wander.

    Args:
        keep: How long healthy rows are kept.
    """

    def __init__(self, keep: timedelta) -> None:
        self._keep = keep
        self._healthy: dict[tuple[SeriesKey, Place], Row] = {}
        self._alarmed: dict[tuple[SeriesKey, Place], Row] = {}
        self._last_alarmed: dict[tuple[SeriesKey, Place], datetime] = {}

    def add(self, sample: KpiSample, *, expected: float, alarm: str | None) -> bool:
        """Take in a sample and the alarm that holds it, if any; whether it alarmed newly there."""
        row = Row(
            series=sample.series,
            observed_at=sample.observed_at,
            attributes=sample.attributes,
            value=sample.value,
            expected=expected,
            alarm=alarm,
        )
        key = (row.series, place_of(row.attributes))
        rows = self._healthy if alarm is None else self._alarmed
        before = rows.get(key)
        if alarm is not None:
            last = self._last_alarmed.get(key, row.observed_at)
            self._last_alarmed[key] = max(last, row.observed_at)
        # The first sample of an alarm shows the onset; of healthy ones the latest counts.
        if before is not None and before.alarm == alarm and alarm is not None:
            rows[key] = replace(before, times=before.times + 1)
            return False
        if before is None or before.observed_at <= row.observed_at:
            again = alarm is None and before is not None and _same_run(before, row)
            rows[key] = replace(row, times=before.times + 1 if before and again else 1)
        return alarm is not None

    def withdraw(self, series: Collection[SeriesKey]) -> None:
        """What these series said last, when they were healthy, speaks for nothing any more."""
        self._healthy = {k: row for k, row in self._healthy.items() if k[0] not in series}

    def alarmed(self, alarms: Collection[str]) -> list[Row]:
        """Rows that these alarms hold."""
        return [row for row in self._alarmed.values() if row.alarm in alarms]

    @property
    def rows(self) -> int:
        """Series at places of which anything is known, healthy or alarmed."""
        return len(self._healthy.keys() | self._alarmed.keys())

    def count_alarmed(self, *, but: Collection[str]) -> int:
        """Number of rows in alarm, those of some alarms aside."""
        return sum(row.alarm not in but for row in self._alarmed.values())

    def alarmed_since(self, cause: Mapping[str, str], moment: datetime) -> bool:
        """Whether anything that has the cause was in alarm after that moment."""
        return any(
            self._last_alarmed[key] > moment and has(row.attributes, cause)
            for key, row in self._alarmed.items()
        )

    def healthy(
        self, alarmed: Collection[Row], *, onset: datetime, lead: timedelta = timedelta(0)
    ) -> list[Row]:
        """
        Rows to compare with: healthy since the onset, or in a run of which others alarmed.

        What was healthy before the trouble began says nothing about what has it now, and a run
        that ended before is no part of it. An execution that other alarms hold is not healthy
        either, whatever else was fine about it.

        Args:
            alarmed: The rows that are to be explained; they are not among the result.
            onset: When the trouble began.
            lead: Rows that name no run count from so long before, as nobody sees the onset exactly.
        """
        taken = {(row.series, place_of(row.attributes)) for row in alarmed}
        in_trouble = self._executions_in_other_trouble(alarmed)
        free = (row for key, row in self._healthy.items() if key not in taken)
        return [
            row
            for row in of_the_time(free, alarmed, onset=onset, lead=lead)
            if not (in_trouble and execution_of(row.attributes) in in_trouble)
        ]

    def _executions_in_other_trouble(self, alarmed: Collection[Row]) -> set[Place]:
        mine = {id(row) for row in alarmed}
        others = {
            execution_of(row.attributes) for row in self._alarmed.values() if id(row) not in mine
        }
        return others - {execution_of(row.attributes) for row in alarmed} if others else set()

    def forget(self, now: datetime, *, alarms: Collection[str]) -> None:
        """
        Drop what is of no use any more.

        Args:
            now: The present moment.
            alarms: Ids of the alarms whose rows are still needed.
        """
        oldest = now - self._keep
        self._healthy = {k: row for k, row in self._healthy.items() if row.observed_at >= oldest}
        self._alarmed = {k: row for k, row in self._alarmed.items() if row.alarm in alarms}
        self._last_alarmed = {k: at for k, at in self._last_alarmed.items() if k in self._alarmed}


def of_the_time(
    healthy: Iterable[Row],
    alarmed: Iterable[Row],
    *,
    onset: datetime,
    lead: timedelta = timedelta(0),
) -> Iterator[Row]:
    """
    Those healthy rows that are of the time of a trouble, see :meth:`Evidence.healthy`.

    Args:
        healthy: In any order.
        alarmed: The rows of that trouble.
        onset: When it began.
        lead: Rows that name no run count from so long before.
    """
    runs = {row.attributes["run_id"] for row in alarmed if "run_id" in row.attributes}
    return (row for row in healthy if _belongs(row, runs, onset, lead))


def onset_of_rows(alarmed: Iterable[Row]) -> datetime:
    """When a trouble began, robustly: a tenth of its rows were in alarm before."""
    ordered = sorted(row.observed_at for row in alarmed)
    return ordered[len(ordered) // 10]


def _same_run(before: Row, row: Row) -> bool:
    return before.attributes.get("run_id") == row.attributes.get("run_id")


def _belongs(row: Row, runs: Collection[str], onset: datetime, lead: timedelta) -> bool:
    """Whether a healthy row is of the time of the trouble."""
    run = row.attributes.get("run_id")
    if run is None:
        return row.observed_at >= onset - lead
    return run in runs or row.observed_at >= onset
