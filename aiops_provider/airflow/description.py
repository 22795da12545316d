"""What an Airflow author says about a task travels in its ``executor_config``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import ValidationError

from aiops_provider.domain.workload import TASK_DESCRIPTION, Generic, TaskDescription
from aiops_provider.errors import DescriptionError
from aiops_provider.telemetry.returned import KpiDeclaration, KpiSource, parse_kpis

EXECUTOR_CONFIG_KEY = "aiops"
_KPIS = "kpis"


def describe(
    description: TaskDescription | None = None,
    *,
    cluster: str | None = None,
    kpis: KpiDeclaration | None = None,
    **executor_config: Any,
) -> dict[str, Any]:
    """
    Describe a task to the layer: ``@task(executor_config=describe(Training(...)))``.

    Args:
        description: What the task does; unknown figures are left out. Without one the task is
            learned from its runs: ``describe(cluster="onprem")`` pins it and says no more.
        cluster: Pin the task to this cluster, as the description's own ``cluster`` does.
        kpis: What of the value that it returns is a KPI: names, or a path for each name, as
            :func:`aiops_provider.telemetry.returned.parse_kpis` reads them.
        **executor_config: Anything else that belongs into the task's ``executor_config``.

    Raises:
        DescriptionError: *description* is none, *cluster* is another one than the description's, or
            *kpis* cannot be used.

    >>> from aiops_provider import Generic
    >>> describe(Generic(memory_gib=2))
    {'aiops': {'kind': 'generic', 'memory_gib': 2.0}}
    """
    description = Generic() if description is None else description
    if not isinstance(description, get_args(get_args(TaskDescription)[0])):
        raise DescriptionError(
            "is no description of a task",
            field="describe()",
            value=description,
            mend="Give one of aiops_provider.Etl, FeatureEngineering, Training, Serving, Generic",
        )
    said = description.model_dump(mode="json", exclude_defaults=True)
    if cluster is not None:
        if description.cluster not in {None, cluster}:
            raise DescriptionError(
                f"the description pins the task to {description.cluster!r} already",
                field="cluster",
                value=cluster,
                mend="Name one of them",
            )
        said["cluster"] = cluster
    if kpis is not None:
        said[_KPIS] = _plain(kpis)
    return {**executor_config, EXECUTOR_CONFIG_KEY: {"kind": description.kind, **said}}


def declared_kpis(executor_config: Mapping[str, Any] | None) -> tuple[KpiSource, ...]:
    """
    The KPIs that an ``executor_config`` declares; none without a declaration.

    Raises:
        DescriptionError: If there is one that cannot be used.
    """
    said = (executor_config or {}).get(EXECUTOR_CONFIG_KEY)
    declared = said.get(_KPIS) if isinstance(said, Mapping) else None
    return parse_kpis(declared) if declared is not None else ()


def _plain(kpis: KpiDeclaration) -> list[str] | dict[str, str]:
    """A checked declaration in a form that a DAG is serialised with."""
    if isinstance(kpis, Mapping):
        parse_kpis(kpis)
        return dict(kpis)
    return [source.name for source in parse_kpis(kpis)]


def read_description(executor_config: Mapping[str, Any] | None) -> TaskDescription | None:
    """
    The description inside an ``executor_config``, or ``None``.

    Raises:
        DescriptionError: If it is there but cannot be used.
    """
    said = (executor_config or {}).get(EXECUTOR_CONFIG_KEY)
    if said is None:
        return None
    if isinstance(said, Mapping):
        declared_kpis(executor_config)
        said = {"kind": "generic", **{k: v for k, v in said.items() if k != _KPIS}}
    try:
        return TASK_DESCRIPTION.validate_python(said)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DescriptionError(
            first["msg"],
            field=f"executor_config[{EXECUTOR_CONFIG_KEY!r}].{where}",
            value=first.get("input"),
            mend="See the fields of aiops_provider.Etl, Training, Serving and Generic",
        ) from error
