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


def test_the_ratio_comes_from_the_job_that_runs_as_fast():
    """A slow job gets the ratio of the slow one, a fast job that of the fast one."""
    transfer = ThroughputTransfer(KNOWN)
    slow = Measurement(job="a", accelerator="old", per_s=9.0)
    fast = Measurement(job="b", accelerator="old", per_s=1000.0)
    assert transfer.predict(slow, "new") == pytest.approx(27.0)
    assert transfer.predict(fast, "new") == pytest.approx(1000.0)


def test_a_relative_by_name_counts_more():
    """A job of a like name lends its ratio though another runs as fast."""
    probe = Measurement(job="recommender-2", accelerator="old", per_s=95.0)
    assert ThroughputTransfer(KNOWN).ratio(probe, "new") == pytest.approx(1.0)


def test_settings_are_not_mixed_where_one_is_alike():
    """Jobs on eight devices say nothing about one device where one-device jobs are known."""
    eight = [
        Measurement(job="x", accelerator="old", setting=("8",), per_s=10.0),
        Measurement(job="x", accelerator="new", setting=("8",), per_s=80.0),
    ]
    probe = Measurement(job="y", accelerator="old", per_s=10.0)
    assert ThroughputTransfer([*KNOWN, *eight]).ratio(probe, "new") == pytest.approx(3.0)


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
