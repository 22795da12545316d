"""A capacity schedule in the language of the system that is to carry it out."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiops_provider.profiling.capacity_schedule import CapacitySchedule


class Export(StrEnum):
    """A system that scales."""

    KEDA = "keda"
    AWS = "aws"
    KUBERNETES = "kubernetes"
    PREFECT = "prefect"
    AIRFLOW = "airflow"


def export_schedule(
    schedule: CapacitySchedule, export: Export, *, target: str, namespace: str = "default"
) -> Any:
    """
    The schedule in the language of a system, as plain data.

    Args:
        schedule: What to run.
        export: For whom.
        target: Deployment, Auto Scaling group, ECS service, work pool or pool.
        namespace: Of a Deployment.

    Raises:
        DataError: A name that the system would refuse, or more changes than it takes.
    """
    from aiops_provider.profiling.capacity_export import aws, commands, keda, kubernetes

    match export:
        case Export.KEDA:
            return keda.scaled_object(schedule, name=target, namespace=namespace)
        case Export.KUBERNETES:
            return {
                "autoscaler": kubernetes.autoscaler(schedule, name=target, namespace=namespace),
                "patches": kubernetes.patches(schedule, name=target, namespace=namespace),
            }
        case Export.AWS if aws.is_service(target):
            return {"put_scheduled_action": aws.service_actions(schedule, resource=target)}
        case Export.AWS:
            return {
                "put_scheduled_update_group_action": aws.group_actions(schedule, group=target),
                "put_scaling_policy": [aws.group_reaction(schedule, group=target)],
            }
        case Export.PREFECT:
            return commands.prefect_work_pool(schedule, work_pool=target)
        case Export.AIRFLOW:
            return commands.airflow_pool(schedule, pool=target)


def export_text(exported: Any, export: Export) -> str:
    """
    The same as text that its system reads: YAML for Kubernetes, JSON for AWS, a crontab of commands.

    Args:
        exported: From :func:`export_schedule`.
        export: For whom.
    """
    import yaml

    from aiops_provider.profiling.capacity_export import commands

    match export:
        case Export.KEDA:
            return yaml.safe_dump(exported, sort_keys=False)
        case Export.KUBERNETES:
            manifest = yaml.safe_dump(exported["autoscaler"], sort_keys=False)
            lines = commands.crontab(exported["patches"]).splitlines()
            # One stream for `kubectl apply -f -`: the patches are comments in it.
            return manifest + "".join(f"# {line}\n" for line in lines)
        case Export.AWS:
            return json.dumps(exported, indent=2) + "\n"
        case Export.PREFECT | Export.AIRFLOW:
            return commands.crontab(exported)
