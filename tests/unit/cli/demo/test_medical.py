import numpy as np
import pytest

from aiops_provider.cli.demo import medical


@pytest.fixture
def folder(tmp_path):
    """A run whose records and features are written."""
    medical.transform(tmp_path, rows=1_500)
    medical.features(tmp_path)
    return tmp_path


def test_the_same_seed_makes_the_same_patients(tmp_path):
    """Two runs transform the same records."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert medical.transform(tmp_path / "a", rows=300) == medical.transform(
        tmp_path / "b", rows=300
    )
    first, second = (np.load(tmp_path / side / "records.npy") for side in "ab")
    assert np.array_equal(first, second)


def test_transform_writes_tumour_and_metabolism_of_every_possible_patient(tmp_path):
    """30 + 10 columns; records with a negative radius are dropped and not counted."""
    rows = medical.transform(tmp_path, rows=2_000)
    records = np.load(tmp_path / "records.npy")
    assert records.shape == (rows, 40)
    assert 1_900 < rows <= 2_000
    assert records[:, 0].min() > 0
    assert len(np.load(tmp_path / "malignant.npy")) == rows


def test_features_are_standardised_and_multiplied(folder):
    """The 40 columns have mean 0 and deviation 1; 45 products of the ten most telling follow."""
    table = np.load(folder / "features.npy")
    assert table.shape[1] == 85
    assert np.abs(table[:, :40].mean(axis=0)).max() < 1e-3
    assert np.abs(table[:, :40].std(axis=0) - 1).max() < 1e-3


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (medical.MANY_ROWS - 1, ("linear", "forest")),
        (medical.MANY_ROWS, ("linear", "boosting")),
    ],
)
def test_the_branch_looks_at_the_number_of_rows(rows, expected):
    """From MANY_ROWS on the larger candidate is another one."""
    assert medical.choose_candidates(rows) == expected


@pytest.mark.parametrize("candidate", medical.CANDIDATES)
def test_training_reports_every_batch_and_beats_guessing(folder, candidate):
    """Batches are numbered from 0; the last precision is returned and beats the base rate."""
    seen = []
    precision = medical.train(
        candidate, folder, on_batch=lambda batch, value: seen.append((batch, value))
    )
    assert [batch for batch, _ in seen] == list(range(len(seen)))
    assert len(seen) >= 6
    assert precision == seen[-1][1]
    assert precision > np.load(folder / "malignant.npy").mean() + 0.3
    assert (folder / f"{candidate}.joblib").is_file()


def test_serving_answers_every_request_and_reports_its_rate(folder):
    """The load generator sees scores only, and the rate is reported while it goes on."""
    medical.train("linear", folder, on_batch=lambda *_: None)
    rates = []
    served = medical.serve(
        folder, "linear", seconds=1.3, on_second=lambda rate, latency: rates.append((rate, latency))
    )
    assert served.failures == 0
    assert served.requests > 0
    assert served.requests_per_s == pytest.approx(served.requests / 1.3)
    assert served.latency_p95_ms > 0
    assert all(rate > 0 and latency > 0 for rate, latency in rates)


def test_a_run_has_a_folder_whatever_its_id(tmp_path, monkeypatch):
    """Run ids hold colons and pluses; folders do not."""
    monkeypatch.setenv("AIOPS_DEMO_DATA", str(tmp_path))
    folder = medical.run_folder("manual__2026-01-05T10:00:00+00:00/..")
    assert folder.is_dir()
    assert folder.parent == tmp_path / "runs"
