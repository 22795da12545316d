"""What an Airflow author says about a task travels in its ``executor_config``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from aiops_provider.domain.workload import TASK_DESCRIPTION, TaskDescription
from aiops_provider.errors import DescriptionError

EXECUTOR_CONFIG_KEY = "aiops"


def describe(description: TaskDescription, **executor_config: Any) -> dict[str, Any]:
    """
    Describe a task to the layer: ``@task(executor_config=describe(Training(...)))``.

    Args:
        description: What the task does; unknown figures are left out.
        **executor_config: Anything else that belongs into the task's ``executor_config``.

    >>> from aiops_provider import Generic
    >>> describe(Generic(memory_gib=2))
    {'aiops': {'kind': 'generic', 'memory_gib': 2.0}}
    """
    said = description.model_dump(mode="json", exclude_defaults=True)
    return {**executor_config, EXECUTOR_CONFIG_KEY: {"kind": description.kind, **said}}


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
        said = {"kind": "generic", **said}
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
