"""Which samples of a file are of one series."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.kpi_file import read_kpi_file

DAY = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def series_of(tmp_path):
    """The series of a file of rows, as text."""

    def read(*rows):
        file = tmp_path / "kpis.csv"
        with file.open("w", newline="") as stream:
            columns = {column for row in rows for column in row} - {"day", "name"}
            writer = csv.DictWriter(stream, ["observed_at", "name", "value", *sorted(columns)])
            writer.writeheader()
            for row in rows:
                at = (DAY + timedelta(days=row.pop("day"))).isoformat()
                writer.writerow({"observed_at": at, "name": "rows", "value": 1.0, **row})
        return {str(sample.series) for sample in read_kpi_file(file)}

    return read


def side_by_side(days=3, **more):
    return [
        {"day": d, "region": r, "version": "3", **more} for d in range(days) for r in ("eu", "us")
    ]


def test_what_reports_side_by_side_is_told_apart(series_of):
    """By what differs at one moment only: the version is the same everywhere."""
    assert {"rows{region=eu}", "rows{region=us}"} == series_of(*side_by_side())


def test_a_task_that_moves_is_one_series(series_of):
    """It is compared with itself wherever it ran."""
    moving = [{"day": d, "task": "load", "cluster": c} for d, c in enumerate("abab")]
    assert {"rows{task=load}"} == series_of(*moving)


def test_now_and_then_two_at_once_are_still_one_task(series_of):
    """A run that was started by hand beside the usual one."""
    rows = [{"day": d, "task": "load", "cluster": "a"} for d in range(3)]
    assert {"rows{task=load}"} == series_of(*rows, {"day": 2, "task": "load", "cluster": "b"})


def test_runs_at_the_same_time_are_of_one_series(series_of):
    """A run is an occasion, never a series."""
    runs = [{"day": d, "task": "load", "run_id": f"{d}{n}"} for d in range(3) for n in "ab"]
    assert {"rows{task=load}"} == series_of(*runs)


def test_one_kpi_does_not_decide_for_another(series_of):
    """Requests come from regions side by side; the table is loaded wherever there is room."""
    requests = [{**row, "name": "requests"} for row in side_by_side()]
    moving = [{"day": d, "region": r} for d, r in enumerate(("eu", "us", "eu"))]
    assert {"requests{region=eu}", "requests{region=us}", "rows"} == series_of(*requests, *moving)
