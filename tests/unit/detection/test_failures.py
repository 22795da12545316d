"""Failed tries."""

from __future__ import annotations

from aiops_provider.detection.failures import FailureDetector

DETECTOR = FailureDetector()


def test_a_success_is_never_an_alarm(sample, past):
    """Value 0 is p = 1."""
    assert 1.0 == DETECTOR.score(sample(0.0, "task_failed"), past([1.0] * 20)).p_value


def test_the_first_failure_of_a_new_task_is_told(sample, past):
    """There is no warm-up: a failure is a fact."""
    verdict = DETECTOR.score(sample(1.0, "task_failed"), past([]))

    assert verdict.event
    assert 0.05 == verdict.p_value


def test_a_reliable_task_failing_is_more_surprising(sample, past):
    """The p-value follows the task's own history."""
    verdict = DETECTOR.score(sample(1.0, "task_failed"), past([0.0] * 90))

    assert verdict.event
    assert 0.005 == verdict.p_value


def test_one_more_failure_of_a_flaky_task_is_no_news(sample, past):
    """A task that fails in a third of its tries does not alarm each time …"""
    assert not DETECTOR.score(sample(1.0, "task_failed"), past([0.0, 0.0, 1.0] * 20)).event


def test_a_flaky_task_that_fails_all_the_time_is_told(sample, past):
    """… but when it fails all the time it does."""
    history = past([0.0, 0.0, 1.0] * 20 + [1.0] * 9)
    verdict = DETECTOR.score(sample(1.0, "task_failed"), history)

    assert verdict.event
    assert "10 of the last 10" in verdict.reason
