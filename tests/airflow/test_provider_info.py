"""Airflow accepts what we say about ourselves."""

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import airflow
import jsonschema

from aiops_provider.airflow.provider_info import get_provider_info


def test_provider_info_fits_airflows_schema():
    """Airflow's own schema has nothing to object to."""
    schema = json.loads((Path(airflow.__file__).parent / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)


def test_airflow_lists_our_options_with_their_defaults():
    """`airflow config list` knows the section and every option's default."""
    options = get_provider_info()["config"]["aiops"]["options"]
    assert {"config_file", "enabled"} == set(options)
    assert all("default" in option and option["description"] for option in options.values())


def test_the_command_shows_our_section(tmp_path):
    """Airflow itself does; what an option is by default is what it is read as."""
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    for command, expected in (
        (["list", "--section", "aiops"], ["[aiops]", "config_file =", "enabled ="]),
        (["get-value", "aiops", "enabled"], ["True"]),
    ):
        answer = subprocess.run(
            [sys.executable, "-m", "airflow", "config", *command],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=180,
        )
        assert all(words in answer.stdout for words in expected), answer.stdout


def test_the_executor_can_be_imported_by_the_name_in_airflow_cfg():
    """The one line of airflow.cfg works in every component."""
    from airflow.executors.base_executor import BaseExecutor

    from aiops_provider.airflow import AiopsExecutor

    assert issubclass(AiopsExecutor, BaseExecutor)


def test_entry_points_are_declared():
    """Airflow and Prefect find the package by itself once it is installed."""
    groups = ("apache_airflow_provider", "airflow.plugins", "prefect.collections")
    ours = {
        group
        for group in groups
        for point in entry_points(group=group)
        if point.value.startswith("aiops_provider")
    }
    assert set(groups) == ours
