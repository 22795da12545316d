import json
from datetime import UTC, datetime, timedelta

import httpx
import numpy as np
import pytest

from aiops_provider.cli.demo.history import (
    PERIODS,
    HistoryError,
    kpi_history,
    load,
    past_periods,
    run_history,
)
from aiops_provider.cli.demo.partitions import PARTITIONS, Hospitals, freeze_model
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool

NOW = datetime(2026, 1, 19, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def series():
    """All generated samples and those of the healthy run that follows, by series."""
    hospitals, model = Hospitals(), freeze_model()
    past, present = {}, {}
    for sample in kpi_history(hospitals, model, past_periods(NOW)):
        past.setdefault(sample.series, []).append(sample.value)
    for sample in kpi_history(hospitals, model, [NOW]):
        present[sample.series] = sample.value
    return past, present


@pytest.fixture
def clusters():
    pool = Pool(
        name="p", machine=Capacity(cores=2, memory_gib=8), max_instances=1, price_usd_per_hour=1.0
    )
    return tuple(
        ClusterSpec(name=name, kind="local", provider="aws", region="r", pools=(pool,))
        for name in ("a", "b")
    )


def test_the_periods_are_two_weeks_up_to_six_hours_ago():
    """Oldest first, on the same hours of the day as the run that follows."""
    periods = past_periods(NOW)
    assert len(periods) == PERIODS == 56
    assert periods[0] == NOW - timedelta(days=14)
    assert periods[-1] == NOW - timedelta(hours=6)


def test_history_is_the_same_from_the_same_seed(clusters):
    """Nothing depends on the clock or on an unseeded generator."""
    periods = past_periods(NOW, 2)
    model = freeze_model()
    assert list(kpi_history(Hospitals(), model, periods)) == list(
        kpi_history(Hospitals(), model, periods)
    )
    assert list(run_history(clusters, periods)) == list(run_history(clusters, periods))
    assert list(run_history(clusters, periods)) != list(run_history(clusters, periods, seed=2))


def test_every_series_of_a_run_has_its_history(series):
    """800 series: 32 KPIs of 25 hospitals, each with one sample per period."""
    past, present = series
    assert set(past) == set(present)
    assert len(past) == 32 * len(PARTITIONS)
    assert {len(values) for values in past.values()} == {PERIODS}


def test_a_healthy_run_looks_like_its_history(series):
    """Means and precision of the next period lie where those of the past do: no series stands out.

    With 775 series the largest of as many standard normal figures is about 3.2; 5.5 is exceeded
    once in 30 000 healthy runs.
    """
    past, present = series
    scores = [
        abs(present[key] - np.mean(values)) / np.std(values)
        for key, values in past.items()
        if key.name != "row_count"
    ]
    assert max(scores) < 5.5
    assert np.std(scores) < 1.0


def test_row_counts_look_like_those_of_the_same_hour(series):
    """Row counts have a daily season, so they are compared with the same hour of other days."""
    past, present = series
    for key, values in past.items():
        if key.name == "row_count":
            same_hour = np.array(values[::4])
            assert abs(present[key] - same_hour.mean()) < 6 * max(same_hour.std(), 5.0)


def test_run_history_spreads_over_the_clusters(clusters):
    """Every task of every past run has one record, successful, with what it used."""
    records = list(run_history(clusters, past_periods(NOW, 3)))
    assert len(records) == len({record.run for record in records}) == 3 * len(PARTITIONS)
    assert {record.cluster for record in records} == {"a", "b"}
    assert all(record.usage is not None and record.ended_at < NOW for record in records)


def test_history_is_sent_in_batches():
    """Everything arrives, as JSON that names the fields of the domain."""
    bodies = []

    def answer(request):
        bodies.append(json.loads(request.content))
        return httpx.Response(202, json={})

    samples = list(kpi_history(Hospitals(), freeze_model(), past_periods(NOW, 4)))
    with httpx.Client(base_url="http://api", transport=httpx.MockTransport(answer)) as http:
        assert load(http, "/api/v1/kpis", "samples", samples) == len(samples)
    assert [len(body["samples"]) for body in bodies] == [2_000, 1_200]
    first = bodies[0]["samples"][0]
    assert first["name"] == "row_count"
    assert first["dimensions"] == {
        "dag": "partitions",
        "task": "check",
        "partition": "0",
    }
    assert datetime.fromisoformat(first["observed_at"]) == NOW - timedelta(days=1)


def test_a_refused_batch_is_an_error():
    """History that is only half there would make everything look strange."""
    transport = httpx.MockTransport(lambda _request: httpx.Response(403, text="no right"))
    samples = kpi_history(Hospitals(), freeze_model(), past_periods(NOW, 1))
    with (
        httpx.Client(base_url="http://api", transport=transport) as http,
        pytest.raises(HistoryError, match="403 no right"),
    ):
        load(http, "/api/v1/kpis", "samples", samples)
