"""How throughput is carried from one type of accelerator to another."""

from __future__ import annotations

import pytest

from aiops_provider.catalog.catalog import Catalog
from aiops_provider.profiling.accelerator_throughput import Measurement, ThroughputTransfer

KNOWN = [
    Measurement(job="resnet", accelerator="old", per_s=10.0),
    Measurement(job="resnet", accelerator="new", per_s=30.0),
    Measurement(job="recommender", accelerator="old", per_s=900.0),
    Measurement(job="recommender", accelerator="new", per_s=900.0),
]


def test_a_job_that_runs_as_fast_has_more_say():
    """Two readings of four take the job of like rate, the other two lie midway between both jobs."""
    transfer = ThroughputTransfer(KNOWN)
    slow = Measurement(job="a", accelerator="old", per_s=9.0)
    fast = Measurement(job="b", accelerator="old", per_s=1000.0)
    assert transfer.predict(slow, "new") == pytest.approx(9.0 * 3.0**0.75)
    assert transfer.predict(fast, "new") == pytest.approx(1000.0 * 3.0**0.25)


def test_a_rate_far_from_all_others_still_gets_a_ratio():
    """Weights are relative to the nearest job: none of them vanishes, whatever is counted a second."""
    probe = Measurement(job="a", accelerator="old", per_s=1e300)
    assert ThroughputTransfer(KNOWN).ratio(probe, "new") == pytest.approx(3.0**0.25)


def test_a_relative_by_name_counts_more():
    """A job of a like name lends its ratio though another runs as fast."""
    probe = Measurement(job="recommender-2", accelerator="old", per_s=95.0)
    assert ThroughputTransfer(KNOWN).ratio(probe, "new") == pytest.approx(1.0)


def test_a_job_counts_once_however_often_it_was_measured():
    """Nine sizes of one model do not outvote two other models."""
    many = [
        Measurement(job="x", accelerator=kind, batch=str(batch), per_s=rate)
        for batch in range(9)
        for kind, rate in (("old", 10.0), ("new", 80.0))
    ]
    probe = Measurement(job="y", accelerator="old", per_s=10.0)
    assert ThroughputTransfer([*KNOWN, *many]).ratio(probe, "new") == pytest.approx(3.0)


def test_jobs_in_the_same_setting_have_more_say():
    """A job on eight devices moves the answer for eight devices to its own ratio, that for one hardly."""
    eight = [
        Measurement(job="x", accelerator="old", setting=("8",), per_s=10.0),
        Measurement(job="x", accelerator="new", setting=("8",), per_s=80.0),
    ]
    transfer = ThroughputTransfer([*KNOWN, *eight])
    one = Measurement(job="y", accelerator="old", per_s=10.0)
    assert transfer.ratio(one, "new") == pytest.approx(3.0**0.875)
    on_eight = Measurement(job="y", accelerator="old", setting=("8",), per_s=10.0)
    assert transfer.ratio(on_eight, "new") == pytest.approx((8.0 * 3.0) ** 0.5)


def test_two_jobs_that_halve_the_weight_are_met_midway():
    """Neither the lower nor the higher ratio is taken: there and back give the same."""
    level = [
        Measurement(job=job, accelerator=kind, per_s=rate)
        for job, rates in (("ab", (10.0, 20.0)), ("cd", (10.0, 5.0)))
        for kind, rate in zip(("old", "new"), rates, strict=True)
    ]
    there = Measurement(job="y", accelerator="old", per_s=10.0)
    assert ThroughputTransfer(level).ratio(there, "new") == pytest.approx(1.0)


def test_datasheets_decide_where_nothing_was_measured():
    """H200 has the arithmetic of H100 and 1.43 times the bandwidth."""
    transfer = ThroughputTransfer([], Catalog.embedded().accelerators())
    probe = Measurement(job="a", accelerator="H200", per_s=10.0)
    assert not transfer
    assert transfer.ratio(probe, "A100-80GB") == pytest.approx((312 / 989.5 * 1935 / 4800) ** 0.5)
    assert transfer.ratio(probe, "unheard of") is None
    assert transfer.ratio(probe, "H200") == 1.0


def test_the_probe_is_the_type_whose_ratios_vary_least():
    """Where ratios from one type are all alike, that type is worth measuring on."""
    steady = [
        Measurement(job=job, accelerator="steady", per_s=rate)
        for job, rate in (("resnet", 15.0), ("recommender", 450.0))
    ]
    transfer = ThroughputTransfer([*KNOWN, *steady])
    assert transfer.best_probe("new", ["old", "steady", "new"]) == "steady"
    assert transfer.best_probe("unheard of", ["old"]) is None


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_an_impossible_rate_is_refused(rate: float):
    """A rate of nothing has no logarithm; it is an error of whoever measured."""
    with pytest.raises(ValueError, match="per_s of a must be positive"):
        ThroughputTransfer([Measurement(job="a", accelerator="old", per_s=rate)])
