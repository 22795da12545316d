"""Classes of input learn from one another how much runs scatter."""

from __future__ import annotations

import pytest

from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.profile import Quantity, Source
from aiops_provider.profiling.class_levels import brought_to, good_runs, widened


@pytest.fixture
def members(run):
    return {
        "small": [run(9, peak=0.2, duration=10), run(8, peak=0.22, duration=11)],
        "large": [run(7, peak=2.0, duration=100), run(6, peak=2.2, duration=110)],
        "killed": [run(5, peak=4.0, asked=4.0, outcome=Outcome.OUT_OF_MEMORY)],
    }


def test_runs_of_other_classes_are_brought_to_its_level(members):
    """Memory and time; how far each lay from its own level stays."""
    runs = brought_to("small", members)
    assert [each.usage.peak_memory_gib for each in runs] == pytest.approx([0.2, 0.22, 0.2, 0.22])
    assert [each.usage.duration_s for each in runs] == pytest.approx([10, 11, 10, 11])
    assert runs[:2] == members["small"]


def test_its_mean_cores_are_those_of_the_run(members):
    """Work that takes longer takes as much more processor time."""
    cores = {round(each.usage.mean_cores, 6) for each in brought_to("small", members)}
    assert len(cores) == 1


def test_without_a_good_run_its_level_is_unknown(members):
    """A kill tells a bound, no level; and it is a bound for no other class."""
    assert brought_to("killed", members) == members["killed"]
    assert good_runs(members["killed"]) == 0
    assert not any(each.outcome is Outcome.OUT_OF_MEMORY for each in brought_to("large", members))


def test_own_runs_are_not_crowded_out(run, members):
    """However many newer ones the others have."""
    many = {**members, "large": [run(1 / hours, peak=2.0) for hours in range(1, 200)]}
    runs = brought_to("small", many)
    assert len(runs) == 64
    assert runs[:2] == members["small"]


def test_fewer_own_runs_make_it_wider():
    """One run alone says as much of its level as it scatters about it."""
    figure = Quantity(p50=1.0, p80=1.2, p95=1.5, source=Source.OWN_HISTORY)
    once, often = widened(figure, 1), widened(figure, 100)
    assert (once.p50, once.p80, once.p95) == pytest.approx((1.0, 1.2**2**0.5, 1.5**2**0.5))
    assert figure.p95 < often.p95 < 1.51
