"""From open alarms to super-alarms with a cause and a response."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime

from aiops_provider.detection.alarm_clusters import cluster_alarms, onset_of
from aiops_provider.detection.attributes import has
from aiops_provider.detection.chance import Chance, false_alarm_share
from aiops_provider.detection.changes import (
    BEFORE_ONSET,
    KnownChanges,
    preceding_changes,
    preferring_changed,
)
from aiops_provider.detection.evidence import Evidence, Row
from aiops_provider.detection.fold import Fold, fold_alarms, fold_alone
from aiops_provider.detection.limits import WatchConfig
from aiops_provider.detection.lineage import Lineage, told_upstream
from aiops_provider.detection.response import ResponsePolicy, decide_response, renewed
from aiops_provider.detection.super_alarms import SuperAlarms
from aiops_provider.domain.alarm import (
    Alarm,
    AlarmState,
    Response,
    ResponseAction,
    SuperAlarm,
)
from aiops_provider.domain.cluster import ClusterSpec


class Investigation:
    """
    Explains alarms by what else was observed at the time, and answers them.

    Args:
        config: Limits and periods.
        clusters: The clusters of the installation.
    """

    def __init__(self, config: WatchConfig, clusters: Sequence[ClusterSpec]) -> None:
        self._config, self._clusters = config, tuple(clusters)
        self.evidence = Evidence(config.keep_evidence)
        self.super_alarms = SuperAlarms(config.period)
        self.changes = KnownChanges()
        self.lineage = Lineage()

    def fold(
        self, open_alarms: Mapping[str, Alarm], changed: Iterable[Alarm], now: datetime
    ) -> None:
        """
        Group the alarms anew and fit the groups into the open super-alarms.

        Args:
            open_alarms: All that are open, by id.
            changed: Alarms that were raised, held or ended lately.
            now: The present moment.
        """
        alarms: dict[str, Alarm] = {}
        for key in self.super_alarms.open_ones:
            alarms |= self.super_alarms.members(key)
        told, observed = frozenset(alarms), self.evidence.rows
        alarms |= {alarm.id: alarm for alarm in changed if alarm.id in alarms}
        alarms |= open_alarms
        folds: list[Fold] = []
        real = [one for one in alarms.values() if one.state is not AlarmState.FALSE_POSITIVE]
        for cluster in cluster_alarms(real, gap=self._config.merge_gap):
            rows = self.evidence.alarmed({alarm.id for alarm in cluster})
            if not rows:
                continue
            healthy = self.evidence.healthy(rows, onset=onset_of(cluster), lead=self._config.lead)
            chance = Chance(false_alarm_share(self._unexplained(rows, told), observed))
            found = fold_alarms(rows, healthy, hold_after_clusters=self._hold_after, chance=chance)
            alone = {alarm.id for alarm in cluster if alarm.alone}
            found += fold_alone(rows, healthy, found, alone=alone)
            found = told_upstream(found, rows, healthy, self.lineage, chance=chance)
            folds += [self._with_changes(one, healthy) for one in found]
        self.super_alarms.update(folds, alarms, now)

    def _with_changes(self, fold: Fold, healthy: Sequence[Row]) -> Fold:
        """With what was changed just before these alarms, which also decides between equal causes."""
        onset = min(row.observed_at for row in fold.rows)
        known = self.changes.before(onset)
        if not known:
            return fold
        changes = preceding_changes(known, fold.rows, healthy, onset=onset)
        ranked = preferring_changed(fold.root_cause, changes, fold.rows, healthy)
        return replace(fold, root_cause=ranked, changes=changes)

    def _unexplained(self, group: Collection[Row], told: Set[str]) -> int:
        """Rows in alarm that no super-alarm holds, those of one group aside."""
        return self.evidence.count_alarmed(but=told | {row.alarm for row in group if row.alarm})

    def respond(self, now: datetime, unavailable: Mapping[str, str]) -> list[Response]:
        """
        Decide what is done about each open super-alarm.

        Args:
            now: The present moment.
            unavailable: Clusters that cannot be counted on, with why.

        Returns:
            Responses that are new, changed or lifted.
        """
        found: list[Response] = []
        for super_alarm in list(self.super_alarms.open_ones.values()):
            policy = ResponsePolicy(
                clusters=self._clusters,
                lasts=self._config.quarantine,
                data_lasts=self._config.give_up_after,
                hold_after_clusters=self._hold_after,
                unavailable={**unavailable, **self._quarantined(super_alarm.id, now)},
                dry_run=self._config.dry_run,
            )
            found.extend(self._respond(super_alarm, policy, now))
        return found

    def _quarantined(self, but: str, now: datetime) -> dict[str, str]:
        """Clusters that other open super-alarms keep out of use."""
        return {
            cluster: f"quarantined for {key}"
            for key, one in self.super_alarms.open_ones.items()
            if key != but and one.response is not None and one.response.active(now)
            for cluster in one.response.clusters
        }

    def forget(self, open_alarms: Iterable[str], now: datetime) -> None:
        """Drop observations that explain nothing any more."""
        needed = set(open_alarms)
        for key in self.super_alarms.open_ones:
            needed |= self.super_alarms.members(key).keys()
        self.evidence.forget(now, alarms=needed)
        onsets = [one.opened_at for one in self.super_alarms.open_ones.values()]
        self.changes.forget(min([*onsets, now - self._config.keep_evidence]) - BEFORE_ONSET)

    def _alarmed_on(self, super_alarm: SuperAlarm) -> frozenset[str]:
        """Clusters that speak for its cause: where tasks downstream failed says nothing of the upstream one."""
        best = super_alarm.root_cause.best
        if not best.downstream:
            return self.super_alarms.clusters(super_alarm.id)
        rows = self.evidence.alarmed(self.super_alarms.members(super_alarm.id).keys())
        return frozenset(
            row.attributes["cluster"]
            for row in rows
            if "cluster" in row.attributes and has(row.attributes, best.cause)
        )

    @property
    def _hold_after(self) -> int:
        """As configured, but not more clusters than there are."""
        return max(2, min(self._config.hold_after_clusters, len(self._clusters) or 2))

    def _respond(
        self, super_alarm: SuperAlarm, policy: ResponsePolicy, now: datetime
    ) -> Iterator[Response]:
        before = super_alarm.response
        decided = decide_response(
            super_alarm,
            policy,
            members=self.super_alarms.members(super_alarm.id).values(),
            alarmed_on=self._alarmed_on(super_alarm),
            now=now,
        )
        fresh = before is not None and self.evidence.alarmed_since(
            super_alarm.root_cause.best.cause, before.expires_at
        )
        after = renewed(before, decided, fresh=fresh)
        if before is not None and _says_the_same(before, after):
            return
        self.super_alarms.put(replace(super_alarm, response=after))
        if before is not None and before.id != after.id and before.active(now):
            yield replace(before, released_at=now)
        if after.action is not ResponseAction.NOTHING:
            yield after


def _says_the_same(before: Response, after: Response) -> bool:
    """Doing nothing, for the same reason, is not news each time."""
    nothing = before.action is after.action is ResponseAction.NOTHING
    return after == before or (nothing and before.reason == after.reason)


def lifted(super_alarms: Iterable[SuperAlarm], now: datetime) -> Iterator[Response]:
    """
    Responses that end with their super-alarm.

    A held task that is normal again may move, and data that are normal again may be used. A quarantined
    cluster has proven nothing: its tasks became normal elsewhere; it waits for the end of its quarantine.
    """
    for one in super_alarms:
        response = one.response
        if (
            one.state is AlarmState.RESOLVED
            and response is not None
            and response.action in (ResponseAction.HOLD_TASK, ResponseAction.HOLD_DOWNSTREAM)
            and response.active(now)
        ):
            yield replace(response, released_at=now)
