"""The periods and limits that the engine works with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

FALSE_PER_WEEK = 2.0
"""Super-alarms a week that chance may bring, for the whole installation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchConfig:
    """
    How deviations become alarms.

    Attributes:
        false_discovery_rate: Share of the alarms of a period that may be false, in (0, 1).
        minimum_history: Samples of a series before it is judged.
        period: Samples of one period face the false-discovery rate together.
        clear_after: Normal samples in a row that resolve an alarm.
        merge_gap: Onsets further apart are not of one incident.
        lead: What was healthy so long before the onset still counts as of the incident's time.
        adapt_after: A deviation that lasts so long is the new normal.
        give_up_after: An alarm of a series without samples for so long is resolved.
        silence_after: A series must have reported for so long before its silence can be an alarm.
        ended_after_missed: A series has ended when it missed so many samples and *give_up_after* has
            passed as well; its silence is no alarm any more.
        keep_evidence: How long healthy observations are remembered.
        quarantine: How long a response lasts.
        hold_after_clusters: A task at fault on so many clusters is held.
        dry_run: Decide responses but apply none.
        time_zone: Whose clock says what the same time is; empty: UTC.
        holidays: Country whose public holidays are none of the other days; empty: none.
    """

    false_discovery_rate: float = 0.05
    minimum_history: int = 8
    period: timedelta = timedelta(minutes=1)
    clear_after: int = 2
    merge_gap: timedelta = timedelta(minutes=15)
    lead: timedelta = timedelta(minutes=1)
    adapt_after: timedelta = timedelta(days=7)
    give_up_after: timedelta = timedelta(days=7)
    silence_after: timedelta = timedelta(days=1)
    ended_after_missed: int = 8
    keep_evidence: timedelta = timedelta(hours=2)
    quarantine: timedelta = timedelta(hours=1)
    hold_after_clusters: int = 3
    dry_run: bool = False
    time_zone: str = ""
    holidays: str = ""
