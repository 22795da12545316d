"""A benchmark that was ended goes on from what it kept, and from nothing that is out of date."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.detection import kept_results, labelled_series
from benchmarks.detection.kept_results import Kept, KeptResults, fingerprint_of, source_digest
from benchmarks.detection.labelled_series import LabelledSeries
from benchmarks.detection.vus import _at_most, _TooSlowError


@pytest.fixture
def series() -> LabelledSeries:
    """Ten samples."""
    return LabelledSeries(name="a/b.csv", times=np.arange(10.0), values=np.ones(10), windows=())


def test_what_was_kept_is_found_again(tmp_path):
    """By another object, such as that of the next process; a stopped one is a result too."""
    results = KeptResults(tmp_path / "kept")
    done = Kept(vus=0.25, cpu_s=1.5, samples=10)
    stopped = Kept(vus=None, cpu_s=900.0, samples=10)
    results.put("nab", "forest (rrcf)", "one", done)
    results.put("nab", "forest (rrcf)", "two", stopped)
    again = KeptResults(tmp_path / "kept")
    assert done == again.get("nab", "forest (rrcf)", "one")
    assert stopped == again.get("nab", "forest (rrcf)", "two")
    assert again.get("nab", "forest (rrcf)", "three") is None
    assert again.get("nab", "another", "one") is None
    assert ["nab-forest-rrcf.json"] == [file.name for file in (tmp_path / "kept").iterdir()]


def test_without_a_folder_results_live_as_long_as_the_object():
    """Nothing is written anywhere."""
    results = KeptResults(None)
    results.put("nab", "peer", "one", Kept(vus=0.5, cpu_s=0.1, samples=10))
    assert 0.5 == results.get("nab", "peer", "one").vus
    assert KeptResults(None).get("nab", "peer", "one") is None


def test_another_series_seed_or_source_has_another_name(series):
    """So that what was kept of them does not count."""
    source = source_digest([kept_results])
    names = {
        fingerprint_of(series, 0, source),
        fingerprint_of(series, 1, source),
        fingerprint_of(series, 0, source_digest([kept_results, labelled_series])),
        fingerprint_of(replace(series, values=np.zeros(10)), 0, source),
        fingerprint_of(replace(series, windows=((1, 2),)), 0, source),
    }
    assert 5 == len(names)
    assert fingerprint_of(series, 0, source) in names


def test_who_takes_too_long_is_stopped_and_who_does_not_is_left_alone():
    """By CPU time of this process; the alarm is gone afterwards."""
    with pytest.raises(_TooSlowError), _at_most(0.05):
        _work(30.0)
    with _at_most(0.05):
        pass
    _work(0.1)


def _work(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
