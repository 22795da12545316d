"""What a user says goes over what we say."""

import doctest

import pytest

from aiops_provider.airflow.inner import aws_client, binding, carrier, merging, team_configuration
from aiops_provider.airflow.inner.merging import merged, own_words


@pytest.mark.parametrize("module", [aws_client, binding, carrier, merging, team_configuration])
def test_examples_hold(module):
    """What a docstring shows is what happens."""
    assert 0 == doctest.testmod(module).failed


def test_named_entries_are_merged_and_new_ones_added():
    """A task's container keeps what the task does not speak of."""
    ours = {"overrides": {"containerOverrides": [{"name": "airflow", "cpu": 512}]}}
    said = {
        "overrides": {
            "containerOverrides": [{"name": "airflow", "memory": 3072}, {"name": "sidecar"}],
            "cpu": "1024",
        }
    }
    expected = {
        "overrides": {
            "containerOverrides": [
                {"name": "airflow", "cpu": 512, "memory": 3072},
                {"name": "sidecar"},
            ],
            "cpu": "1024",
        }
    }
    assert expected == merged(ours, said)


def test_other_lists_are_replaced():
    """Nobody could tell their entries apart."""
    assert {"subnets": ["b"]} == merged({"subnets": ["a"]}, {"subnets": ["b"]})


def test_neither_side_is_changed():
    """Both belong to somebody else."""
    under, over = {"a": {"b": 1}}, {"a": {"c": 2}}
    assert {"a": {"b": 1, "c": 2}} == merged(under, over)
    assert ({"a": {"b": 1}}, {"a": {"c": 2}}) == (under, over)


def test_what_is_meant_for_us_is_not_passed_on():
    """No other executor knows it."""
    assert {"tags": {}} == own_words({"aiops": {"cluster": "eks"}, "tags": {}})
    assert {} == own_words(None)
