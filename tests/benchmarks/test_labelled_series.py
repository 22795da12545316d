"""Benchmarks read any folder of the data sets' format."""

import gzip
import json

import numpy as np
import pytest

from benchmarks.detection.causal_peers import PEERS, stream_p_values
from benchmarks.detection.labelled_series import read_cloud_monitoring, read_nab


@pytest.fixture
def nab(tmp_path):
    lines = [
        f"2026-03-{1 + i // 288:02} {i % 288 // 12:02}:{i % 12 * 5:02}:00,{i % 7}"
        for i in range(600)
    ]
    (tmp_path / "own").mkdir()
    with gzip.open(tmp_path / "own" / "a.csv.gz", "wt") as stream:
        stream.write("\n".join(["timestamp,value", *lines]))
    spans = {"own/a.csv": [["2026-03-01 10:00:00.000000", "2026-03-01 10:30:00.000000"]]}
    (tmp_path / "combined_windows.json").write_text(json.dumps(spans))
    return tmp_path


def test_windows_of_time_become_windows_of_samples(nab):
    """Both ends of a window are inside."""
    (series,) = read_nab(nab)
    assert ((120, 126),) == series.windows
    assert 300.0 == series.cadence_s


def test_labelled_points_become_windows(tmp_path):
    """Quoted cells and moments with time zone, as some of Microsoft's files have them."""
    (tmp_path / "web").mkdir()
    rows = ['"2018-04-25T00:00:00Z","1","0"', '"2018-04-25T00:01:00Z","9","1"']
    with gzip.open(tmp_path / "web" / "a.csv.gz", "wt") as stream:
        stream.write("\n".join(["TimeStamp,Value,Label", *rows]))
    (series,) = read_cloud_monitoring(tmp_path)
    assert ((1, 1),) == series.windows


def test_every_detector_gives_each_sample_a_score_in_0_to_1(nab):
    """None looks ahead: what comes later changes no earlier score."""
    (series,) = read_nab(nab)
    for scorer in PEERS.values():
        scores = scorer(series, 0)
        assert len(series.values) == len(scores)
        assert np.all((scores >= 0.0) & (scores <= 1.0))
    (p_values,) = stream_p_values([series])
    assert np.all((p_values > 0.0) & (p_values <= 1.0))
