"""The configuration of machines that a task costs least on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiops_provider.errors import DataError
from aiops_provider.profiling.configuration_prior import configuration_kernel
from aiops_provider.profiling.machine_choice import (
    Configuration,
    ConfigurationRun,
    MachineChooser,
)

CONFIGURATIONS = [
    Configuration(
        name=f"{machines} x {family}",
        usd_per_hour=machines * price,
        features={"machines": float(machines), "family": family},
    )
    for family, price in (("compute", 0.2), ("memory", 0.3))
    for machines in (2, 4, 8, 16)
]


def seconds(work, parallel, configuration, *, hungry=False):
    """Amdahl's law; a hungry task crawls without memory."""
    machines = float(configuration.features["machines"])
    slow = 4.0 if hungry and configuration.features["family"] == "compute" else 1.0
    return slow * work * (1.0 - parallel + parallel / machines)


def history(*, without=()):
    """Six tasks of two kinds on every configuration."""
    tasks = [(f"sort_{name}", 1000.0 * len(name), 0.9, False) for name in ("a", "bb", "ccc")]
    tasks += [(f"join_{name}", 800.0 * len(name), 0.9, True) for name in ("d", "ee", "fff")]
    return [
        ConfigurationRun(name, one.name, seconds(work, parallel, one, hungry=hungry))
        for name, work, parallel, hungry in tasks
        for one in CONFIGURATIONS
        if name not in without
    ]


def test_a_task_that_never_ran_is_judged_by_its_like():
    """Joins need memory, sorts do not."""
    chooser = MachineChooser(CONFIGURATIONS, history())

    assert "2 x compute" == chooser.choose("sort_big").configuration.name
    assert "2 x memory" == chooser.choose("join_big").configuration.name


def test_probes_tell_more_than_a_name():
    """A sort that behaves like a join is a join."""
    own = [
        ConfigurationRun("sort_odd", one.name, seconds(500.0, 0.9, one, hungry=True))
        for one in CONFIGURATIONS
        if one.name in {"2 x compute", "2 x memory", "8 x compute"}
    ]
    chooser = MachineChooser(CONFIGURATIONS, [*history(), *own])

    assert "2 x memory" == chooser.choose("sort_odd").configuration.name


def test_a_few_probes_tell_the_level():
    """Times on configurations that were not tried come out right within a factor of 1.4, of hundreds."""
    own = [ConfigurationRun("sort_much", "4 x compute", seconds(9e4, 0.9, CONFIGURATIONS[1]))]
    found = MachineChooser(CONFIGURATIONS, [*history(), *own]).forecast("sort_much")

    for one in found:
        truth = seconds(9e4, 0.9, one.configuration)
        assert truth / 1.4 < one.p50_s < truth * 1.4
        assert one.cost_usd == pytest.approx(one.p50_s * one.configuration.usd_per_hour / 3600.0)


def test_the_least_time_is_another_wish():
    """Twice the machines are dearer and faster."""
    chooser = MachineChooser(CONFIGURATIONS, history())

    assert chooser.choose("sort_big", time_weight=1.0).configuration.name.startswith("16 x")


def test_where_like_tasks_fail_it_is_not_sent():
    """Two machines are too few for joins of that data."""
    runs = [
        ConfigurationRun(run.task, run.configuration, None)
        if run.task.startswith("join") and run.configuration == "2 x memory"
        else run
        for run in history()
    ]
    chooser = MachineChooser(CONFIGURATIONS, runs)
    failing = {one.configuration.name: one.failure for one in chooser.forecast("join_big")}

    assert "4 x memory" == chooser.choose("join_big").configuration.name
    assert failing["2 x memory"] > 0.5 > failing["4 x memory"]


def test_what_failed_is_known_to_fail():
    """However good its name is."""
    own = [ConfigurationRun("sort_bad", "2 x compute", None)]
    chooser = MachineChooser(CONFIGURATIONS, [*history(), *own])

    assert "2 x compute" != chooser.choose("sort_bad").configuration.name
    assert "2 x compute" != chooser.next_probe("sort_bad").configuration.name


def test_a_task_that_fails_everywhere_has_no_choice():
    """It says so."""
    runs = [ConfigurationRun("bad", one.name, None) for one in CONFIGURATIONS]
    chooser = MachineChooser(CONFIGURATIONS, [*history(), *runs])

    with pytest.raises(DataError, match="failed on every configuration"):
        chooser.choose("bad")
    assert chooser.next_probe("bad") is None


def test_the_first_probe_is_the_best_guess_and_none_is_made_twice():
    """Until all were tried."""
    truth = {one.name: seconds(500.0, 0.5, one) for one in CONFIGURATIONS}
    own: list[ConfigurationRun] = []
    for _ in CONFIGURATIONS:
        chooser = MachineChooser(CONFIGURATIONS, [*history(), *own])
        probe = chooser.next_probe("new").configuration.name
        if not own:
            assert chooser.choose("new").configuration.name == probe
        own.append(ConfigurationRun("new", probe, truth[probe]))

    assert len({run.configuration for run in own}) == len(CONFIGURATIONS)
    assert MachineChooser(CONFIGURATIONS, [*history(), *own]).next_probe("new") is None


def test_repeated_runs_count_as_one():
    """With their median; most of them decide whether it failed."""
    own = [ConfigurationRun("t", "2 x compute", t) for t in (10.0, 12.0, 300.0)]
    own += [ConfigurationRun("t", "4 x compute", t) for t in (None, None, 5.0)]
    found = {
        one.configuration.name: one for one in MachineChooser(CONFIGURATIONS, own).forecast("t")
    }

    assert 12.0 == pytest.approx(found["2 x compute"].p50_s)
    assert 1.0 == found["4 x compute"].failure


def test_without_any_history_the_price_decides():
    """Nothing else is known; nothing breaks."""
    found = MachineChooser(CONFIGURATIONS, []).choose("anything")

    assert "2 x compute" == found.configuration.name
    assert found.log_scale > 1.0


@given(st.permutations(history()), st.permutations(CONFIGURATIONS))
def test_the_order_of_the_lines_changes_nothing(runs, configurations):
    """The same runs make the same choice."""
    found = MachineChooser(configurations, runs).choose("join_new")
    usual = MachineChooser(CONFIGURATIONS, history()).choose("join_new")

    assert usual.configuration == found.configuration
    assert usual.p50_s == pytest.approx(found.p50_s)


def test_the_kernel_is_positive_definite():
    """With words, figures and missing ones."""
    features = [dict(one.features) for one in CONFIGURATIONS]
    features[0].pop("family")
    kernel = configuration_kernel(features)

    assert np.linalg.eigvalsh(kernel).min() > -1e-9
    assert np.array_equal(np.eye(3), configuration_kernel([{}, {}, {}]))


@pytest.mark.parametrize(
    ("configurations", "runs", "said"),
    [
        ([], [], "configurations"),
        ([CONFIGURATIONS[0]] * 2, [], "twice"),
        ([Configuration(name="a", usd_per_hour=0.0)], [], "usd_per_hour"),
        ([Configuration(name="a", usd_per_hour=1.0, features={"cores": -1.0})], [], "cores"),
        (CONFIGURATIONS, [ConfigurationRun("t", "nowhere", 1.0)], "nowhere"),
        (CONFIGURATIONS, [ConfigurationRun("t", "2 x memory", math.nan)], "duration_s"),
    ],
)
def test_what_cannot_be_used_is_refused(configurations, runs, said):
    """By name, with the mend."""
    with pytest.raises(DataError, match=said):
        MachineChooser(configurations, runs)
