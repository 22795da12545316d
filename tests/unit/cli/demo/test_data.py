import numpy as np

from aiops_provider.cli.demo.data import data_folder, smoothed_bootstrap, tumours


def test_a_bootstrap_without_noise_is_a_choice_of_rows():
    """Jitter 0 copies the chosen rows."""
    data = np.arange(12.0).reshape(4, 3)
    drawn = smoothed_bootstrap(data, np.array([3, 0]), np.random.default_rng(1), jitter=0.0)
    assert np.array_equal(drawn, data[[3, 0]].astype("float32"))


def test_a_bootstrap_keeps_the_means_of_the_data():
    """Many rows have the means of the data they were drawn from, within their standard error."""
    data, _, _ = tumours()
    generator = np.random.default_rng(1)
    drawn = smoothed_bootstrap(data, generator.integers(0, len(data), 40_000), generator)
    error = (drawn.mean(axis=0) - data.mean(axis=0)) / (drawn.std(axis=0) / np.sqrt(len(drawn)))
    assert np.abs(error).max() < 5


def test_the_data_folder_is_the_one_that_is_named(tmp_path, monkeypatch):
    """The variable decides where the pipelines keep their data."""
    monkeypatch.setenv("AIOPS_DEMO_DATA", str(tmp_path))
    assert data_folder() == tmp_path


def test_without_a_name_the_data_folder_is_temporary(monkeypatch):
    """Somebody who tries the DAGs in an Airflow of their own needs no variable."""
    monkeypatch.delenv("AIOPS_DEMO_DATA", raising=False)
    assert data_folder().name == "aiops-demo"
