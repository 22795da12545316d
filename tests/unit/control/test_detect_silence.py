"""Silence in a replayed file: judged as the file's own time passes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.control.detect_file import detect_file
from aiops_provider.errors import DataError

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
CLUSTERS = ("eks", "aks", "gke", "onprem")


def write(file, reports, *, minutes=480, more=()):
    """A sample of each of twelve tasks each minute, a quarter on each cluster."""
    rows = ["observed_at,name,value,dag,task,cluster"]
    for minute in range(minutes):
        at = (MONDAY + timedelta(minutes=minute)).isoformat()
        rows += [
            f"{at},requests_per_s,{100 + n},d{n % 3},t{n},{CLUSTERS[n % 4]}"
            for n in range(12)
            if reports(minute, n)
        ]
    file.write_text("\n".join([*rows, *more]))
    return file


def test_a_cluster_that_is_silent_for_an_hour(tmp_path):
    """One super-alarm within minutes, resolved when it reports again."""
    file = write(tmp_path / "k.csv", lambda minute, n: n % 4 or not 300 <= minute < 360)
    found = detect_file(file)

    (told,) = found.super_alarms
    assert {"cluster": "eks"} == told.root_cause.best.cause
    assert 300 <= (told.opened_at - MONDAY) / timedelta(minutes=1) <= 310
    assert told.closed_at is not None
    assert 3 == len(found.alarms)


def test_a_hole_in_the_whole_file_is_told(tmp_path):
    """Time passes between two samples as well, and somebody who waits would miss all series."""
    (told,) = detect_file(
        write(tmp_path / "k.csv", lambda minute, n: not 300 <= minute < 360)
    ).super_alarms

    assert "12 series of 12 tasks are not reported any more" in told.summary
    assert told.opened_at < MONDAY + timedelta(minutes=310)


def test_one_clock_that_is_years_ahead_makes_nobody_silent(tmp_path):
    """Time has come so far only when several samples say so."""
    wild = "2031-01-01T00:00:00+00:00,requests_per_s,100,d0,t0,eks"
    found = detect_file(write(tmp_path / "k.csv", lambda minute, n: True, more=[wild]))

    assert () == found.super_alarms
    assert [] == [one for one in found.alarms if one.series.name == "silence_s"]


@pytest.mark.parametrize("moment", ["nan", "NaT", "inf", ""])
def test_a_moment_that_is_none_is_refused(tmp_path, moment):
    """The message names the row and the column."""
    file = write(
        tmp_path / "k.csv", lambda minute, n: True, minutes=3,
        more=[f"{moment},requests_per_s,100,d0,t0,eks"],
    )  # fmt: skip
    with pytest.raises(DataError, match="observed_at"):
        detect_file(file)


def test_a_moment_that_is_none_in_parquet_is_refused(tmp_path):
    """NaT of pandas is no moment either."""
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame(
        {"observed_at": [MONDAY, pandas.NaT], "name": ["a", "a"], "value": [1.0, 2.0]}
    )
    frame.to_parquet(tmp_path / "k.parquet")
    with pytest.raises(DataError, match="observed_at"):
        detect_file(tmp_path / "k.parquet")
