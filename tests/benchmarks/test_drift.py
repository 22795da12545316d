"""The drift benchmark counts what the libraries tell, of the very data that ours sees."""

import gzip
import json
import sys

import numpy as np
import pytest

from benchmarks.command import run
from benchmarks.detection import drift, drift_libraries

_HEADER = "car_value,debt_to_income_ratio,driver_tenure"


@pytest.fixture
def folder(tmp_path):
    """Stable features but for the value of the car, which doubles in the middle."""
    own = tmp_path / "nannyml_car_loan"
    own.mkdir()
    rng = np.random.default_rng(2)
    for period, late in (("reference", 1.0), ("analysis", 2.0)):
        rows = rng.normal([30.0, 0.5, 5.0], [3.0, 0.1, 1.0], size=(1_000, 3))
        rows[500:, 0] *= late
        lines = [_HEADER, *(",".join(f"{value:.4f}" for value in row) for row in rows)]
        with gzip.open(own / f"synthetic_car_loan_{period}.csv.gz", "wt") as stream:
            stream.write("\n".join(lines))
    return tmp_path


def test_ours_tells_the_drift_at_once_and_absent_libraries_are_named(folder, capsys, monkeypatch):
    monkeypatch.setattr(drift, "_ROWS", (100,))
    report = _run(monkeypatch, capsys, folder)
    rows = {(row["peer"], row.get("rows")): row for row in report["rows"]}
    assert 0.0 == rows["aiops, drifting", 250]["delay, chunks"]
    assert 0.0 == rows["aiops, drifting", 25]["delay, chunks"]
    assert 2 * 3 == rows["aiops, drifting", 250]["comparisons"]  # before the middle, three features
    assert {f"{name}: not run" for name in drift.LIBRARIES} <= {name for name, _ in rows}


def test_a_library_without_its_package_ends_the_benchmark(folder, capsys, monkeypatch):
    monkeypatch.setattr(drift, "_ROWS", (100,))
    with pytest.raises(RuntimeError, match=r"frouros failed:(.|\n)*No module named 'frouros'"):
        _run(monkeypatch, capsys, folder, "--peer", f"frouros={sys.executable}")


def test_a_peer_that_nobody_knows_is_refused(folder, capsys, monkeypatch):
    with pytest.raises(SystemExit):
        _run(monkeypatch, capsys, folder, "--peer", "whylogs=python3")
    assert "is not LIBRARY=PYTHON with one of evidently" in capsys.readouterr().err


def test_pairs_of_a_peer_come_from_one_column_and_chunks_from_the_other(tmp_path):
    """A test that tells larger means tells no resample, and every chunk of a period that rose."""
    reference, analysis = tmp_path / "reference.npy", tmp_path / "analysis.npy"
    np.save(reference, np.arange(100.0))
    np.save(analysis, np.arange(100.0) + 1_000.0)
    request = {
        "features": [{"name": "x", "reference": str(reference), "analysis": str(analysis)}],
        "sizes": [10],
        "chunks": [30],
        "resamples": 50,
        "limit_s": 60.0,
        "seed": 0,
        "level": 0.01,
    }
    found = drift_libraries._pairwise(
        request, {"mean": lambda left, right: bool(right.mean() > left.mean() + 500.0)}
    )
    expected = {"stable": {"10": {"hits": 0, "comparisons": 50}}, "told": {"30": {"x": [True] * 3}}}
    assert expected == found["mean"]


def _run(monkeypatch, capsys, folder, *arguments):
    arguments = ["--data", str(folder), "--resamples", "5", "--output", "json", *arguments]
    monkeypatch.setattr(sys, "argv", ["-", *arguments])
    run("detection", drift.measure, add_options=drift._options)
    return json.loads(capsys.readouterr().out)
