"""
What is done about a super-alarm.

A response stops others from using a cluster, or a task from being moved about, so it asks for more
than a suspicion: the limits below. Whoever disagrees releases it, and it is not decided again for
the same super-alarm.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from aiops_provider.detection.attributes import NO_FAULT, SILENCE, speaks_of_fault, witness_of
from aiops_provider.detection.wording import named
from aiops_provider.domain.alarm import (
    Alarm,
    CauseKind,
    Hypothesis,
    Response,
    ResponseAction,
    SuperAlarm,
)
from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.task import TaskKey

# Chance must be less likely than this to have made such evidence …
MAXIMUM_P = 0.01
# … the cause must explain the alarms and most of what has it must be in alarm …
MINIMUM_CONFIDENCE = 0.6
# … and so many different tasks or partitions must say so.
MINIMUM_WITNESSES = 2
# … unless a metric of the cluster itself does: that is about nothing else.

_METRICS_TOLD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsePolicy:
    """
    What the installation allows.

    Attributes:
        clusters: All clusters of the installation.
        lasts: How long a response lasts unless it is released.
        data_lasts: The same of data that are held: they do not get better by themselves.
        hold_after_clusters: A task at fault on so many clusters is held.
        unavailable: Clusters that cannot be counted on, with why.
        dry_run: Only record what would be done.
    """

    clusters: Sequence[ClusterSpec]
    lasts: timedelta
    hold_after_clusters: int
    data_lasts: timedelta = timedelta(days=7)
    unavailable: Mapping[str, str] = field(default_factory=dict)
    dry_run: bool = False


def decide_response(
    super_alarm: SuperAlarm,
    policy: ResponsePolicy,
    *,
    members: Collection[Alarm],
    alarmed_on: frozenset[str],
    now: datetime,
) -> Response:
    """
    Decide.

    Args:
        super_alarm: With its ranked hypotheses.
        policy: What may be done.
        members: Its alarms.
        alarmed_on: Clusters on which they were observed.
        now: When it starts.

    Returns:
        Quarantine of every cluster that has the cause, hold of the task, or nothing; the reason
        says why in any case. Where there is nothing to move or hold, the data of those tasks for which
        the rules ask it are held.
    """
    decided = _decided(super_alarm, policy, members=members, alarmed_on=alarmed_on, now=now)
    if decided.action is not ResponseAction.NOTHING:
        return decided
    return _hold_downstream(decided, members, expires_at=now + policy.data_lasts)


def _hold_downstream(
    nothing: Response, members: Collection[Alarm], *, expires_at: datetime
) -> Response:
    asking = [alarm for alarm in members if alarm.hold_downstream and "task" in alarm.attributes]
    if not asking:
        return nothing
    tasks = {
        TaskKey(one.attributes.get("dag", "default"), one.attributes["task"]) for one in asking
    }
    kpis = ", ".join(sorted({one.series.name for one in asking}))
    return replace(
        nothing,
        action=ResponseAction.HOLD_DOWNSTREAM,
        data_of=tuple(sorted(tasks)),
        expires_at=expires_at,
        reason=f"A rule holds the data of {', '.join(map(str, sorted(tasks)))} for {kpis}. {nothing.reason}",
    )


def _decided(
    super_alarm: SuperAlarm,
    policy: ResponsePolicy,
    *,
    members: Collection[Alarm],
    alarmed_on: frozenset[str],
    now: datetime,
) -> Response:
    best = super_alarm.root_cause.best
    # That nothing is heard does not say that nothing runs, nor a queue that what ends its wait fails.
    seen = [alarm for alarm in members if alarm.series.name not in NO_FAULT]
    witnesses = {
        witness_of(one.series, one.attributes) for one in seen if one.series.cluster is None
    }
    own = [one for one in seen if speaks_of_fault(one)]
    nothing = Response(
        id=_first_id(super_alarm),
        super_alarm=super_alarm.id,
        action=ResponseAction.NOTHING,
        reason="",
        starts_at=now,
        expires_at=now + policy.lasts,
        dry_run=policy.dry_run,
    )
    doubt = _doubt(best)
    if doubt:
        return replace(nothing, reason=doubt)
    if not seen:
        return replace(nothing, reason=_no_fault(best, members))
    match best.kind:
        case CauseKind.CLUSTER if len(witnesses) < MINIMUM_WITNESSES and not own:
            return replace(
                nothing, reason=f"Only one task says that {named(best.cause)} is at fault."
            )
        case CauseKind.CLUSTER:
            return _quarantine(nothing, best, policy, len(witnesses), own)
        case CauseKind.TASK:
            return _hold(nothing, best, policy, alarmed_on, super_alarm.attributes)
        case _:
            return replace(
                nothing,
                reason=f"{named(best.cause)} is at fault, which moving or holding tasks would not mend.",
            )


def _doubt(best: Hypothesis) -> str:
    if not best.cause:
        return "The cause is unknown."
    told = named(best.cause)
    if best.p_value > MAXIMUM_P:
        return f"{told} may be at fault, but chance is not excluded (p = {best.p_value:.2g})."
    if best.confidence < MINIMUM_CONFIDENCE:
        return (
            f"{told} may be at fault, with confidence {best.confidence:.2f} only. {best.next_check}"
        )
    return ""


def _no_fault(best: Hypothesis, members: Collection[Alarm]) -> str:
    told = sorted({alarm.series.name for alarm in members} - {SILENCE})
    what = f"is told by {', '.join(told)} alone" if told else "stopped reporting"
    return f"{named(best.cause)} {what}, which does not say that its work fails."


def _quarantine(
    nothing: Response,
    best: Hypothesis,
    policy: ResponsePolicy,
    tasks: int,
    own: Sequence[Alarm],
) -> Response:
    matching = tuple(spec.name for spec in policy.clusters if _has(spec, best.cause))
    told = named(best.cause)
    if not matching:
        return replace(nothing, reason=f"No configured cluster has {told}.")
    left = [
        spec.name
        for spec in policy.clusters
        if spec.name not in matching and spec.name not in policy.unavailable
    ]
    if not left:
        return replace(
            nothing, reason=f"{told} is at fault, but without it no cluster would be left."
        )
    return replace(
        nothing,
        action=ResponseAction.QUARANTINE,
        clusters=matching,
        reason=(
            f"{told} is at fault: {_evidence(best, tasks, own)} (p = {best.p_value:.1g}, confidence "
            f"{best.confidence:.2f})."
        ),
    )


def _evidence(best: Hypothesis, tasks: int, own: Sequence[Alarm]) -> str:
    parts = []
    if own:
        values = sorted(f"{one.series.name} {one.value:.4g} for {one.expected:.4g}" for one in own)
        parts.append(f"its own metrics are in alarm, {', '.join(values[:_METRICS_TOLD])}")
    if tasks:
        parts.append(f"{best.precision:.0%} of the executions there are in alarm, on {tasks} tasks")
    return "; ".join(parts)


def _has(spec: ClusterSpec, cause: Mapping[str, str]) -> bool:
    """Whether a cluster has the infrastructure part of a cause."""
    properties = {"cluster": spec.name, "provider": spec.provider, "region": spec.region}
    asked = {name: value for name, value in cause.items() if name in properties}
    return bool(asked) and all(properties[name] == value for name, value in asked.items())


def _hold(
    nothing: Response,
    best: Hypothesis,
    policy: ResponsePolicy,
    alarmed_on: frozenset[str],
    shared: Mapping[str, str],
) -> Response:
    known = {**shared, **best.cause}
    if "task" not in known:
        return replace(nothing, reason=f"{named(best.cause)} is at fault, which is no single task.")
    needed = max(2, min(policy.hold_after_clusters, len(policy.clusters)))
    if len(alarmed_on) < needed:
        return replace(
            nothing,
            reason=(
                f"{named(best.cause)} is at fault, but was seen on {len(alarmed_on)} clusters "
                f"only; {needed} are needed to hold it."
            ),
        )
    return replace(
        nothing,
        action=ResponseAction.HOLD_TASK,
        task=TaskKey(known.get("dag", "default"), known["task"]),
        reason=f"{named(best.cause)} is at fault on {', '.join(sorted(alarmed_on))} alike.",
    )


def renewed(previous: Response | None, decided: Response, *, fresh: bool) -> Response:
    """
    What holds, given what was decided before.

    Args:
        previous: The response in force so far.
        decided: What the evidence says now.
        fresh: Whether there is evidence from after the end of *previous*.

    Returns:
        The previous response where it still says the same, was released by a person, or lapsed
        without new evidence; else the new one, with a new id where it starts anew.
    """
    if previous is None or previous.action is ResponseAction.NOTHING:
        return decided
    lapsed = decided.starts_at >= previous.expires_at
    # What was proven once lasts until it lapses or a person releases it.
    settled = decided.action is ResponseAction.NOTHING or previous.released_at is not None
    if settled or (lapsed and not fresh):
        return previous
    if lapsed or (decided.action, decided.task) != (previous.action, previous.task):
        return replace(decided, id=_next_id(previous.id))
    # What was renewed is kept for those that failed their probe, and no others.
    if previous.renewals or (decided.clusters, decided.data_of) == (
        previous.clusters,
        previous.data_of,
    ):
        return previous
    return replace(decided, id=previous.id, starts_at=previous.starts_at)


def _first_id(super_alarm: SuperAlarm) -> str:
    """What ended with a super-alarm stays ended, so that its return is answered under another id."""
    again = f"r{super_alarm.reopened}" if super_alarm.reopened else ""
    return f"response-{super_alarm.id.removeprefix('super-')}{again}"


def _next_id(response_id: str) -> str:
    """``response-4f2a`` → ``response-4f2a-2`` → ``response-4f2a-3``."""
    stem, _, number = response_id.removeprefix("response-").partition("-")
    return f"response-{stem}-{int(number or 1) + 1}"
