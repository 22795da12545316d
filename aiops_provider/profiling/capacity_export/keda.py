"""
KEDA: a ``ScaledObject`` with one cron trigger per recurring window and one on utilisation.

KEDA hands all triggers to one HorizontalPodAutoscaler, which takes the largest answer: the schedule
is the floor, the utilisation the reaction. The least level of the week is ``minReplicaCount``, for
outside its window a cron trigger asks for one replica only (KEDA 2.17, ``scalers/cron``).
"""

from __future__ import annotations

from typing import Any

from aiops_provider.profiling.capacity_export.kubernetes import (
    behaviour,
    kubernetes_name,
    most_replicas,
    percent,
)
from aiops_provider.profiling.capacity_export.recurrence import cron_of, windows_of
from aiops_provider.profiling.capacity_schedule import CapacitySchedule


def scaled_object(schedule: CapacitySchedule, *, name: str, namespace: str) -> dict[str, Any]:
    """
    The manifest, for a Deployment of the same name.

    Args:
        schedule: What to run.
        name: Of the Deployment, a DNS label.
        namespace: Of the Deployment, a DNS label.

    Raises:
        DataError: A name that Kubernetes would refuse.
    """
    kubernetes_name("name", name)
    kubernetes_name("namespace", namespace)
    zone = schedule.policy.timezone
    triggers: list[dict[str, Any]] = [
        {
            "type": "cron",
            "metadata": {
                "timezone": zone,
                "start": cron_of(window.start_minute, window.start_weekdays),
                "end": cron_of(window.end_minute, window.end_weekdays),
                "desiredReplicas": str(window.instances),
            },
        }
        for window in windows_of(schedule)
    ]
    reaction = {
        "type": "cpu",
        "metricType": "Utilization",
        "metadata": {"value": str(percent(schedule.reaction.target_utilisation))},
    }
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "scaleTargetRef": {"name": name},
            "minReplicaCount": schedule.smallest,
            "maxReplicaCount": most_replicas(schedule),
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": behaviour(schedule)}},
            "triggers": [*triggers, reaction],
        },
    }
