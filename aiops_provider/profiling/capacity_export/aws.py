"""
AWS: scheduled actions that move the floor, and a target-tracking policy that reacts above it.

As keyword arguments of boto3. Only the minimum is moved: a group below it is scaled out at once, and
when the minimum falls target tracking decides when to scale in. That is what AWS' predictive scaling
does not do, and it leaves the maximum to whoever pays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiops_provider.errors import DataError
from aiops_provider.profiling.capacity_export.recurrence import Change, changes_of
from aiops_provider.profiling.capacity_schedule import CapacitySchedule

# Quotas that AWS does not raise: scheduled actions per Auto Scaling group, and per scalable target.
_MOST_GROUP_ACTIONS = 125
_MOST_TARGET_ACTIONS = 200
_TARGETS = {
    "service": ("ecs", "ecs:service:DesiredCount"),
    "endpoint": ("sagemaker", "sagemaker:variant:DesiredInstanceCount"),
}
_DAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


def group_actions(schedule: CapacitySchedule, *, group: str) -> list[dict[str, Any]]:
    """
    ``autoscaling.put_scheduled_update_group_action`` per change of an EC2 Auto Scaling group.

    Raises:
        DataError: More changes than a group may have, or no name.
    """
    _check("group", group)
    return [
        {
            "AutoScalingGroupName": group,
            "ScheduledActionName": _name(change),
            "Recurrence": change.cron,
            "TimeZone": schedule.policy.timezone,
            "MinSize": change.instances,
            **_most(schedule, "MaxSize"),
        }
        for change in _changes(schedule, _MOST_GROUP_ACTIONS)
    ]


def group_reaction(schedule: CapacitySchedule, *, group: str) -> dict[str, Any]:
    """``autoscaling.put_scaling_policy``: target tracking of the mean CPU use."""
    return {
        "AutoScalingGroupName": group,
        "PolicyName": "aiops-reaction",
        "PolicyType": "TargetTrackingScaling",
        "EstimatedInstanceWarmup": round(schedule.policy.cold_start_s),
        "TargetTrackingConfiguration": {
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ASGAverageCPUUtilization"},
            "TargetValue": round(100 * schedule.reaction.target_utilisation, 1),
        },
    }


def service_actions(schedule: CapacitySchedule, *, resource: str) -> list[dict[str, Any]]:
    """
    ``application-autoscaling.put_scheduled_action`` per change, for ECS and SageMaker.

    Args:
        schedule: What to run.
        resource: ``service/<cluster>/<service>`` or ``endpoint/<name>/variant/<variant>``.

    Raises:
        DataError: More changes than a target may have, or another resource.
    """
    namespace, dimension = _target(resource)
    return [
        {
            "ServiceNamespace": namespace,
            "ResourceId": resource,
            "ScalableDimension": dimension,
            "ScheduledActionName": _name(change),
            "Schedule": _six_fields(change),
            "Timezone": schedule.policy.timezone,
            "ScalableTargetAction": {
                "MinCapacity": change.instances,
                **_most(schedule, "MaxCapacity"),
            },
        }
        for change in _changes(schedule, _MOST_TARGET_ACTIONS)
    ]


def is_service(name: str) -> bool:
    """Whether a name is a resource of Application Auto Scaling rather than a group of EC2."""
    return name.startswith(tuple(f"{kind}/" for kind in _TARGETS))


def _target(resource: str) -> tuple[str, str]:
    kind, _, rest = resource.partition("/")
    if kind not in _TARGETS or not rest or not resource.isprintable():
        raise DataError(
            "is no resource that is scaled by a schedule here",
            field="resource",
            value=resource,
            mend="Write service/<cluster>/<service> or endpoint/<name>/variant/<variant>",
        )
    return _TARGETS[kind]


def _most(schedule: CapacitySchedule, name: str) -> dict[str, int]:
    return {} if schedule.policy.maximum is None else {name: schedule.policy.maximum}


def _changes(schedule: CapacitySchedule, most: int) -> Sequence[Change]:
    changes = changes_of(schedule)
    if len(changes) > most:
        raise DataError(
            f"needs {len(changes)} scheduled actions, and AWS takes {most}",
            field="schedule",
            mend="Use longer slots (slot_s) or a higher change_cost_hours",
        )
    return changes


def _name(change: Change) -> str:
    # Application Auto Scaling forbids colons, bars and slashes in names.
    days = "-".join(_DAYS[day] for day in change.weekdays).lower()
    hour, minute = divmod(change.minute, 60)
    return f"aiops-{hour:02d}{minute:02d}-{days}-{change.instances}"


def _six_fields(change: Change) -> str:
    """AWS' own cron: six fields, ``?`` for the day of the month, days by name."""
    days = "*" if len(change.weekdays) == 7 else ",".join(_DAYS[d] for d in change.weekdays)
    return f"cron({change.minute % 60} {change.minute // 60} ? * {days} *)"


def _check(field: str, name: str) -> None:
    if not name.strip() or not name.isprintable():
        raise DataError("is no name", field=field, value=name, mend="Name what AWS lists")
