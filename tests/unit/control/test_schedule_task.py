"""Past demand from files, descriptions and runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.schedule_task import demand_of_file, demand_of_task, schedule_demand
from aiops_provider.errors import DataError
from aiops_provider.profiling.capacity_policy import CapacityPolicy

NOW = datetime(2026, 2, 2, 10, 20, tzinfo=UTC)
POLICY = CapacityPolicy(capacity_per_instance=1.0)


def test_a_demand_file(tmp_path):
    file = tmp_path / "qps.csv"
    file.write_text(
        "observed_at,value\n2026-01-05T01:00:00Z,7\n2026-01-05T02:00:00+01:00,5\n2026-01-05T02:00:00Z,\n"
    )
    demand = demand_of_file(file)
    assert demand.values[:2] == (7.0, 5.0)
    assert demand.times[1] == datetime(2026, 1, 5, 1, tzinfo=UTC)
    assert (demand.name, demand.capacity_per_instance) == ("qps", None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("observed_at,value\n", "holds no demand"),
        ("observed_at,value\n2026-01-05T01:00:00,7\n", "no time zone"),
        ("observed_at,value\n2026-01-05T01:00:00Z,-7\n", "no number >= 0"),
        ("observed_at,value\n,7\n", "is missing"),
        ("moment,value\n2026-01-05T01:00:00Z,7\n", "is missing"),
    ],
)
def test_demand_files_that_cannot_be_used(tmp_path, text, words):
    file = tmp_path / "qps.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=words):
        demand_of_file(file)


def test_a_serving_task_brings_its_demand_and_what_an_instance_serves(tmp_path):
    """The past hours end with the present one; the instances of the profile carry its p80 hour."""
    file = tmp_path / "serve.yaml"
    rates = [50.0 if 9 <= hour < 17 else 5.0 for hour in range(24)] * 14
    file.write_text(f"task: claims/score\nkind: serving\npast_demand_per_s: {rates}\n")
    demand = demand_of_task(file, history_file=None, now=NOW)
    assert demand.times[-1] == datetime(2026, 2, 2, 9, tzinfo=UTC)
    assert demand.unit == "requests/s"
    assert 0 < demand.capacity_per_instance <= 50.0
    made = schedule_demand(demand, capacity_per_instance=10.0, policy=POLICY)
    assert made.largest == 5


def test_runs_in_progress(tmp_path):
    """What ends as another begins makes room for it; an hour without runs counts as none."""
    file, runs = tmp_path / "load.yaml", tmp_path / "runs.csv"
    file.write_text("task: claims/load\nkind: generic\n")
    start = datetime(2026, 1, 5, tzinfo=UTC)
    rows = [(0, 1800), (0, 3600), (1800, 1800), (3 * 3600, 60)]
    runs.write_text(
        "started_at,duration_s\n"
        + "".join(f"{(start + timedelta(seconds=at)).isoformat()},{s}\n" for at, s in rows)
    )
    demand = demand_of_task(file, history_file=runs, now=NOW)
    assert demand.values == (2.0, 0.0, 0.0, 1.0)
    assert demand.capacity_per_instance == 1.0


def test_a_task_without_demand_is_told_what_is_missing(tmp_path):
    file = tmp_path / "load.yaml"
    file.write_text("task: claims/load\nkind: generic\n")
    with pytest.raises(DataError, match="--history RUNS"):
        demand_of_task(file, history_file=None, now=NOW)


def test_nobody_says_what_an_instance_serves(tmp_path):
    file = tmp_path / "qps.csv"
    file.write_text("observed_at,value\n2026-01-05T01:00:00Z,7\n")
    with pytest.raises(DataError, match="--per-instance"):
        schedule_demand(demand_of_file(file), capacity_per_instance=None, policy=POLICY)
