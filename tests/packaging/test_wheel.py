"""
The wheel alone is enough: run from a folder that is not the repository (`tox -e wheel`).

Elsewhere the package is imported from a checkout, where a file that the wheel forgot is never missed.
"""

import json
import os
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path

import pytest

import aiops_provider

PACKAGE = Path(aiops_provider.__file__).parent

pytestmark = pytest.mark.skipif(
    "site-packages" not in PACKAGE.parts,
    reason="the package is imported from a checkout; `tox -e wheel` runs this",
)


def run(arguments: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "XDG_DATA_HOME": str(home),
        "HOME": str(home),
        "NO_COLOR": "1",
    }
    return subprocess.run(
        [str(Path(sys.executable).with_name("aiops")), *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
        env=environment,
        timeout=120,
    )


def test_the_command_knows_its_version(tmp_path):
    """`aiops --version` prints the version of the distribution."""
    done = run(["--version"], tmp_path)
    assert 0 == done.returncode, done.stderr
    assert metadata.version("aiops-provider") in done.stdout


def test_a_store_can_be_made_and_checked(tmp_path):
    """Migrations are in the wheel: an empty folder becomes a store."""
    upgraded = run(["db", "upgrade"], tmp_path)
    assert 0 == upgraded.returncode, upgraded.stderr
    checked = run(["db", "check"], tmp_path)
    assert 0 == checked.returncode, checked.stderr


def test_the_schema_of_the_settings_is_printed(tmp_path):
    """`aiops config schema` prints a JSON Schema with every section."""
    done = run(["config", "schema"], tmp_path)
    assert 0 == done.returncode, done.stderr
    assert {"clusters", "detection", "routing"} <= set(json.loads(done.stdout)["properties"])


def test_a_task_is_profiled_away_from_the_repository(tmp_path):
    """`aiops profile` answers from the prior without any other file."""
    (tmp_path / "task.yaml").write_text("task: nightly/load\nkind: etl\nsource: {rows: 1000000}\n")
    done = run(["profile", "task.yaml", "--output", "json"], tmp_path)
    assert 0 == done.returncode, done.stderr
    assert json.loads(done.stdout)["request"]["memory_gib"] > 0


@pytest.mark.parametrize(
    "name",
    [
        "py.typed",
        "detection/default_rules.yaml",
        "catalog/data/machines.csv",
        "catalog/data/prices.csv",
        "cli/demo/examples/dags/medical.py",
        "cli/demo/examples/dags/aiops.yaml",
        "cli/demo/examples/flows/medical.py",
    ],
)
def test_data_files_are_shipped(name):
    """What is no Python module is in the wheel as well."""
    assert resources.files(aiops_provider).joinpath(*name.split("/")).is_file()


def test_tests_are_not_shipped():
    """Nobody who installs the package gets our tests."""
    files = metadata.files("aiops-provider") or []
    assert not [str(file) for file in files if "tests" in file.parts]
