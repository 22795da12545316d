"""Domain objects as JSON text and back, without losing a digit, an infinity or a time zone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from aiops_provider.errors import DataError, StoreError
from aiops_provider.store.columns import refuse_naive

T = TypeVar("T")


def encode(value: Any) -> str:
    """
    Write a domain object, or anything that JSON can express.

    Moments are written in UTC. Infinity and NaN are written as Python and pydantic read them. What
    is no valid Unicode – a log line in an unknown encoding – is replaced by question marks, because
    neither database could give it back.

    Raises:
        DataError: If something inside cannot be written, or is a moment without time zone.

    >>> encode({"b": 1.5})
    '{"b":1.5}'
    """
    text = exact(value)
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")


def encode_natively(value: Any) -> str:
    """
    As :func:`encode`, by pydantic's own serializer in half the time; moments keep their zone.

    For what a scheduler writes for each task. It is asked only for what the domain itself has made:
    moments with a time zone, and no sets, whose order would be by chance.

    Raises:
        DataError: As for that.
    """
    try:
        return to_json(value, inf_nan_mode="constants", fallback=_plain).decode()
    except PydanticSerializationError:  # no valid Unicode, or what is no JSON, which that one tells
        return encode(value)


def exact(value: Any) -> str:
    """
    As :func:`encode`, but what is no valid Unicode is left to the database to refuse.

    Raises:
        DataError: As for that.
    """
    try:
        return _encoder.encode(value)
    except TypeError as error:
        raise DataError(f"this cannot be stored as JSON: {error}") from error


_names: dict[type[Any], tuple[str, ...]] = {}


def _field_names(kind: type[Any]) -> tuple[str, ...]:
    if kind not in _names:
        _names[kind] = tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()
    return _names[kind]


def _plain(value: Any) -> Any:
    names = _field_names(type(value))
    if names:
        return {name: getattr(value, name) for name in names}
    if isinstance(value, datetime):
        refuse_naive(value)
        return value.astimezone(UTC).isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    # The engines compute with numpy; its integers are none of Python's.
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} is no JSON")


_encoder = json.JSONEncoder(default=_plain, ensure_ascii=False, separators=(",", ":"))

_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    # Building one costs milliseconds. Two threads may build the same: the last one stays.
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def decode(kind: type[T], text: str) -> T:
    """
    Read a domain object.

    Fields that this version does not know are left out, those that it added take their default.

    Raises:
        StoreError: If the text was written by an incompatible version or by other hands.

    >>> from aiops_provider.domain.task import TaskKey
    >>> decode(TaskKey, '{"namespace": "medical", "name": "train"}')
    TaskKey(namespace='medical', name='train')
    """
    try:
        return _adapter(kind).validate_json(text)
    except ValidationError as error:
        raise StoreError(
            f"A stored {kind.__name__} cannot be read: {error.errors()[0]['msg']}. "
            "Was it written by another version of aiops-provider?"
        ) from error
