"""Change points are scored as where their annotations come from."""

import gzip
import json
import sys

import numpy as np
import pytest

from benchmarks.command import run
from benchmarks.detection import change_points
from benchmarks.detection.change_points import Annotated, agreed, by_engine, f1_of, read


def test_the_begin_counts_as_told_and_recall_is_the_mean_over_people():
    """Precision 2 of 3 against anybody's marks; recall 2 of 2 and 2 of 3, the begin included."""
    f1 = f1_of([10, 52], {"a": [50], "b": [50, 90]})
    precision, recall = 2 / 3, (1.0 + 2 / 3) / 2
    assert 2 * precision * recall / (precision + recall) == pytest.approx(f1)


def test_a_place_serves_one_change_only():
    """Two marks six samples apart need two places."""
    marks = {"a": [50, 56]}
    assert f1_of([53], marks) < f1_of([50, 56], marks) == 1.0


@pytest.mark.parametrize(("place", "right"), [(45, True), (55, True), (44, False), (56, False)])
def test_the_margin_is_five_samples_either_way(place, right):
    assert (f1_of([place], {"a": [50]}) == 1.0) is right


def test_what_most_people_marked_has_one_place():
    """Three of four within the margin; what two marked is nobody's consensus."""
    marks = {"a": [50, 200], "b": [52], "c": [53, 203], "d": []}
    assert [52] == agreed(marks)


def test_the_engine_raises_an_alarm_where_a_level_falls():
    """Half a day of samples; every one but the fall is as usual."""
    rng = np.random.default_rng(3)
    values = 100.0 + rng.normal(size=300)
    values[200:] -= 60.0
    series = Annotated(
        name="fall",
        times=300.0 * np.arange(300),
        columns={"level": values},
        changes={"a": [200]},
    )
    assert [200] == by_engine(series)


@pytest.fixture
def folder(tmp_path):
    """The data set's format with made-up values, and its name of a folder."""
    own = tmp_path / "river_changepoints"
    own.mkdir()
    rng = np.random.default_rng(1)
    for name, columns in change_points._COLUMNS.items():
        lines = [",".join(["time", *columns])]
        for hour in range(90):
            figures = (f"{value:.4f}" for value in rng.normal(size=len(columns)))
            lines.append(",".join([f"2026-03-{1 + hour // 24:02} {hour % 24:02}:00:00", *figures]))
        with gzip.open(own / f"{name}.csv.gz", "wt") as stream:
            stream.write("\n".join(lines))
    marks = {name: {"6": [10], "7": [10], "8": [11]} for name in change_points._COLUMNS}
    (own / "annotations.json").write_text(json.dumps(marks))
    return tmp_path


def test_every_third_day_of_apple_is_seen(folder):
    apple, *others = read(folder / "river_changepoints")
    assert 30 == len(apple.times)
    assert {90} == {len(one.times) for one in others}


def test_libraries_that_are_not_there_are_said_to_be_missing(folder, capsys, monkeypatch):
    """No limit is claimed against peers that did not run."""
    report = _run(monkeypatch, capsys, folder)
    assert [] == report["musts"]
    missing = [row["peer"] for row in report["rows"] if "not run" in row["peer"]]
    assert ["river: not run", "ruptures: not run"] == missing


def test_a_library_that_fails_ends_the_benchmark_with_its_own_words(folder, capsys, monkeypatch):
    """This interpreter has no ruptures."""
    with pytest.raises(RuntimeError, match=r"ruptures failed:(.|\n)*No module named 'ruptures'"):
        _run(monkeypatch, capsys, folder, "--peer", f"ruptures={sys.executable}")


def _run(monkeypatch, capsys, folder, *arguments):
    monkeypatch.setattr(sys, "argv", ["-", "--data", str(folder), "--output", "json", *arguments])
    run("detection", change_points.measure, add_options=change_points._options)
    return json.loads(capsys.readouterr().out)
