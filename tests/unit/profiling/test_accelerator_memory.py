"""Sums of accelerator memory, and what is learned on top."""

from __future__ import annotations

import pytest

from aiops_provider.domain.workload import ModelCandidate
from aiops_provider.profiling.accelerator_memory import (
    LearnedMemory,
    key_value_cache_gib,
    training_states,
)
from aiops_provider.profiling.priors.architectures import architecture_of, published_architecture


@pytest.mark.parametrize(
    ("precision", "optimizer", "expected"),
    [
        ("fp32", "adam", 16),
        ("bf16", "AdamW", 16),
        ("bf16", "adamw_8bit", 10),
        ("fp32", "sgd", 8),
        ("pure_bf16", "adam", 12),
        ("fp16", "never heard of", 16),
    ],
)
def test_bytes_per_weight(precision: str, optimizer: str, expected: float):
    """Weights, gradients, moments and, in mixed precision, the fp32 copy."""
    assert training_states(precision, optimizer).per_weight == expected


def test_states_are_sharded_as_published():
    """ZeRO, figure 1: 7.5e9 weights on 64 devices."""
    states = training_states("fp16")
    gigabytes = [states.gib(7.5e9, devices=64, stage=n) * 2**30 / 1e9 for n in range(4)]
    assert gigabytes == pytest.approx([120, 31.4, 16.6, 1.88], rel=0.005)


def test_there_is_no_fourth_stage():
    """ZeRO has three stages."""
    with pytest.raises(ValueError, match="stage must be 0 to 3, got 4"):
        training_states("fp16").gib(1e9, stage=4)


def test_grouped_queries_keep_fewer_heads():
    """Llama 3 70B keeps 320 KiB a token."""
    known = published_architecture("meta-llama/Meta-Llama-3-70B-Instruct")
    assert known is not None
    gib = key_value_cache_gib(
        layers=known.layers, kv_heads=known.kv_heads, head_width=known.head_width, tokens=1
    )
    assert gib * 2**20 == pytest.approx(320)


@pytest.mark.parametrize("name", ["distilbert-base", "gpt-3.5", "adopt-13b", "", "llama-2-70bx"])
def test_a_name_that_only_looks_like_a_published_one_is_unknown(name: str):
    """Nothing is guessed from a part of a word."""
    assert published_architecture(name) is None


def test_hyperparameters_win_over_the_name():
    """A config.json in the description is more definite than a name."""
    said = {"num_hidden_layers": 4, "hidden_size": 256, "num_attention_heads": 8}
    known = architecture_of(ModelCandidate(name="llama-3-8b", hyperparameters=said))
    assert known is not None
    assert (known.layers, known.kv_heads, known.head_width) == (4, 8, 32)


def test_what_libraries_add_is_learned():
    """A constant and a factor on the sums are found, and the margin covers all but one in 100."""
    runs = [{"states": float(n)} for n in range(1, 201)]
    peaks = [1.5 + 1.3 * n * (1.02 if n % 2 else 0.98) for n in range(1, 201)]
    answer = LearnedMemory(runs, peaks).predict({"states": 50.0})
    assert answer.expected_gib == pytest.approx(66.5, rel=0.01)
    assert answer.enough_gib == pytest.approx(answer.expected_gib * 1.02, rel=0.01)


def test_a_part_that_no_run_had_counts_as_it_is():
    """A cache is no smaller because trainings had none."""
    learned = LearnedMemory(
        [{"states": float(n)} for n in range(1, 11)], [1.0 + n for n in range(1, 11)]
    )
    assert learned.predict({"states": 2.0, "cache": 5.0}).expected_gib == pytest.approx(8.0)


@pytest.mark.parametrize(("peaks", "message"), [([1.0], "too few"), ([0.0] * 8, "positive")])
def test_runs_that_teach_nothing_are_refused(peaks: list[float], message: str):
    """Too few runs, or a peak of nothing."""
    with pytest.raises(ValueError, match=message):
        LearnedMemory([{"states": 1.0}] * len(peaks), peaks)
