"""What a remote task is told about itself."""

import pytest

from aiops_provider.airflow.inner import carrier


def test_variables_arrive_and_the_trace_stays():
    """What Airflow put into the carrier is left as it was."""
    loaded = carrier.load({"traceparent": "00-1"}, {"AIOPS_CLUSTER": "eks"})
    environment = {}
    carrier.unload(loaded, environment)
    assert {"AIOPS_CLUSTER": "eks"} == environment
    assert "00-1" == loaded["traceparent"]


def test_nothing_but_our_own_variables_is_taken():
    """A carrier cannot change what else the process believes."""
    environment = {"PATH": "/bin"}
    carrier.unload(carrier.load(None, {"PATH": "/evil", "AIOPS_REGION": "r"}), environment)
    assert {"PATH": "/bin", "AIOPS_REGION": "r"} == environment


@pytest.mark.parametrize("said", [None, {}, {"aiops": 3}, {"aiops": "no json"}, {"aiops": "[1]"}])
def test_a_carrier_without_our_entry_changes_nothing(said):
    """Tasks that others placed run as ever."""
    environment = {}
    carrier.unload(said, environment)
    assert {} == environment
