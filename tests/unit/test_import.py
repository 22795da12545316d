"""Importing the package costs next to nothing: schedulers and every worker do it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = frozenset(
    {
        "pandas", "numpy", "scipy", "sklearn", "sqlalchemy", "alembic", "fastapi", "starlette", "pulp",
        "highspy", "httpx", "airflow", "prefect", "jinja2", "jwt", "rich", "typer", "uvicorn", "pydantic",
    }
)  # fmt: skip

# What the command line needs before it knows its command.
LIGHT_CLI = {"rich", "typer"}


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after the statement, beyond its own."""
    program = (
        "import json, sys\n"
        "before = set(sys.modules)\n"
        f"{statement}\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before})))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(json.loads(answer.stdout.splitlines()[-1]))


def test_importing_the_package_loads_nothing_heavy():
    """``import aiops_provider`` loads no library at all."""
    assert loaded_by("import aiops_provider") & HEAVY == set()


def test_importing_the_package_loads_the_standard_library_only():
    """Whatever is loaded beside the package itself comes with Python."""
    loaded = loaded_by("import aiops_provider")
    assert loaded - set(sys.stdlib_module_names) == {"aiops_provider"}


@pytest.mark.parametrize(
    "module",
    [
        "aiops_provider.profiling.profiler",
        "aiops_provider.placement.router",
        "aiops_provider.control.decide",
        "aiops_provider.control.layer",
        "aiops_provider.control.cycle",
        "aiops_provider.control.installation",
    ],
)
def test_what_a_scheduler_imports_loads_no_engine(module):
    """The decision path and its neighbours need no numerical or database library to be imported."""
    engines = {"pandas", "numpy", "scipy", "sklearn", "sqlalchemy", "fastapi", "pulp", "highspy"}
    assert loaded_by(f"import {module}") & engines == set()


def test_help_loads_no_engine():
    """``aiops --help`` is quick: it knows the commands without loading them."""
    statement = "from aiops_provider.cli.app import main; main(['--help'])"
    assert loaded_by(statement) & (HEAVY - LIGHT_CLI) == set()


def test_version_needs_no_extra():
    """``aiops --version`` works in a worker image that has no command line installed."""
    statement = "from aiops_provider.cli.app import main; main(['--version'])"
    assert loaded_by(statement) & HEAVY == set()
