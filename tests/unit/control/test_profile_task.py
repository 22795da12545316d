"""What ``aiops profile`` does."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from aiops_provider.control.profile_task import profile_task
from aiops_provider.domain.profile import Source
from aiops_provider.settings.engine_schema import ProfilingSettings
from aiops_provider.settings.schema import Settings

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def task_file(tmp_path):
    file = tmp_path / "task.yaml"
    file.write_text("task: medical/train\nkind: training\ndataset: {rows: 50000}\n")
    return file


@pytest.fixture
def history_file(tmp_path):
    file = tmp_path / "runs.csv"
    rows = [f"2026-01-0{day}T06:00:00Z,20,{0.2 + day / 100},18" for day in range(1, 6)]
    file.write_text("\n".join(["started_at,duration_s,peak_memory_gib,cpu_seconds", *rows]))
    return file


def test_a_description_alone_gives_a_prior(task_file):
    """Before the first run the closed forms speak."""
    made = profile_task(task_file, now=NOW)
    assert made.profile.memory_gib.source is Source.PRIOR
    assert (made.runs, made.others) == (0, 0)


def test_history_speaks_louder(task_file, history_file):
    """Five runs of a quarter of a GiB bring the request down."""
    cold = profile_task(task_file, now=NOW)
    warm = profile_task(task_file, history_file=history_file, now=NOW)
    assert warm.runs == 5
    assert warm.profile.memory_gib.source is Source.OWN_HISTORY
    assert warm.profile.request.memory_gib < cold.profile.request.memory_gib
    assert warm.profile.cores.p50 == pytest.approx(0.9, rel=0.05)


def test_settings_decide_how_requests_are_sized(task_file, history_file):
    """Dearer failures ask for more; a minimum of runs holds history back."""
    dear = Settings(profiling=ProfilingSettings(failure_cost_factor=1000))
    asked = profile_task(task_file, history_file=history_file, settings=dear, now=NOW)
    usual = profile_task(task_file, history_file=history_file, now=NOW)
    assert asked.profile.request.memory_gib >= usual.profile.request.memory_gib
    waiting = Settings(profiling=ProfilingSettings(minimum_runs=6))
    cold = profile_task(task_file, history_file=history_file, settings=waiting, now=NOW)
    assert cold.profile.memory_gib.source is Source.PRIOR
