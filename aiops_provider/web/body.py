"""
Reads the bodies of requests: after the token was checked, within a limit, with helpful errors.

FastAPI would read and parse a body before any dependency runs, so that strangers could make the
server work; routes therefore take the body by :func:`read_body`.
"""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.json_schema import models_json_schema

from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.kpi import KpiSample
from aiops_provider.errors import DataError

# A batch of the largest permitted size (10 000 samples) is about 5 MiB.
MAX_BODY_BYTES = 32 * 1024**2

_REF = "#/components/schemas/{model}"


class _Body(BaseModel):
    # The dataclasses inside take this over: a misspelt field is refused, not dropped.
    model_config = ConfigDict(extra="forbid")


class SamplesBody(_Body):
    """KPI samples; stored all or not at all."""

    samples: list[KpiSample]


class ExecutionsBody(_Body):
    """Finished tries; stored all or not at all."""

    records: list[ExecutionRecord]


_Model = TypeVar("_Model", bound=BaseModel)


class BodyTooLargeError(DataError):
    """The request is too large."""


async def read_body(request: Request, model: type[_Model]) -> _Model:
    """
    Read and check the body of a request.

    Raises:
        BodyTooLargeError: It is larger than the limit; the rest is not read.
        DataError: It is not JSON, or not what the model describes.
    """
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            raise BodyTooLargeError(
                f"is larger than {MAX_BODY_BYTES // 1024**2} MiB",
                field="body",
                mend="Send smaller batches.",
            )
    try:
        return model.model_validate_json(bytes(raw))
    except ValidationError as error:
        raise _explained(error) from error


def body_schema(model: type[BaseModel]) -> dict[str, Any]:
    """What OpenAPI says about a body that is read by :func:`read_body`."""
    reference = {"$ref": _REF.format(model=model.__name__)}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": reference}}}
    }


def document_bodies(app: FastAPI) -> None:
    """Add the schemas of the bodies to the application's OpenAPI document."""
    inherited = app.openapi

    def described() -> dict[str, Any]:
        document = inherited()
        _, schemas = models_json_schema(
            [(SamplesBody, "validation"), (ExecutionsBody, "validation")], ref_template=_REF
        )
        known = document.setdefault("components", {}).setdefault("schemas", {})
        for name, schema in schemas["$defs"].items():
            known.setdefault(name, schema)
        return document

    app.openapi = described  # type: ignore[method-assign]


def _explained(error: ValidationError) -> DataError:
    details = error.errors(include_url=False)
    first = details[0]
    field = ""
    for key in first["loc"]:
        field += f"[{key}]" if isinstance(key, int) else f".{key}" if field else key
    value = first["input"] if isinstance(first["input"], (str, int, float)) else None
    if isinstance(value, str):
        value = value[:60]
    more = f" ({len(details) - 1} more problems)" if len(details) > 1 else ""
    if first["type"] == "json_invalid":
        return DataError(f"is not valid JSON: {first['msg']}", field="body", mend="Mend it there.")
    return DataError(
        f"{first['msg']}{more}", field=field or "body", value=value, mend="See /openapi.json."
    )
