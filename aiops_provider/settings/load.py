"""
Finds, reads and checks the settings.

The file is the one that ``AIOPS_CONFIG`` names, else the one that the host was told about
(``[aiops] config_file``), else ``aiops.yaml`` in the working directory; without any, defaults hold.
Environment variables override it (see environment.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from aiops_provider.errors import ConfigurationError
from aiops_provider.settings.checks import check_surroundings
from aiops_provider.settings.environment import overlay
from aiops_provider.settings.explain import Origin, explain, explain_problem
from aiops_provider.settings.schema import Settings
from aiops_provider.settings.yaml_source import read_yaml

CONFIG_VARIABLE = "AIOPS_CONFIG"
DEFAULT_FILE = "aiops.yaml"
_PATHS = (("detection", "rules_file"), ("planning", "interference_file"), ("catalog", "folder"))


def load_settings(
    path: Path | str | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """
    The settings of this installation.

    Args:
        path: The file that the host names; ``AIOPS_CONFIG`` goes before it.
        environ: The environment.

    Raises:
        ConfigurationError: The first problem, with file, line, field, value and mend.
    """
    settings, problems = inspect_settings(find_config(path, environ), environ)
    if problems:
        raise problems[0]
    assert settings is not None  # noqa: S101 - without problems there are settings
    return settings


def find_config(
    path: Path | str | None = None, environ: Mapping[str, str] = os.environ
) -> Path | None:
    """The file to read, in the order above, or ``None``."""
    named = environ.get(CONFIG_VARIABLE) or path
    if named:
        return Path(named).expanduser()
    here = Path(DEFAULT_FILE)
    return here if here.is_file() else None


def inspect_settings(
    file: Path | None, environ: Mapping[str, str] = os.environ
) -> tuple[Settings | None, list[ConfigurationError]]:
    """
    Read settings and find everything that is wrong with them.

    Args:
        file: The file, or ``None`` for defaults and environment only.
        environ: The environment.

    Returns:
        The settings, ``None`` if there is a problem, and all problems from top to bottom.
    """
    try:
        source = read_yaml(file) if file is not None else None
        data, variables = overlay(source.data if source else {}, environ)
    except ConfigurationError as error:
        return None, [error]
    origin = Origin(source, variables)
    try:
        settings = Settings.model_validate(_with_paths(data, file))
    except ValidationError as error:
        found = [explain(detail, origin) for detail in error.errors(include_url=False)]
        return None, sorted(found, key=lambda problem: problem.line or 0)
    problems = [explain_problem(problem, origin) for problem in check_surroundings(settings)]
    return (None if problems else settings), problems


def _with_paths(data: dict[str, Any], file: Path | None) -> dict[str, Any]:
    """Paths in the file are relative to it, not to wherever the host happens to run."""
    made = dict(data)
    for section, key in _PATHS:
        inner = made.get(section)
        if file is None or not isinstance(inner, dict) or not isinstance(inner.get(key), str):
            continue
        beside = file.absolute().parent / Path(inner[key]).expanduser()
        made[section] = {**inner, key: str(beside)}
    return made
