"""Scoring detections by files."""

import json

import pytest

from aiops_provider.control.score_file import figures, score_file
from aiops_provider.errors import DataError

MINUTES = [f"2026-03-01T{i // 60:02}:{i % 60:02}:00" for i in range(600)]


@pytest.fixture
def detections(tmp_path):
    """One series a minute apart; detected at 300 and falsely at 500."""
    file = tmp_path / "detections.csv"
    rows = [f"{at},{0.9 if i in (300, 500) else 0.1},web" for i, at in enumerate(MINUTES)]
    file.write_text("\n".join(["observed_at,score,series", *rows]))
    return file


def test_windows_points_and_nab_json_say_the_same(tmp_path, detections):
    """Three ways to label one anomaly from 300 to 320."""
    windows = tmp_path / "windows.csv"
    windows.write_text(f"series,begin,end\nweb,{MINUTES[300]},{MINUTES[320]}\n")
    points = tmp_path / "points.csv"
    rows = [f"web,{at},{int(300 <= i <= 320)}" for i, at in enumerate(MINUTES)]
    points.write_text("\n".join(["series,observed_at,label", *rows]))
    nab = tmp_path / "nab.json"
    nab.write_text(json.dumps({"web": [[MINUTES[300], MINUTES[320]]]}))
    found = [figures(score_file(detections, labels)) for labels in (windows, points, nab)]
    assert found[0] == found[1] == found[2]
    assert (1, 2, 1) == (found[0]["events"], found[0]["alarms"], found[0]["false_alarms"])
    assert pytest.approx(2 / 3) == found[0]["event_f1"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("observed_at,score\nyesterday,0.5\n", "observed_at: is no moment"),
        ("observed_at,score\n2026-03-01T00:00:00Z,1.5\n", "score: is no number in"),
        ("observed_at,score\n", "holds no samples"),
    ],
)
def test_detections_that_cannot_be_used_are_refused(tmp_path, content, said):
    """The message names what to mend."""
    file, labels = tmp_path / "detections.csv", tmp_path / "labels.csv"
    file.write_text(content)
    labels.write_text("begin,end\n")
    with pytest.raises(DataError, match=said):
        score_file(file, labels)


def test_labels_of_a_series_that_was_not_scored_are_refused(tmp_path, detections):
    """A misspelt name must not look like a missed anomaly."""
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps({"wbe": [[MINUTES[0], MINUTES[1]]]}))
    with pytest.raises(DataError, match="labelled but was not scored"):
        score_file(detections, labels)
