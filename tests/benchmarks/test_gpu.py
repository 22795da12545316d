"""The benchmark of accelerators on small data of the same format."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys

import pytest

from benchmarks.profiling import gpu_memory, gpu_throughput


def write(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def folder(tmp_path):
    """Unheard-of models and types; every job is twice as fast on the second type."""
    rows = [
        {"model": model, "batch_size": "", "gpus": gpus, "gpu_type": kind, "steps_per_s": rate}
        for model, speed in (("one", 3.0), ("two", 5.0), ("three", 40.0))
        for gpus in (1, 2)
        for kind, rate in (("x", speed * gpus), ("y", 2 * speed * gpus), ("z", 0))
    ]
    write(tmp_path / "gavel" / "throughputs.csv.gz", rows)
    runs = [
        {
            "Filename": f"input:{width}_output:10",
            "Activations-Params": str([("linear", width, width * (width + 1)), ("ReLU", width, 0)]),
            "Batch Size": 100,
            "Max GPU Memory (MiB)": 1500 + 20 * width * width / 2**20,
        }
        for width in range(200, 4200, 50)
    ]
    write(tmp_path / "gpumemnet" / "mlp.csv.gz", runs)
    return tmp_path


def test_it_works_on_other_files_of_the_format(folder):
    """What can be known exactly is predicted exactly, and a missing data set is left out."""
    command = [sys.executable, "-m", "benchmarks.profiling.gpu", "--data", str(folder)]
    done = subprocess.run(
        [*command, "--output", "json"], capture_output=True, text=True, check=False
    )
    report = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert all(must["met"] for must in report["musts"])
    value = {must["name"]: must["value"] for must in report["musts"]}
    assert value["gavel, any probe: median error %"] == pytest.approx(0, abs=1e-6)
    assert value["gpumemnet: MAPE %"] < 0.1
    assert not any(row["data"].startswith("mlperf") for row in report["rows"])


def test_throughput_of_nothing_is_no_measurement(folder):
    """A zero says that the model did not fit or was not run."""
    found = gpu_throughput.read_gavel(folder / "gavel")
    assert {one.accelerator for one in found} == {"x", "y"}


def test_published_sums_have_sources_and_agree():
    """At least twenty cases; none differs by more than what its figure is rounded to."""
    cases = gpu_memory.published_cases()
    assert len(cases) >= 20
    assert all(case.source for case in cases)
    for case in cases:
        assert case.ours_bytes == pytest.approx(case.expected_bytes, rel=0.005), case.name


def test_variants_with_another_target_are_one_family():
    """Else a model would be unseen beside its twin."""
    assert gpu_throughput.family("bert-99") == gpu_throughput.family("bert-99.9") == "bert"
