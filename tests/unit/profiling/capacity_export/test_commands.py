"""Commands of Airflow and Prefect at their times."""

from __future__ import annotations

import shlex

import pytest

from aiops_provider.errors import DataError
from aiops_provider.profiling.capacity_export.commands import (
    TimedCommand,
    airflow_pool,
    crontab,
    prefect_work_pool,
)


def test_airflow_pools(schedule):
    assert [(c.cron, c.command[:5]) for c in airflow_pool(schedule, pool="scoring")] == [
        ("55 8 * * 1,2,3,4,5", ("airflow", "pools", "set", "scoring", "10")),
        ("0 17 * * 1,2,3,4,5", ("airflow", "pools", "set", "scoring", "1")),
    ]


def test_prefect_work_pools(schedule):
    command = prefect_work_pool(schedule, work_pool="gpu pool")[0]
    assert command.command == (
        *("prefect", "work-pool", "set-concurrency-limit", "gpu pool", "10"),
    )


def test_airflow_itself_understands_the_command(schedule):
    """By the parser of the installed Airflow."""
    parser = pytest.importorskip("airflow.cli.cli_parser", reason="needs Airflow").get_parser()
    read = parser.parse_args(airflow_pool(schedule, pool="scoring")[0].command[1:])
    assert (read.pool, read.slots) == ("scoring", 10)


def test_prefect_itself_understands_the_command(schedule):
    """By the installed Prefect's own command line."""
    pytest.importorskip("prefect", reason="needs Prefect")
    from prefect.cli.work_pool import set_concurrency_limit

    assert {"name", "concurrency_limit"} <= set(set_concurrency_limit.__annotations__)


def test_a_crontab_is_read_back(schedule):
    text = crontab(airflow_pool(schedule, pool="nightly 50%"))
    zone, reason, line = text.splitlines()[:3]
    assert zone == "CRON_TZ=Europe/Berlin"
    assert reason.startswith("# ready at Mon 09:00")
    fields, command = line.split(" airflow ")
    assert fields == "55 8 * * 1,2,3,4,5"
    # cron takes the backslash away before the shell reads the line.
    words = shlex.split(command.replace("\\%", "%"))
    assert words[:4] == ["pools", "set", "nightly 50%", "10"]


def test_what_never_changes_runs_once(make):
    text = crontab(airflow_pool(make(night=100.0), pool="scoring"))
    assert text.splitlines()[1].startswith("airflow pools set scoring 10 ")
    assert "CRON_TZ" not in text


@pytest.mark.parametrize("pool", ["", " ", "a\n* * * * * rm -rf /", "--help"])
def test_a_name_cannot_become_a_command(schedule, pool):
    with pytest.raises(DataError):
        airflow_pool(schedule, pool=pool)
    with pytest.raises(DataError):
        prefect_work_pool(schedule, work_pool=pool)


def test_an_empty_list_is_an_empty_crontab():
    assert crontab([]) == "\n"
    assert TimedCommand(cron="", timezone="UTC", instances=1, command=(), reason="").cron == ""
