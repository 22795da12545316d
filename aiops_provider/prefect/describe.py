"""What a flow run is called in our history, and what its author said about it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from aiops_provider.control.argument_facts import facts_of, whole_input
from aiops_provider.control.file_sizes import FileSizes
from aiops_provider.domain.input_facts import InputFacts
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.workload import (
    TASK_DESCRIPTION,
    Generic,
    TaskDescription,
    with_requested_memory,
)
from aiops_provider.errors import DescriptionError
from aiops_provider.prefect.configuration import AiopsJobConfiguration
from aiops_provider.prefect.requested_memory import requested_memory_gib

PARAMETER = "aiops"
_FILE_SIZES = FileSizes()

log = logging.getLogger(__name__)


def task_key(configuration: AiopsJobConfiguration) -> TaskKey:
    """Flow name and deployment name; a run without a deployment goes under its flow's name."""
    flow = configuration.flow_name or "flow"
    return TaskKey(flow, configuration.deployment_name or flow)


def describe(
    configuration: AiopsJobConfiguration, parameters: Mapping[str, Any]
) -> TaskDescription | None:
    """
    The description of a flow run, or ``None``; one that cannot be used is left out with a warning.

    Args:
        configuration: Its job variables: ``task`` holds a description, ``cluster`` pins one, and
            what is asked of a stock worker's infrastructure is evidence of what it needs.
        parameters: Its parameters: ``aiops`` may hold a description that depends on the run.
    """
    description = None
    for source, said in (
        (f"parameters.{PARAMETER}", parameters.get(PARAMETER)),
        ("job_variables.task", configuration.task),
    ):
        if said is None or description is not None:
            continue
        try:
            description = read_description(said, field=source)
        except DescriptionError as error:
            log.warning("%s is placed without it: %s", task_key(configuration), error)
    description = with_requested_memory(description, requested_memory_gib(configuration.values))
    if configuration.cluster is None:
        return description
    return (description or Generic()).model_copy(update={"cluster": configuration.cluster})


def flow_inputs(parameters: Mapping[str, Any], description: TaskDescription | None) -> InputFacts:
    """
    What the parameters of a flow run tell of its input.

    Args:
        parameters: Of the flow run.
        description: May say which parameter tells the size.
    """
    given = {name: value for name, value in parameters.items() if name != PARAMETER}
    try:
        return facts_of(given, description, file_sizes=_FILE_SIZES)
    except Exception:
        # Facts are a help, never a condition: the run is placed as one of any input.
        log.warning("Nothing is known of the input of a flow run", exc_info=True)
        return ()


def known_flow(inputs: InputFacts) -> Generic | None:
    """A flow of which nothing is known but the size of its input; ``None`` without that."""
    gib, rows = whole_input(inputs)
    return Generic(input_gib=gib, input_rows=rows) if gib or rows else None


def read_description(said: object, *, field: str) -> TaskDescription:
    """
    A description as it travels in JSON; without ``kind`` it is a generic task.

    Raises:
        DescriptionError: If it cannot be used.
    """
    if isinstance(said, Mapping):
        said = {"kind": "generic", **said}
    try:
        return TASK_DESCRIPTION.validate_python(said)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in (field, *first["loc"]))
        raise DescriptionError(
            first["msg"],
            field=where,
            value=first.get("input"),
            mend="See the fields of aiops_provider.Etl, Training, Serving and Generic",
        ) from error
