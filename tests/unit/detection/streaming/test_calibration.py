"""p-values of the streaming bank on noise of several kinds."""

import numpy as np
import pytest

from aiops_provider.detection.streaming.bank import StreamBank
from aiops_provider.detection.streaming.calibration import p_value_of

SERIES, SAMPLES, SKIPPED = 40, 2_000, 600


def autoregressive(noise: np.ndarray, phi: float) -> np.ndarray:
    values = noise.copy()
    for i in range(1, values.shape[1]):
        values[:, i] += phi * values[:, i - 1]
    return values


def noise_of(kind: str) -> np.ndarray:
    rng = np.random.default_rng(7)
    normal = rng.normal(size=(SERIES, SAMPLES))
    return {
        "normal": lambda: 100.0 + normal,
        "student": lambda: rng.standard_t(4, size=normal.shape),
        "log-normal": lambda: np.exp(0.5 * normal),
        "poisson": lambda: rng.poisson(3, size=normal.shape).astype(float),
        "autoregressive": lambda: autoregressive(normal, 0.9),
    }[kind]()


@pytest.mark.parametrize("kind", ["normal", "student", "log-normal", "poisson", "autoregressive"])
def test_noise_is_below_a_p_value_no_more_often_than_it_says(kind):
    """Half as often again is allowed for: neighbouring samples are not independent."""
    values = noise_of(kind)
    bank, rows = StreamBank(SERIES), np.arange(SERIES)
    p_values = np.array(
        [bank.score(rows, np.full(SERIES, 300.0 * i), values[:, i]) for i in range(SAMPLES)]
    )[SKIPPED:]
    for alpha in (0.1, 0.01, 0.003):
        assert float((p_values < alpha).mean()) <= 1.5 * alpha


def test_more_surprise_is_a_smaller_p_value():
    """The map is monotone, and never leaves (0, 1]."""
    p_values = p_value_of(np.linspace(0.0, 500.0, 2_000))
    assert np.all(np.diff(p_values) <= 0.0)
    assert 1.0 == p_values[0]
    assert p_values[-1] > 0.0
