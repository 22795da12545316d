"""How fresh the word about a cluster is."""

from aiops_provider.airflow.inner.health_probe import HealthProbe
from aiops_provider.domain.cluster import HealthState
from aiops_provider.errors import ClusterUnreachableError


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def probe(check, clock):
    return HealthProbe("eks", check, period_s=2, timeout_s=1, clock=clock)


def test_nothing_is_known_before_the_first_answer():
    """Neither healthy nor unreachable."""
    assert HealthState.UNKNOWN is probe(lambda: None, Clock()).health().state


def test_a_first_answer_that_never_comes_makes_it_unreachable():
    """A probe that hangs from the start must not keep tasks waiting for ever."""
    clock = Clock()
    asked = probe(lambda: None, clock)
    clock.now = 41
    assert HealthState.UNREACHABLE is asked.health().state


def test_an_answer_grows_old():
    """After a period and two time limits without news the cluster counts as unreachable."""
    clock = Clock()
    asked = probe(lambda: None, clock)
    asked.ask()
    clock.now = 4
    assert HealthState.HEALTHY is asked.health().state
    clock.now = 4.1
    assert HealthState.UNREACHABLE is asked.health().state
    assert "no answer for 4 s" == asked.health().detail


def test_the_reason_is_told():
    """Whatever the probe raises is why."""

    def refused():
        raise ClusterUnreachableError("connection refused")

    def broken():
        raise KeyError("queues")

    for check, reason in ((refused, "connection refused"), (broken, "KeyError")):
        asked = probe(check, Clock())
        asked.ask()
        assert HealthState.UNREACHABLE is asked.health().state
        assert reason in asked.health().detail
