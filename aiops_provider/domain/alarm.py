"""From a deviating sample to a super-alarm with a cause and a response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from aiops_provider.domain.change import PrecedingChange
from aiops_provider.domain.kpi import SeriesKey
from aiops_provider.domain.task import TaskKey


class Severity(StrEnum):
    """How urgent."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class AlarmState(StrEnum):
    """Life of an alarm or a super-alarm."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    FALSE_POSITIVE = "false_positive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """
    A sample that its series does not explain.

    Attributes:
        id: Unique and stable for the same series and onset.
        series: Which series.
        observed_at: When it was first seen.
        value: What was observed.
        expected: What was expected.
        score: In [0, 1]; 1 is surely anomalous.
        p_value: Probability of such a sample when all is well.
        attributes: Dimensions and context of the sample.
        severity: How urgent.
        reason: One sentence.
        detector: Which detector or rule.
        state: Open until the series is normal again.
        super_alarm: Id of the super-alarm that holds it, or ``None``.
        last_seen_at: When it was last seen deviating.
        remedy: What helps, as the rules say; empty: they do not.
        owner: Who cares for it, as the rules say; empty: they do not.
        alone: Whether the rules want it told even if nothing else is in alarm.
        hold_downstream: Whether the rules want that nobody uses the data of its task meanwhile.
    """

    id: str
    series: SeriesKey
    observed_at: datetime
    value: float
    expected: float
    score: float
    p_value: float
    attributes: Mapping[str, str]
    severity: Severity = Severity.WARNING
    reason: str = ""
    detector: str = ""
    state: AlarmState = AlarmState.OPEN
    super_alarm: str | None = None
    last_seen_at: datetime | None = None
    remedy: str = ""
    owner: str = ""
    alone: bool = False
    hold_downstream: bool = False


class CauseKind(StrEnum):
    """What is at fault; decides the response."""

    CLUSTER = "cluster"
    TASK = "task"
    DATA = "data"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """
    A possible cause, with what speaks for and against it.

    Attributes:
        cause: Values that the alarmed observations share: ``{"provider": "aws"}``.
        kind: What is at fault.
        support: Share of the alarmed observations it explains, in [0, 1].
        precision: Share of the observations it covers that are alarmed, in [0, 1].
        lift: ``precision`` over the share of alarmed observations overall.
        p_value: One-sided Fisher exact test, corrected for the number of hypotheses.
        confidence: In [0, 1]; orders the hypotheses.
        counter_evidence: What speaks against it.
        next_check: What would decide it.
        depth: Place in the hypothesis tree; children refine their parent.
        parent: Cause of the parent, or ``None`` at the root.
        remedy: What helps if this is it; empty: nobody said yet.
        downstream: Tasks in alarm that use what the task at fault makes.
    """

    cause: Mapping[str, str]
    kind: CauseKind
    support: float
    precision: float
    lift: float
    p_value: float
    confidence: float
    counter_evidence: str = ""
    next_check: str = ""
    depth: int = 0
    parent: Mapping[str, str] | None = None
    remedy: str = ""
    downstream: tuple[TaskKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RootCause:
    """
    Ranked hypotheses, the best first.

    Attributes:
        hypotheses: At least one.
    """

    hypotheses: tuple[Hypothesis, ...]

    @property
    def best(self) -> Hypothesis:
        """The hypothesis to act on."""
        return self.hypotheses[0]


class ResponseAction(StrEnum):
    """What is done about a root cause."""

    QUARANTINE = "quarantine"
    HOLD_TASK = "hold_task"
    HOLD_DOWNSTREAM = "hold_downstream"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """
    What is done about a super-alarm; data that the routers read.

    Attributes:
        id: Unique.
        super_alarm: What it answers.
        action: What is done.
        clusters: Clusters to avoid (quarantine).
        task: Task that is not failed over any more (hold).
        data_of: Tasks whose data nobody should use for now (hold downstream).
        reason: One sentence with the evidence.
        starts_at: When.
        expires_at: When it lapses by itself.
        released_at: When it was lifted, or ``None``.
        dry_run: True: only recorded.
        renewals: How often it was renewed because a probe before its end failed.
    """

    id: str
    super_alarm: str
    action: ResponseAction
    reason: str
    starts_at: datetime
    expires_at: datetime
    clusters: tuple[str, ...] = ()
    task: TaskKey | None = None
    data_of: tuple[TaskKey, ...] = ()
    released_at: datetime | None = None
    dry_run: bool = False
    renewals: int = 0

    @property
    def target(self) -> str:
        """What it is done to, in words: clusters, a task, or the tasks whose data are held."""
        tasks = (*filter(None, [self.task]), *self.data_of)
        return ", ".join([*self.clusters, *map(str, tasks)])

    def active(self, now: datetime) -> bool:
        """Whether routers must honour it at that moment."""
        return (
            not self.dry_run
            and self.released_at is None
            and self.starts_at <= now < self.expires_at
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarIncident:
    """
    An earlier super-alarm that looked alike.

    Attributes:
        id: Of the super-alarm.
        similarity: In [0, 1], over cause, KPIs and size.
        opened_at: Its onset.
        closed_at: When it was over.
        cause: What was at fault then.
        closed_by: What was noted or done; empty: it ended by itself.
    """

    id: str
    similarity: float
    opened_at: datetime
    closed_at: datetime | None
    cause: Mapping[str, str]
    closed_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuperAlarm:
    """
    Many alarms with one cause, told once.

    Attributes:
        id: Stable while it grows.
        summary: Plain words.
        opened_at: Onset of its first alarm.
        severity: The highest of its members.
        alarms: Ids of its members.
        representative: Id of the member that shows it best.
        root_cause: Ranked hypotheses.
        response: What was done, or ``None`` before the decision.
        state: Its life.
        closed_at: When its last member cleared.
        impact: Tasks, users, money, in words.
        updated_at: When it last changed.
        attributes: What all of its alarms share.
        kpis: Names of the KPIs in alarm.
        real_cause: What a person found to be at fault; empty: nobody said.
        similar: Earlier ones that looked alike, the likest first.
        note: What a person wrote when acknowledging it.
        owners: Who cares for its alarms, as the rules say.
        growing: Whether alarms were added in the last period.
        reopened: How often it came back after it was over.
        changes: What was changed shortly before its onset, the likeliest first.
    """

    id: str
    summary: str
    opened_at: datetime
    severity: Severity
    alarms: tuple[str, ...]
    representative: str
    root_cause: RootCause
    updated_at: datetime
    response: Response | None = None
    state: AlarmState = AlarmState.OPEN
    closed_at: datetime | None = None
    impact: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    kpis: tuple[str, ...] = ()
    real_cause: Mapping[str, str] = field(default_factory=dict)
    similar: tuple[SimilarIncident, ...] = ()
    note: str = ""
    owners: tuple[str, ...] = ()
    growing: bool = False
    reopened: int = 0
    changes: tuple[PrecedingChange, ...] = ()

    @property
    def phase(self) -> str:
        """
        Its life in one word: its state, and of an open one whether it is ``growing`` or ``reopened``.

        What a person said, or that it is over, goes before both.
        """
        if self.state is not AlarmState.OPEN:
            return self.state.value
        if self.growing:
            return "growing"
        return "reopened" if self.reopened else self.state.value
