"""The streaming detector behind the judge."""

from datetime import timedelta

import numpy as np

from aiops_provider.detection.judge import Judge
from aiops_provider.detection.rules_file import load_rules
from aiops_provider.detection.streaming.detector import StreamingDetector

RULES = """
version: 1
rules:
  - name: dense
    when: kpi == "rows"
    detector: streaming
"""


def noise(count: int) -> list[float]:
    return list(np.random.default_rng(5).normal(100.0, 1.0, size=count))


def test_a_series_met_for_the_first_time_is_judged_by_its_past(sample, past):
    """The baseline is replayed, so a restart does not blind it."""
    detector = StreamingDetector()
    history = past(noise(900), every_h=0.1)
    usual, far = sample(100.0), sample(160.0, hours=0.1)
    assert detector.score(usual, history).p_value > 0.05
    assert detector.score(far, history).p_value < 0.01


def test_a_sample_that_is_not_newer_is_not_judged(sample, past):
    """Late and repeated samples must not disturb what streams."""
    detector = StreamingDetector()
    history = past(noise(900), every_h=0.1)
    first = sample(100.0)
    detector.score(first, history)
    assert detector.score(first, history) is None


def test_a_rule_chooses_it_beside_the_seasonal_comparison(sample, past):
    """The smaller of both p-values is doubled; a wide jump is told by either."""
    judge = Judge(load_rules(RULES, "rules.yaml"), minimum_history=8)
    verdict = judge.verdict(sample(160.0), past(noise(900), every_h=0.1))
    assert verdict.p_value < 1e-4


def test_many_series_are_kept_apart(sample, past):
    """More series than the first room holds, each with its own past."""
    detector = StreamingDetector()
    history = past(noise(300), every_h=0.1)
    for number in range(20):
        assert detector.score(sample(100.0, task=str(number)), history) is not None
    later = sample(100.0, task="0", hours=timedelta(minutes=6) / timedelta(hours=1))
    assert detector.score(later, history).p_value > 0.01
