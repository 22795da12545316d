"""Writes docs/configuration.md from the settings themselves: `python docs/render_configuration.py`."""

from __future__ import annotations

import enum
import types
import typing
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from aiops_provider.settings.schema import Settings

PAGE = Path(__file__).with_name("configuration.md")

_NAMES = {
    "str": "text",
    "float": "number",
    "int": "whole number",
    "bool": "`true` or `false`",
    "SecretStr": "secret",
}

HEAD = """# aiops.yaml

Found by `AIOPS_CONFIG`, by `[aiops] config_file` of Airflow, or in the working directory; without it
the defaults below hold. Every key can be overridden by an environment variable:
`AIOPS__DETECTION__PERIOD_S=30` sets `period_s` under `detection`. `aiops config check FILE` checks a file and
names line, field, value and mend; `aiops config schema` prints its JSON Schema for your editor.

A key that is not listed here is refused, so that a misspelt one is never ignored.
"""


def render() -> str:
    """The whole page."""
    sections: list[tuple[str, type[BaseModel]]] = [("", Settings)]
    lines = [HEAD]
    for path, model in sections:
        lines += [
            f"\n## {path or 'Top level'}\n",
            "| key | type | default | meaning |",
            "|---|---|---|---|",
        ]
        for name, field in model.model_fields.items():
            inner = _model_in(field.annotation)
            where = f"{path}.{name}" if path else name
            if inner is not None:
                place = f"{where}[]" if "tuple" in str(field.annotation) else where
                sections.append((place, inner))
            lines.append(_row(name, field, inner, where))
    return "\n".join(lines) + "\n"


def _row(name: str, field: FieldInfo, inner: type[BaseModel] | None, where: str) -> str:
    default = "required" if field.is_required() else _default(field, inner)
    meaning = field.description or (f"see [{where}](#{_anchor(where, field)})" if inner else "")
    return f"| `{name}` | {_type(field.annotation)} | {default} | {meaning} |"


def _anchor(where: str, field: FieldInfo) -> str:
    place = f"{where}[]" if "tuple" in str(field.annotation) else where
    return "".join(letter for letter in place.lower() if letter.isalnum() or letter == "_")


def _default(field: FieldInfo, inner: type[BaseModel] | None) -> str:
    value = field.get_default(call_default_factory=True)
    if inner is not None or value in (None, (), {}):
        return ""
    return f"`{value.value if isinstance(value, enum.Enum) else value}`"


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_in(argument) for argument in typing.get_args(annotation))
    return next((model for model in inner if model is not None), None)


def _type(annotation: object) -> str:
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return ", ".join(f"`{member.value}`" for member in annotation)
    if _model_in(annotation) is not None:
        return "list" if "tuple" in str(annotation) else "section"
    if typing.get_origin(annotation) is None:
        return _NAMES.get(getattr(annotation, "__name__", ""), "anything")
    return _composed(typing.get_origin(annotation), typing.get_args(annotation))


def _composed(origin: object, arguments: tuple[object, ...]) -> str:
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin is typing.Literal:
        return ", ".join(f"`{argument}`" for argument in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(each) for each in arguments if each is not type(None))
    return f"map to {_type(arguments[1])}" if origin is dict else f"list of {_type(arguments[0])}"


if __name__ == "__main__":
    PAGE.write_text(render(), encoding="utf-8")
