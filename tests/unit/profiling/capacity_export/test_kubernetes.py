"""An autoscaler of ``autoscaling/v2`` and the patches of its floor."""

from __future__ import annotations

import json

from aiops_provider.profiling.capacity_export.kubernetes import autoscaler, patches


def test_the_autoscaler_reacts_between_floor_and_maximum(schedule):
    made = autoscaler(schedule, name="claims", namespace="ml")
    assert (made["apiVersion"], made["kind"]) == ("autoscaling/v2", "HorizontalPodAutoscaler")
    spec = made["spec"]
    assert spec["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": "claims",
    }
    assert (spec["minReplicas"], spec["maxReplicas"]) == (1, 20)
    (metric,) = spec["metrics"]
    assert metric["type"] == "Resource"
    assert 1 <= metric["resource"]["target"]["averageUtilization"] <= 100
    assert spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 300


def test_patches_move_the_floor_alone(schedule):
    first, second = patches(schedule, name="claims", namespace="ml")
    assert first.cron == "55 8 * * 1,2,3,4,5"
    assert first.command[:6] == ("kubectl", "-n", "ml", "patch", "hpa", "claims")
    assert json.loads(first.command[-1]) == {"spec": {"minReplicas": 10}}
    assert json.loads(second.command[-1]) == {"spec": {"minReplicas": 1}}


def test_zero_stays_one(make):
    """minReplicas of zero needs a feature gate."""
    made = make(night=0.0, minimum=0)
    assert made.smallest == 0
    assert autoscaler(made, name="a", namespace="b")["spec"]["minReplicas"] == 1
    assert '{"spec":{"minReplicas":0}}' not in str(patches(made, name="a", namespace="b"))


def test_the_api_takes_an_hour_at_most(make):
    made = autoscaler(make(cold_start_s=7200.0), name="a", namespace="b")
    assert made["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 3600
