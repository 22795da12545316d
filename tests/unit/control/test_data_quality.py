"""Quality of data frames of every kind."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from aiops_provider import report_quality
from aiops_provider.control import data_quality
from aiops_provider.control.data_quality import quality_of
from aiops_provider.detection.limits import WatchConfig
from aiops_provider.detection.rules_file import default_rules
from aiops_provider.detection.watch import Watch
from aiops_provider.domain.kpi import KpiSample, split_dimensions
from aiops_provider.errors import DataError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FRAMES = {
    "dict": lambda data: {name: np.asarray(values, dtype=object) for name, values in data.items()},
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
}
every_frame = pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES)


def claims() -> dict:
    return {
        "id": [1, 2, 2, 4],
        "region": ["no", "se", "se", None],
        "usd": [1.5, None, 2.5, None],
        "at": [NOW - timedelta(hours=hours) for hours in (5, 4, 3, 9)],
    }


@pytest.fixture
def told(monkeypatch):
    found = []
    monkeypatch.setattr(
        data_quality, "report", lambda name, value, **labels: found.append((name, value, labels))
    )
    return found


@every_frame
def test_every_kind_of_frame_gives_the_same_figures(make):
    """Nulls by column, rows of the same keys, age of the newest, types in words."""
    found = quality_of(make(claims()), keys=("id", "region"), timestamp="at", now=NOW)
    assert found.rows == 4
    assert found.null_share == {"id": 0.0, "region": 0.25, "usd": 0.5, "at": 0.0}
    assert found.duplicate_share == 0.25
    assert found.freshness_s == 3 * 3600
    assert found.schema == {"id": "number", "region": "text", "usd": "number", "at": "time"}
    assert found.changes == {}


@every_frame
def test_changed_columns_are_told_in_words(make):
    """One that is new, one that is gone, one of another type."""
    before = quality_of(make(claims())).schema
    data = {**claims(), "id": ["a", "b", "c", "d"], "new": [True, False, True, True]}
    del data["region"]
    now = quality_of(make(data), schema=before)
    assert now.changes == {"id": "number → text", "region": "removed", "new": "added"}
    assert now.schema["new"] == "boolean"


@every_frame
def test_missing_values_change_no_type(make):
    """A null turns whole numbers of pandas into fractions, and a column without values is of none."""
    before = {"id": "number", "region": "text"}
    gaps = {"id": [1, None, 3], "region": [None, None, None]}
    assert quality_of(make(gaps), schema=before).changes == {}
    assert quality_of(make({"id": [1, 2], "region": ["x", "y"]}), schema=before).changes == {}


@every_frame
def test_a_frame_without_rows_has_no_shares(make):
    """Not even one of nought; its columns are known nevertheless."""
    empty = {name: values[:0] for name, values in claims().items()}
    found = quality_of(make(empty), keys=["id"], timestamp="at", now=NOW)
    assert (found.rows, found.null_share) == (0, {})
    assert (found.duplicate_share, found.freshness_s) == (None, None)
    assert set(found.schema) == set(claims())


@every_frame
def test_days_and_moments_without_a_zone_are_of_utc(make):
    """A day begins at midnight."""
    days = make({"at": [date(2026, 2, 27), date(2026, 3, 1)]})
    naive = make({"at": [datetime(2026, 3, 1, 11)]})  # noqa: DTZ001 - what is tested
    oslo = make({"at": [datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=1)))]})
    ages = [quality_of(frame, timestamp="at", now=NOW).freshness_s for frame in (days, naive, oslo)]
    assert ages == [12 * 3600, 3600, 3600]


def test_large_numbers_and_lists_can_be_keys():
    """A list cannot be hashed, a text of digits is no number, and NaN is one key like others."""
    data = {"k": [[1], [1], [2]], "t": ["1", 1, "1"], "n": [np.nan, np.nan, 1.0]}
    frame = {
        "k": FRAMES["dict"](data)["t"], "t": FRAMES["dict"](data)["t"], "n": np.array(data["n"]),
    }  # fmt: skip
    assert quality_of(frame, keys="t").duplicate_share == pytest.approx(1 / 3)
    assert quality_of(frame, keys="n").duplicate_share == pytest.approx(1 / 3)
    assert quality_of(pl.DataFrame({"k": data["k"]}), keys="k").duplicate_share == pytest.approx(
        1 / 3
    )


def test_a_million_rows_of_two_keys():
    """Exactly as many as were put in."""
    rows = 1_000_000
    ids = np.arange(rows)
    ids[:1000] = ids[1000:2000]
    frame = pl.DataFrame({"id": ids, "half": np.zeros(rows)})
    assert quality_of(frame, keys=["id", "half"]).duplicate_share == pytest.approx(1e-3)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"keys": ["name"]}, r"keys: has no such column \(got 'name'\)"),
        ({"timestamp": "when"}, r"timestamp: has no such column \(got 'when'\)"),
        ({"timestamp": "region"}, r"timestamp: holds no moments \(got 'region: str'\)"),
    ],
)
def test_what_cannot_be_judged_is_named(wrong, message):
    """With the column and what it holds."""
    with pytest.raises(DataError, match=message):
        quality_of(pd.DataFrame(claims()), **wrong)
    with pytest.raises(DataError, match="is no data frame"):
        quality_of(7)


def test_reports_tell_no_value_of_the_frame(told):
    """Shares and names of columns only; a column that is as it should be says so."""
    schema = {"id": "number", "region": "number", "usd": "number"}
    report_quality(
        pl.DataFrame(claims()), keys=["id"], timestamp="at", schema=schema, source="claims"
    )
    found = {(name, labels.get("column")): (value, labels) for name, value, labels in told}
    assert found["null_share", "usd"][0] == 0.5
    assert found["duplicate_share", None][0] == 0.25
    assert found["freshness_s", None][0] > 0
    changed = {
        column: (value, labels["schema_change"])
        for (name, column), (value, labels) in found.items()
        if name == "schema_changed"
    }
    assert changed == {
        "id": (0.0, None), "usd": (0.0, None), "region": (1.0, "number → text"), "at": (1.0, "added"),
    }  # fmt: skip
    assert {labels["source"] for _, _, labels in told} == {"claims"}


def sampled(told, at):
    """As the client makes samples of reports."""
    for name, value, labels in told:
        known = {key: str(label) for key, label in labels.items() if label is not None}
        series, where = split_dimensions({**known, "dag": "d", "task": "t", "cluster": "eks"})
        yield KpiSample(name=name, observed_at=at, value=value, dimensions=series, context=where)


def test_a_changed_schema_is_a_super_alarm_until_it_is_mended(told):
    """From the first run on, without a history; how it changed stands in the alarm."""
    watch = Watch(WatchConfig(), default_rules())
    good = quality_of(pl.DataFrame(claims())).schema
    broken = pl.DataFrame(claims()).with_columns(pl.col("usd").cast(pl.String))
    report_quality(broken, schema=good)
    watch.observe(sampled(told, NOW))
    found = watch.evaluate(NOW + timedelta(minutes=1))
    (alarm,) = found.alarms
    assert (alarm.series.name, alarm.attributes["schema_change"]) == (
        "schema_changed", "number → text",
    )  # fmt: skip
    assert "schema_change" not in dict(alarm.series.dimensions)
    assert len(found.super_alarms) == 1
    assert not found.responses
    for hour in range(1, 6):
        told.clear()
        report_quality(pl.DataFrame(claims()), schema=good)
        watch.observe(sampled(told, NOW + timedelta(hours=hour)))
        found = watch.evaluate(NOW + timedelta(hours=hour, minutes=1))
        if not watch.has_open:
            break
    assert not watch.has_open


def test_healthy_data_raise_no_alarm(told):
    """Two hundred runs whose nulls, duplicates and age vary as such things do."""
    rng = np.random.default_rng(7)
    watch = Watch(WatchConfig(), default_rules())
    alarms = []
    for run in range(200):
        told.clear()
        at, rows = NOW + timedelta(hours=6 * run), 2000
        ids = rng.integers(0, 200_000, rows)
        age = np.where(rng.random(rows) < rng.uniform(0.01, 0.03), np.nan, 50.0)
        newest = at - timedelta(minutes=float(rng.uniform(5, 50)))
        frame = {"id": ids, "age": age, "at": np.asarray([newest] * rows, dtype=object)}
        found = quality_of(frame, keys=["id"], timestamp="at", now=at)
        told += [
            ("null_share", found.null_share["age"], {"column": "age"}),
            ("duplicate_share", found.duplicate_share, {}),
            ("freshness_s", found.freshness_s, {}),
        ]
        watch.observe(sampled(told, at))
        alarms += watch.evaluate(at + timedelta(minutes=1)).alarms
    assert alarms == []
