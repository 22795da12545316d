"""A ScaledObject of the shape that KEDA documents (v2.17, scalers/cron and scalers/cpu)."""

from __future__ import annotations

import pytest

from aiops_provider.errors import DataError
from aiops_provider.profiling.capacity_export.keda import scaled_object
from aiops_provider.profiling.cron import parse_cron


def test_office_hours_are_one_trigger_above_the_least_level(schedule):
    made = scaled_object(schedule, name="claims-scorer", namespace="ml")
    assert (made["apiVersion"], made["kind"]) == ("keda.sh/v1alpha1", "ScaledObject")
    spec = made["spec"]
    assert spec["scaleTargetRef"] == {"name": "claims-scorer"}
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (1, 20)
    cron, cpu = spec["triggers"]
    assert cron == {
        "type": "cron",
        "metadata": {
            "timezone": "Europe/Berlin",
            "start": "55 8 * * 1,2,3,4,5",
            "end": "0 17 * * 1,2,3,4,5",
            "desiredReplicas": "10",
        },
    }
    assert cpu["metricType"] == "Utilization"
    assert 1 <= int(cpu["metadata"]["value"]) <= 100


def test_what_keda_refuses_is_never_made(restless):
    """Its validation: both expressions readable and different, at least one replica, texts only."""
    triggers = scaled_object(restless, name="a", namespace="b")["spec"]["triggers"]
    crons = [trigger["metadata"] for trigger in triggers if trigger["type"] == "cron"]
    assert len(crons) > 50
    for metadata in crons:
        assert parse_cron(metadata["start"]) != parse_cron(metadata["end"])
        assert int(metadata["desiredReplicas"]) >= 1
        assert all(isinstance(value, str) for value in metadata.values())


def test_a_constant_schedule_keeps_the_reaction_alone(make):
    """KEDA wants at least one trigger."""
    spec = scaled_object(make(night=100.0), name="a", namespace="b")["spec"]
    assert [trigger["type"] for trigger in spec["triggers"]] == ["cpu"]
    assert spec["minReplicaCount"] == 10


@pytest.mark.parametrize("name", ["", "Claims", "a b", "-a", "a" * 64, "a\nb"])
def test_names_that_kubernetes_would_refuse(schedule, name):
    with pytest.raises(DataError, match="name"):
        scaled_object(schedule, name=name, namespace="ml")
    with pytest.raises(DataError, match="namespace"):
        scaled_object(schedule, name="a", namespace=name)
