"""Turns what pydantic says about a value into what its author can do: file, line, field, mend."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from aiops_provider.errors import ConfigurationError
from aiops_provider.settings.cluster_schema import ClusterSettings
from aiops_provider.settings.environment import source_name
from aiops_provider.settings.problem import Location, SettingError, field_name
from aiops_provider.settings.schema import Settings
from aiops_provider.settings.yaml_source import YamlSource

# Longer values are cut: the message must stay readable, the line number leads to the rest.
_MAX_VALUE_CHARACTERS = 60

_BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the settings came from: a file, the environment, both or neither."""

    file: YamlSource | None
    variables: Mapping[Location, str]

    def place(self, location: Location) -> tuple[str | None, int | None]:
        """File (or variable) and line of a setting; of its section when it is not there."""
        for length in range(len(location), 0, -1):
            variable = self.variables.get(location[:length])
            if variable is not None:
                return source_name(variable), None
        if self.file is not None and location in self.file.lines:
            return self.file.file, self.file.lines[location]
        for inner, variable in self.variables.items():
            if inner[: len(location)] == location:  # the section exists by the variable alone
                return source_name(variable), None
        if self.file is None:
            return None, None
        return self.file.file, self.file.line_of(location)


def explain(error: ErrorDetails, origin: Origin) -> ConfigurationError:
    """One error of the schema as a message that its author can act on."""
    location: Location = tuple(error["loc"])
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, SettingError):
        return explain_problem(cause, origin, inside=location)
    model, field = _schema_at(location)
    problem, value, mend = _translated(error, location, model, field)
    file, line = origin.place(location)
    return ConfigurationError(
        problem, field=field_name(location), value=value, mend=mend, file=file, line=line
    )


def explain_problem(
    problem: SettingError, origin: Origin, *, inside: Location = ()
) -> ConfigurationError:
    """A problem that one of our own checks found, with its file and line."""
    location = (*inside, *problem.at)
    file, line = origin.place(location)
    return ConfigurationError(
        problem.problem,
        field=field_name(location) or None,
        value=problem.value,
        mend=problem.mend,
        file=file,
        line=line,
    )


def did_you_mean(word: str, known: list[str]) -> str:
    """
    A suggestion for a word that is none of the known ones.

    >>> did_you_mean("celary", ["celery", "local"])
    "Did you mean 'celery'?"
    >>> did_you_mean("x", ["celery", "local"])
    'Known: celery, local.'
    """
    close = get_close_matches(word, known, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(sorted(known))}."


_NO_MAPPING = frozenset({"model_type", "model_attributes_type", "dict_type"})


def _translated(
    error: ErrorDetails, location: Location, model: type[BaseModel], field: FieldInfo | None
) -> tuple[str, object, str]:
    if error["type"] == "extra_forbidden":
        # The value is not shown: it may be a secret under a misspelt name.
        mend = did_you_mean(str(location[-1]), list(model.model_fields))
        if model is ClusterSettings:
            mend += " Keys that only its kind understands stand under `options`."
        return "unknown key", None, mend
    meaning = field.description if field is not None and field.description else ""
    if error["type"] == "missing":
        return "is missing", None, f"Add it: {meaning}" if meaning else "Add it."
    problem = re.sub(
        r"^(Value error, |(Input|String|List|Dictionary) (?=should))", "", error["msg"]
    )
    value = None if field is not None and _is_secret(field) else _shown(error["input"])
    if error["type"] in _NO_MAPPING:
        inner = _model_in(field.annotation) if field is not None else None
        keys = f" with keys such as {', '.join(list(inner.model_fields)[:3])}" if inner else ""
        return (
            "is no mapping",
            value,
            f"Write a mapping{keys}: {meaning}" if meaning else "Write one.",
        )
    return problem, value, _mend(error, meaning)


def _mend(error: ErrorDetails, meaning: str) -> str:
    context = error.get("ctx", {})
    if error["type"] in {"enum", "literal_error"} and isinstance(error["input"], str):
        words = context.get("expected", "").replace(" or ", ", ").split(", ")
        return did_you_mean(error["input"], [word.strip("'") for word in words])
    bound = next((name for name in _BOUNDS if name in context), None)
    if bound is not None:
        limit = f"Write a number {_BOUNDS[bound]} {context[bound]:g}"
        return f"{limit}: {meaning}" if meaning else f"{limit}."
    return f"It stands for: {meaning}" if meaning else "Correct it."


def _schema_at(location: Location) -> tuple[type[BaseModel], FieldInfo | None]:
    model: type[BaseModel] = Settings
    field: FieldInfo | None = None
    for key in location:
        if isinstance(key, int):
            continue
        inner = _model_in(field.annotation) if field is not None else model
        if inner is None:
            return model, field  # a key inside a plain dictionary
        model, field = inner, inner.model_fields.get(key)
        if field is None:
            break
    return model, field


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation)


def _shown(value: object) -> object:
    if not isinstance(value, (str, int, float)):
        return None
    if isinstance(value, str) and len(value) > _MAX_VALUE_CHARACTERS:
        return value[:_MAX_VALUE_CHARACTERS] + "…"
    return value
