"""The file of slowdowns: what it may say, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aiops_provider.control.interference_file import open_interference, read_slowdowns
from aiops_provider.control.replan import checked_plan
from aiops_provider.domain.task import TaskKey
from aiops_provider.errors import ConfigurationError, DataError
from aiops_provider.placement.interference import Slowdown
from aiops_provider.profiling.profiler import Profiler
from aiops_provider.settings.load import load_settings
from aiops_provider.settings.schema import Settings

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def test_rows(tmp_path):
    """Names, patterns, and an accelerator where it matters."""
    file = tmp_path / "slow.csv"
    file.write_text("task,beside,slowdown,accelerator\na/b,c/*,1.5,T4\nc/d,a/b,1.05,\n")
    assert [
        Slowdown(task="a/b", beside="c/*", slowdown=1.5, accelerator="T4"),
        Slowdown(task="c/d", beside="a/b", slowdown=1.05),
    ] == list(read_slowdowns(file))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("task,beside,slowdown\na/b,c/d,\n", "no multiple"),
        ("task,beside,slowdown\na/b,c/d,0\n", "no multiple"),
        ("task,beside,slowdown\na/b,c/d,much\n", "no number"),
        ("task,beside,slowdown\nb,c/d,2\n", "no task"),
        ("task,beside,slowdown\na/b,,2\n", "no task"),
        ("task,beside,slower\na/b,c/d,2\n", "slower"),
    ],
)
def test_a_bad_row_is_named(tmp_path, text, words):
    """With file and line."""
    file = tmp_path / "slow.csv"
    file.write_text(text)
    with pytest.raises(DataError, match=words) as error:
        list(read_slowdowns(file))
    assert "slow.csv:2" in str(error.value)


def test_the_file_lies_beside_the_settings_and_must_be_there(tmp_path):
    """A name without a folder is looked for there; a missing file is told at once."""
    config = tmp_path / "aiops.yaml"
    config.write_text("planning: {interference_file: slow.csv, most_slowdown: 1.5}\n")
    with pytest.raises(ConfigurationError, match="no such file"):
        load_settings(config, {})
    (tmp_path / "slow.csv").write_text("task,beside,slowdown\na/b,c/d,2\n")
    interference = open_interference(load_settings(config, {}).planning)
    assert interference is not None
    assert 1.5 == interference.most
    assert 2.0 == interference.slowdown(TaskKey("a", "b"), TaskKey("c", "d"), None)
    assert open_interference(Settings().planning) is None


def test_plans_of_the_installation_keep_such_tasks_apart(tmp_path):
    """What the file says reaches the groups of a plan."""
    (tmp_path / "slow.csv").write_text("task,beside,slowdown\ndag/*,dag/*,3\n")
    machine = {"cores": 64, "memory_gib": 256}
    clusters = [{"name": "c", "kind": "local", "capacity": machine, "price_usd_per_hour": 1}]
    file = {"interference_file": str(tmp_path / "slow.csv")}
    settings, strict = (
        Settings.model_validate({"clusters": clusters, "planning": {**file, **more}})
        for more in ({}, {"most_meetings": 0})
    )
    hours = [tuple(float(slot % 24 == hour) for slot in range(168)) for hour in (3, 15)]
    profiler = Profiler()
    profiles = [
        replace(profiler.predict(TaskKey("dag", name), now=NOW), starts_by_hour_of_week=starts)
        for name, starts in zip("ab", hours, strict=True)
    ]
    plain = Settings.model_validate({"clusters": clusters})
    groups = [
        len(checked_plan(each, each.cluster_specs, profiles, now=NOW).groups)
        for each in (plain, settings, strict)
    ]
    assert [1, 1, 2] == groups
    together = [replace(each, starts_by_hour_of_week=hours[0]) for each in profiles]
    # At one hour they raise each other's peak, so that no plan puts them together without the file either.
    assert 2 == len(checked_plan(settings, settings.cluster_specs, together, now=NOW).groups)
