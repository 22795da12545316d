"""Google's own description of its Batch API, to which what clients send is held."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any


def description() -> dict[str, Any]:
    """The discovery document of batch.v1, as it lies in the wheel of google-api-python-client."""
    documents = files("googleapiclient.discovery_cache") / "documents"
    return json.loads((documents / "batch.v1.json").read_text())


def mistakes(schemas: Mapping[str, Any], name: str, value: Any) -> list[str]:
    """What in a value is not as the schema of that name has it; the path of each."""
    return list(_mistakes(schemas, {"$ref": name}, value, name))


def _mistakes(
    schemas: Mapping[str, Any], schema: Mapping[str, Any], value: Any, path: str
) -> Iterator[str]:
    if "$ref" in schema:
        schema = schemas[schema["$ref"]]
    if schema.get("type") == "object":
        yield from _mistakes_of_object(schemas, schema, value, path)
    elif schema.get("type") == "array":
        if not isinstance(value, list):
            yield f"{path}: is no list"
            return
        for at, each in enumerate(value):
            yield from _mistakes(schemas, schema["items"], each, f"{path}[{at}]")
    else:
        yield from _mistake_of_scalar(schema, value, path)


def _mistake_of_scalar(schema: Mapping[str, Any], value: Any, path: str) -> Iterator[str]:
    kind = schema.get("type")
    if kind == "boolean":
        right = isinstance(value, bool)
    elif kind == "integer" or schema.get("format") in ("int64", "int32"):
        right = not isinstance(value, bool) and str(value).lstrip("-").isdigit()
    elif "enum" in schema:
        # The SDK asks for numbers in both directions; the description has names alone.
        right = value in schema["enum"] or isinstance(value, int)
    else:
        right = kind != "string" or isinstance(value, str)
    if not right:
        yield f"{path}: {value!r} is no {schema.get('format') or schema.get('enum') or kind}"


def _mistakes_of_object(
    schemas: Mapping[str, Any], schema: Mapping[str, Any], value: Any, path: str
) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: is no object"
        return
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    for key, each in value.items():
        if key in known:
            yield from _mistakes(schemas, known[key], each, f"{path}.{key}")
        elif others is not None:
            yield from _mistakes(schemas, others, each, f"{path}.{key}")
        else:
            yield f"{path}.{key}: there is no such field"
