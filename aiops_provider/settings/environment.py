"""
Environment variables that override aiops.yaml.

``AIOPS__SERVER__PORT=9000`` is ``server: {port: 9000}``: two underscores part the keys, upper and
lower case are the same, an empty value overrides nothing. A value that starts with ``{`` or ``[``
is read as YAML, so that a whole section or list can be given: ``AIOPS__CLUSTERS='[{name: a, …}]'``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from aiops_provider.errors import ConfigurationError
from aiops_provider.settings.problem import Location, field_name

PREFIX = "AIOPS__"


def overlay(
    data: Mapping[str, Any], environ: Mapping[str, str]
) -> tuple[dict[str, Any], dict[Location, str]]:
    """
    Lay the environment over what the file says.

    Args:
        data: Settings of the file; left as they are.
        environ: The environment.

    Returns:
        The settings of both, and the variable that each overridden one came from.

    Raises:
        ConfigurationError: A variable points into a value that has no keys, or is no YAML.

    >>> overlay({"server": {"host": "::1"}}, {"AIOPS__SERVER__PORT": "9000"})[0]
    {'server': {'host': '::1', 'port': '9000'}}
    """
    merged = dict(data)
    origins: dict[Location, str] = {}
    # Whole sections first: the keys inside them, which are longer names, then refine them.
    for variable in sorted(environ, key=lambda name: (name.count("__"), name)):
        if not variable.upper().startswith(PREFIX) or not environ[variable].strip():
            continue
        location = tuple(variable[len(PREFIX) :].lower().split("__"))
        _put(merged, location, _value(variable, environ[variable]), variable)
        origins[location] = variable
    return merged, origins


def source_name(variable: str) -> str:
    """How a message names the place that a setting came from."""
    return f"environment variable {variable}"


def _value(variable: str, text: str) -> Any:
    if not text.lstrip().startswith(("{", "[")):
        return text  # numbers and booleans are read by the schema, secrets stay as they are
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(
            "this is not valid YAML",
            file=source_name(variable),
            mend="Mend its brackets or quotes.",
        ) from error


def _put(tree: dict[str, Any], location: tuple[str, ...], value: Any, variable: str) -> None:
    for depth, key in enumerate(location[:-1], start=1):
        inner = tree.get(key)
        if location[:depth] == ("mode",) and isinstance(inner, str):
            inner = {"default": inner}
        if inner is not None and not isinstance(inner, dict):
            raise ConfigurationError(
                f"is a {type(inner).__name__} and has no keys to override",
                field=field_name(location[:depth]),
                file=source_name(variable),
                mend=f"Override it as a whole: {PREFIX}{'__'.join(location[:depth]).upper()}.",
            )
        tree[key] = dict(inner or {})
        tree = tree[key]
    tree[location[-1]] = value
