"""
Kubernetes without an operator: a HorizontalPodAutoscaler, and when to patch its ``minReplicas``.

The floor of an autoscaler is what platform teams move by the clock where KEDA is not installed: unlike
``kubectl scale`` it does not fight the autoscaler, which puts its own number back within 15 seconds.
The patches are commands for whatever clock the team has – Airflow, Prefect, cron, a pipeline – rather
than CronJobs, which would need an image with kubectl, a service account and a role in every namespace.
"""

from __future__ import annotations

import json
import re
from typing import Any

from aiops_provider.errors import DataError
from aiops_provider.profiling.capacity_export.commands import TimedCommand, timed_commands
from aiops_provider.profiling.capacity_schedule import CapacitySchedule

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
# Where no maximum is said the reaction may double what the forecast expects at most.
_ROOM_FOR_REACTION = 2


def autoscaler(schedule: CapacitySchedule, *, name: str, namespace: str) -> dict[str, Any]:
    """
    The HorizontalPodAutoscaler (``autoscaling/v2``) of a Deployment of the same name.

    Raises:
        DataError: A name that Kubernetes would refuse.
    """
    kubernetes_name("name", name)
    kubernetes_name("namespace", namespace)
    resource = {
        "name": "cpu",
        "target": {
            "type": "Utilization",
            "averageUtilization": percent(schedule.reaction.target_utilisation),
        },
    }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": max(1, schedule.smallest),
            "maxReplicas": most_replicas(schedule),
            "metrics": [{"type": "Resource", "resource": resource}],
            "behavior": behaviour(schedule),
        },
    }


def patches(schedule: CapacitySchedule, *, name: str, namespace: str) -> list[TimedCommand]:
    """
    The changes of its floor over the week.

    ``minReplicas`` of zero needs a feature gate that clusters rarely have, so that one stays.
    """

    def patch(instances: int) -> list[str]:
        floor = json.dumps({"spec": {"minReplicas": max(1, instances)}}, separators=(",", ":"))
        return ["kubectl", "-n", namespace, "patch", "hpa", name, "--type=merge", "-p", floor]

    return timed_commands(schedule, patch)


def behaviour(schedule: CapacitySchedule) -> dict[str, Any]:
    """Scale out at once, scale in when the demand has been lower for a while."""
    wait = round(schedule.reaction.scale_in_after_s)
    return {
        "scaleUp": {"stabilizationWindowSeconds": 0},
        # The API allows up to an hour.
        "scaleDown": {"stabilizationWindowSeconds": min(wait, 3600)},
    }


def most_replicas(schedule: CapacitySchedule) -> int:
    """The maximum that was asked for, else twice what is planned at most."""
    asked = schedule.policy.maximum
    return asked if asked is not None else max(1, _ROOM_FOR_REACTION * schedule.largest)


def percent(share: float) -> int:
    """A share as whole percent, rounded down: rather an instance more."""
    return max(1, int(100 * share))


def kubernetes_name(field: str, name: str) -> None:
    """
    Refuse what Kubernetes would refuse.

    Raises:
        DataError: It is no DNS label.
    """
    if not _DNS_LABEL.fullmatch(name):
        raise DataError(
            "is no name that Kubernetes takes",
            field=field,
            value=name,
            mend="Use lower-case letters, digits and -, at most 63, such as claims-scorer",
        )
