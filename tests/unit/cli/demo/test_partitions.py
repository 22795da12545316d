from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from aiops_provider.cli.demo.partitions import (
    PARTITIONS,
    FrozenModel,
    Hospitals,
    broken,
    deliver,
    deliveries,
    expected_rows,
    freeze_model,
    kpis,
    read_replica,
    write_replicas,
)

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def hospitals():
    return Hospitals()


@pytest.fixture(scope="module")
def model():
    return freeze_model()


def test_rows_depend_on_seed_hospital_and_period_only(hospitals):
    """The same period is drawn twice alike; another hospital or period is not."""
    rows = hospitals.rows("hospital-03", NOON)
    assert np.array_equal(rows, Hospitals().rows("hospital-03", NOON))
    for other in (
        hospitals.rows("hospital-04", NOON),
        hospitals.rows("hospital-03", NOON + timedelta(hours=6)),
        Hospitals(seed=2).rows("hospital-03", NOON),
    ):
        assert not np.array_equal(rows[:50], other[:50])


def test_hospitals_are_busiest_in_the_afternoon():
    """A daily season is in the row count."""
    busy = {hour: expected_rows("hospital-10", NOON.replace(hour=hour)) for hour in range(24)}
    assert max(busy, key=lambda hour: busy[hour]) == 14
    assert min(busy, key=lambda hour: busy[hour]) == 2


def test_a_partition_is_watched_by_32_kpis(hospitals, model):
    """Rows, precision and the mean of each feature."""
    rows = hospitals.rows("hospital-01", NOON)
    found = kpis(rows, model)
    assert len(found) == 32
    assert found["row_count", ""] == len(rows)
    assert found["precision", ""] > 0.9
    assert found["feature_mean", "mean radius"] == pytest.approx(float(rows[:, 0].mean()), rel=1e-5)


def test_a_broken_replica_shows_in_rows_features_and_precision(hospitals, model):
    """Row counts collapse, features drift, precision falls."""
    rows = hospitals.rows("hospital-01", NOON)
    healthy, bad = kpis(rows, model), kpis(broken(rows), model)
    assert bad["row_count", ""] < healthy["row_count", ""] / 4
    assert bad["precision", ""] < healthy["precision", ""] - 0.2
    drifted = [
        name
        for name in healthy
        if name[1] and bad[name] == pytest.approx(1.6 * healthy[name], rel=0.2)
    ]
    assert len(drifted) == 30


def test_the_frozen_model_survives_its_file(tmp_path, model):
    """Tasks load what the demo saved."""
    model.save(tmp_path)
    assert FrozenModel.load(tmp_path) == model


def test_a_task_reads_the_replica_of_its_own_cluster(tmp_path, monkeypatch, hospitals):
    """A broken replica is seen in its cluster only; unplaced tasks have one of their own."""
    monkeypatch.setenv("AIOPS_DEMO_DATA", str(tmp_path))
    write_replicas(tmp_path, ["onprem", "cloud"], hospitals, NOON, corrupt=frozenset({"cloud"}))
    rows = hospitals.rows("hospital-25", NOON)
    for cluster, expected in (("onprem", rows), ("cloud", broken(rows)), ("", rows)):
        monkeypatch.setenv("AIOPS_CLUSTER", cluster)
        assert np.array_equal(read_replica("hospital-25"), expected)
    assert len(list((tmp_path / "replicas" / "cloud").iterdir())) == len(PARTITIONS)


def test_every_delivery_is_one_line_of_its_run(tmp_path, monkeypatch):
    """The ledger tells how often, where and by whom a partition was delivered."""
    monkeypatch.setenv("AIOPS_DEMO_DATA", str(tmp_path))
    monkeypatch.setenv("AIOPS_CLUSTER", "onprem")
    assert deliveries(tmp_path, "r1") == []
    for run_id in ("r1", "r2", "r1"):
        deliver(run_id, "hospital-01", {"row_count": 7})
    found = deliveries(tmp_path, "r1")
    assert [(one["partition"], one["cluster"], one["row_count"]) for one in found] == [
        ("hospital-01", "onprem", 7)
    ] * 2
