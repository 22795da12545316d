"""
A task description in a YAML file: one ``TaskDescription`` and the name of its task.

::

    task: medical/train      # namespace/name: DAG id and task id, or flow and deployment
    kind: training           # etl, feature_engineering, training, serving or generic
    dataset: {rows: 50000, format: parquet}
    sla: {deadline_s: 3600}
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from aiops_provider.catalog.catalog import Catalog
from aiops_provider.control.description_checks import check_description
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.workload import (
    TASK_DESCRIPTION,
    Etl,
    FeatureEngineering,
    Generic,
    Serving,
    TaskDescription,
    Training,
)
from aiops_provider.errors import ConfigurationError, DescriptionError
from aiops_provider.profiling.cron import CronError, parse_cron
from aiops_provider.settings.explain import did_you_mean
from aiops_provider.settings.problem import Location, field_name
from aiops_provider.settings.yaml_source import YamlSource, read_yaml, read_yaml_items

_KINDS: dict[str, type[BaseModel]] = {
    model.model_fields["kind"].default: model
    for model in (Etl, FeatureEngineering, Training, Serving, Generic)
}
_MOST_CHARACTERS = 60
_START = "Write `task: namespace/name`, `kind: …` and what is known about the task."


def read_task_file(path: Path, catalog: Catalog | None = None) -> tuple[TaskKey, TaskDescription]:
    """
    Read and check a task file.

    Args:
        path: YAML, see above.
        catalog: Knows accelerators and regions; default: the one that the package brings.

    Returns:
        The task and what is said about it.

    Raises:
        DescriptionError: The first problem, with file, line, field, value and mend.
    """
    try:
        source = read_yaml(path)
    except ConfigurationError as error:
        raise _about_tasks(error) from error
    return _read(source, catalog or Catalog.embedded())


def read_task_list(
    path: Path, catalog: Catalog | None = None
) -> list[tuple[TaskKey, TaskDescription]]:
    """
    Read and check a file with a list of such mappings.

    Args:
        path: YAML; a single mapping counts as a list of one.
        catalog: As above.

    Returns:
        Each task, once, and what is said about it, in the order of the file.

    Raises:
        DescriptionError: The first problem, with file, line, field, value and mend.
    """
    try:
        sources = read_yaml_items(path)
    except ConfigurationError as error:
        raise _about_tasks(error) from error
    known = catalog or Catalog.embedded()
    found: dict[TaskKey, TaskDescription] = {}
    for source in sources:
        task, description = _read(source, known)
        if task in found:
            raise _problem(
                source,
                ("task",),
                "this task is described twice",
                value=str(task),
                mend="Keep one of the two descriptions.",
            )
        found[task] = description
    if not found:
        raise DescriptionError("describes no task", file=str(path), mend=_START)
    return list(found.items())


def _about_tasks(error: ConfigurationError) -> DescriptionError:
    """Read as YAML like a configuration; only what is said about its content differs."""
    empty = error.problem.endswith("not settings")
    return DescriptionError(
        error.problem.replace("not settings", "not a task description"),
        field=error.field,
        file=error.file,
        line=error.line,
        mend=_START if empty else error.mend,
    )


def _read(source: YamlSource, catalog: Catalog) -> tuple[TaskKey, TaskDescription]:
    said = dict(source.data)
    task = _task(said.pop("task", None), source)
    if not isinstance(said.get("kind"), str) or said["kind"] not in _KINDS:
        raise _problem(
            source,
            ("kind",),
            "is none of the kinds of task" if "kind" in said else "is missing",
            value=_shown(said.get("kind")),
            mend=f"Write one of {', '.join(_KINDS)}.",
        )
    try:
        description = TASK_DESCRIPTION.validate_python(said)
    except ValidationError as error:
        raise _explained(error.errors(include_url=False)[0], said["kind"], source) from error
    _check_cron(description, source)
    try:
        check_description(description, catalog)
    except DescriptionError as error:
        field = tuple((error.field or "").split("."))
        raise _problem(
            source, field, error.problem, value=error.value, mend=error.mend or ""
        ) from error
    return task, description


def _task(name: Any, source: YamlSource) -> TaskKey:
    mend = "Write `task: namespace/name`: DAG id and task id, or flow and deployment name."
    if name is None:
        raise _problem(source, ("task",), "is missing", mend=mend)
    namespace, slash, rest = str(name).partition("/")
    if not isinstance(name, str) or not slash or not namespace.strip() or not rest.strip():
        raise _problem(source, ("task",), "is no task", value=_shown(name), mend=mend)
    return TaskKey(namespace.strip(), rest.strip())


def _check_cron(description: TaskDescription, source: YamlSource) -> None:
    cadence = description.cadence
    if cadence is None or cadence.cron is None:
        return
    try:
        parse_cron(cadence.cron)
    except CronError as error:
        raise _problem(
            source,
            ("cadence", "cron"),
            str(error),
            value=cadence.cron,
            mend="Write five fields, such as `30 6 * * mon-fri`; times are UTC.",
        ) from error


def _explained(detail: ErrorDetails, kind: str, source: YamlSource) -> DescriptionError:
    # The first element is the tag that chose the kind, no key of the file.
    location: Location = tuple(key for key in detail["loc"][1:] if not isinstance(key, str) or key)
    model = _model_at(_KINDS[kind], location)
    if detail["type"] == "extra_forbidden":
        mend = did_you_mean(
            str(location[-1]), [*model.model_fields, *(["task"] if len(location) == 1 else [])]
        )
        return _problem(source, location, "unknown key", mend=mend)
    field = model.model_fields.get(str(location[-1])) if location else None
    meaning = field.description if field is not None and field.description else ""
    message = detail["msg"].removeprefix("Value error, ")
    value = _shown(detail["input"])
    return _problem(
        source,
        location,
        message if isinstance(detail["input"], dict) else message[:1].lower() + message[1:],
        value=value,
        mend=f"It stands for: {meaning}" if meaning else "Correct it.",
    )


def _problem(
    source: YamlSource, location: Location, problem: str, *, value: object = None, mend: str
) -> DescriptionError:
    return DescriptionError(
        problem,
        field=field_name(location) or None,
        value=value,
        mend=mend,
        file=source.file,
        line=source.line_of(location),
    )


def _model_at(model: type[BaseModel], location: Location) -> type[BaseModel]:
    """The model that holds the last key of a location."""
    for key in location[:-1]:
        field = model.model_fields.get(str(key))
        inner = _model_in(field.annotation) if field is not None else None
        model = inner or model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _shown(value: object) -> object:
    if not isinstance(value, (str, int, float)):
        return None
    if isinstance(value, str) and len(value) > _MOST_CHARACTERS:
        return value[:_MOST_CHARACTERS] + "…"
    return value
