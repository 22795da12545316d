from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from aiops_provider import DataProfile, report_drift
from aiops_provider.control import data_drift
from aiops_provider.control.data_drift import ABSENT, CATEGORY_DRIFT, DRIFTED, FEATURE_DRIFT
from aiops_provider.errors import DataError

ROWS = 2000


def columns(seed=0, *, shift=0.0, share=0.5) -> dict:
    rng = np.random.default_rng(seed)
    age = rng.normal(50 + shift, 10, ROWS)
    sex = np.where(rng.random(ROWS) < share, "f", "m")
    return {"age": age, "sex": sex}


FRAMES = {
    "dict": lambda data: data,
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
}


@pytest.fixture
def told(monkeypatch):
    found = []
    monkeypatch.setattr(
        data_drift, "report", lambda name, value, **labels: found.append((name, value, labels))
    )
    return found


def kpis(told) -> dict:
    return {(name, labels.get("feature")): value for name, value, labels in told}


@pytest.mark.parametrize("make", FRAMES.values(), ids=FRAMES)
def test_every_kind_of_frame_gives_the_same_figures(make, told):
    """What moved is told by how far, column by column."""
    verdicts = report_drift(make(columns(1, shift=10)), make(columns()), source="claims")
    assert verdicts["age"].drifted
    assert not verdicts["sex"].drifted
    found = kpis(told)
    assert found[FEATURE_DRIFT, "age"] == pytest.approx(1.0, abs=0.15)
    assert found[CATEGORY_DRIFT, "sex"] < 0.05
    assert found[DRIFTED, None] == 1
    assert found[ABSENT, None] == 0
    assert {labels["source"] for _, _, labels in told} == {"claims"}


def test_data_of_the_same_kind_do_not_drift(told):
    """In fifty comparisons with other random numbers, not one counts."""
    for seed in range(1, 51):
        report_drift(columns(seed), columns())
    assert {value for name, value, _ in told if name == DRIFTED} == {0}


def test_a_category_that_becomes_more_frequent_is_seen(told):
    """By the share of rows that would have to change."""
    report_drift(columns(1, share=0.8), columns())
    assert kpis(told)[CATEGORY_DRIFT, "sex"] == pytest.approx(0.3, abs=0.05)


def test_a_profile_stands_in_for_the_frame_it_was_made_of(told):
    """Through its text, and with figures that differ by its two percent at most."""
    reference = DataProfile.from_json(DataProfile.of(pd.DataFrame(columns())).to_json())
    raw = report_drift(columns(1, shift=10), columns())
    profiled = report_drift(columns(1, shift=10), reference)
    assert profiled["age"].effect == pytest.approx(raw["age"].effect, rel=0.05)
    assert profiled["sex"].effect == pytest.approx(raw["sex"].effect)


def test_profiles_of_partitions_add_up_to_that_of_the_whole():
    """In any order."""
    data = columns()
    parts = [{name: values[i::3] for name, values in data.items()} for i in range(3)]
    first, second, third = (DataProfile.of(part) for part in parts)
    assert third + (first + second) == DataProfile.of(data)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_missing_values_are_counted_and_not_compared(make, told):
    """NaN of one library, null of another."""
    gaps = {"age": [50.0, None] * 500, "sex": ["f", None] * 500, "n": [1, None] * 500}
    report_drift(make(gaps), make({**gaps, "gone": [1.0] * 1000}))
    found = kpis(told)
    assert [found["feature_missing_share", name] for name in gaps] == [0.5, 0.5, 0.5]
    assert [found[FEATURE_DRIFT, "age"], found[CATEGORY_DRIFT, "sex"]] == [0.0, 0.0]
    assert found[ABSENT, None] == 1


def test_a_column_of_names_is_not_compared(told):
    """Every row has another one; there is nothing to compare."""
    names = {"id": [f"p{n}" for n in range(3000)]}
    assert report_drift(names, names) == {}
    assert report_drift(names, DataProfile.of(names)) == {}


def test_a_column_that_changed_its_kind_has_drifted(told):
    """Numbers that arrive as text compare as text."""
    now = {"age": [f"{value:.0f} years" for value in columns()["age"]]}
    verdict = report_drift(now, {"age": np.round(columns()["age"])})["age"]
    assert verdict.effect == pytest.approx(1.0)


def test_only_the_wanted_columns_are_looked_at(told):
    """One that is not there is an error of whoever wrote the task."""
    assert set(report_drift(columns(), columns(), columns=["sex"])) == {"sex"}
    with pytest.raises(DataError, match=r"columns: has no such column \(got 'height'\)"):
        report_drift(columns(), columns(), columns=["height"])


def test_an_empty_frame_is_no_drift(told):
    """There is nothing to say about no rows."""
    empty = {"age": np.array([]), "sex": np.array([], dtype=object)}
    report_drift(empty, columns())
    assert kpis(told)[DRIFTED, None] == 0


@pytest.mark.parametrize("frame", [5, "text", None, [1, 2]])
def test_what_is_no_frame_is_refused(frame):
    """With what it is and what to give."""
    with pytest.raises(DataError, match="frame: is no data frame"):
        report_drift(frame, columns())


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"format": 9}', "null"])
def test_what_is_no_profile_is_refused(text):
    """Whatever it is."""
    with pytest.raises(DataError, match="is no profile of data"):
        DataProfile.from_json(text)
