"""The streaming state of many series."""

import numpy as np
import pytest

from aiops_provider.detection.streaming.bank import StreamBank
from aiops_provider.detection.streaming.tails import WARM_UP


def feed(bank: StreamBank, values: np.ndarray, *, start: int = 0) -> np.ndarray:
    """p-values of series (first axis) observed every five minutes."""
    rows = np.arange(len(values))
    return np.array(
        [
            bank.score(rows, np.full(len(rows), 300.0 * (start + i)), values[:, i])
            for i in range(values.shape[1])
        ]
    ).T


def noise(series: int, samples: int) -> np.ndarray:
    return 50.0 + np.random.default_rng(3).normal(size=(series, samples))


def test_the_first_150_samples_have_no_p_value():
    """What is not known yet is not judged."""
    p_values = feed(StreamBank(2), noise(2, WARM_UP + 10))
    assert np.isnan(p_values[:, :WARM_UP]).all()
    assert not np.isnan(p_values[:, WARM_UP:]).any()


@pytest.mark.parametrize(
    "break_it",
    [lambda v: v + 12.0, lambda v: 50.0 + 8.0 * (v - 50.0), lambda v: np.full_like(v, 50.0)],
    ids=["level", "restlessness", "flat line"],
)
def test_a_break_is_seen_within_forty_samples(break_it):
    """A shift of the level, an eightfold spread and a sudden rest all stand out."""
    values = noise(1, 1_200)
    values[0, 1_000:] = break_it(values[0, 1_000:])
    p_values = feed(StreamBank(1), values)[0]
    assert p_values[1_000:1_040].min() < 0.02 < np.median(p_values[600:1_000])


def test_a_series_is_judged_by_itself_alone():
    """What other series do, and in which company a sample arrives, changes nothing."""
    values = noise(3, 400)
    together = feed(StreamBank(3), values)
    alone = feed(StreamBank(1), values[1:2])
    assert np.array_equal(alone[0], together[1], equal_nan=True)


def test_a_stored_state_goes_on_as_if_nothing_had_happened():
    """A restart relearns nothing."""
    values = noise(2, 500)
    whole = feed(StreamBank(2), values)
    first, second = StreamBank(2), StreamBank(2)
    feed(first, values[:, :300])
    second.restore(first.state())
    assert np.array_equal(whole[:, 300:], feed(second, values[:, 300:], start=300))


def test_a_state_of_other_series_is_refused():
    """Better no memory than that of others."""
    with pytest.raises(ValueError, match="does not fit 3 series"):
        StreamBank(3).restore(StreamBank(2).state())


def test_growing_keeps_what_is_known():
    """New series join; the old ones go on."""
    values = noise(1, 400)
    whole = feed(StreamBank(1), values)
    bank = StreamBank(1)
    feed(bank, values[:, :200])
    bank.grow(5)
    assert 5 == len(bank)
    assert np.array_equal(whole[:, 200:], feed(bank, values[:, 200:], start=200))


def test_constant_series_and_huge_values_give_numbers():
    """No overflow, no division by zero, no false certainty."""
    values = np.zeros((2, 400))
    values[1] = 1e15
    p_values = feed(StreamBank(2), values)
    assert 1.0 == p_values[:, WARM_UP:].min()
    values[1, -1] = -1e200
    assert np.isfinite(feed(StreamBank(2), values)[:, WARM_UP:]).all()


def test_the_hot_state_of_a_series_is_below_8_kb():
    """A hundred thousand series fit in a gigabyte."""
    assert StreamBank(100).bytes_per_series <= 8_192
