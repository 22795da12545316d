"""What an API server tells about the cluster as a whole, by the genuine client over real HTTP."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from aiops_provider.clusters.kubernetes import metrics
from aiops_provider.clusters.kubernetes.metrics import KubernetesMetrics
from aiops_provider.clusters.kubernetes.options import KubernetesOptions
from aiops_provider.errors import MetricsError

pytest.importorskip("kubernetes", reason="the extra kubernetes is not installed")

pytestmark = pytest.mark.filterwarnings("default")  # the client's own


@pytest.fixture
def source(kubernetes):
    def make(context="here", timeout_s=5.0):
        options = KubernetesOptions(kubeconfig=str(kubernetes.kubeconfig), context=context)
        return KubernetesMetrics(options, timeout_s=timeout_s)

    return make


def read(source, later_s=0.0):
    answer = source.read(datetime.now(UTC) + timedelta(seconds=later_s))
    return {one.name: one.value for one in answer.found}, dict(answer.missing)


def pod(name, cores="1", command=("true",)):
    container = {
        "name": "base",
        "image": "i",
        "command": list(command),
        "resources": {"requests": {"cpu": cores}},
    }
    return {"metadata": {"name": name}, "spec": {"containers": [container]}}


def event(name, reason, count=1, namespace="default"):
    return {
        "metadata": {"name": name, "namespace": namespace, "uid": name},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": namespace},
        "reason": reason,
        "count": count,
    }


def post(api, item):
    api.api_client.call_api(
        "/api/v1/namespaces/default/events", "POST", body=item, auth_settings=["BearerToken"],
        response_types_map={}, header_params={"Content-Type": "application/json"},
    )  # fmt: skip


def test_pods_that_wait_and_for_how_long(kubernetes, source, monkeypatch):
    """All pages of them."""
    monkeypatch.setattr(metrics, "_PAGE", 2)
    api = kubernetes.api()
    for number in range(5):
        api.create_namespaced_pod("default", pod(f"huge-{number}", cores="64"))
    found, missing = read(source(), later_s=90)

    assert {} == missing
    assert 5 == found["pods_pending"]
    assert 89 <= found["pods_pending_longest_s"] <= 100


def test_nodes_that_are_lost_or_about_to_be(kubernetes, source):
    """By their conditions, and by the taint of whoever takes them back."""
    api = kubernetes.api()

    def condition(status):
        return {"status": {"conditions": [{"type": "Ready", "status": status}]}}

    asked = source()
    api.patch_node("node-1", condition("True"))
    healthy, _ = read(asked)
    taint = {"key": "cloud.google.com/impending-node-termination", "effect": "NoSchedule"}
    api.patch_node("node-1", {**condition("Unknown"), "spec": {"taints": [taint]}})
    lost, _ = read(asked)

    names = ("nodes_ready", "nodes_not_ready", "nodes_interrupted")
    assert ((1, 0, 0), (0, 1, 1)) == tuple(tuple(of[n] for n in names) for of in (healthy, lost))
    by_name = {one.name: one.fault_when for one in asked.read(datetime.now(UTC)).found}
    assert {"nodes_not_ready", "nodes_interrupted", "events_node_not_ready"} <= {
        name for name, when in by_name.items() if when == "high"
    }
    assert by_name["pods_pending"] is None


def test_events_are_counted_from_the_first_look_on(kubernetes, source):
    """Old ones are old; of one that happens again only the new times count."""
    api, asked = kubernetes.api(), source()
    post(api, event("old", "FailedScheduling", count=7))
    first, _ = read(asked)
    assert "events_failed_scheduling" not in first
    post(api, event("new", "FailedScheduling", count=2))
    post(api, event("itn", "SpotInterruption"))
    post(api, event("other", "Scheduled"))
    second, _ = read(asked)
    api.api_client.call_api(
        "/api/v1/namespaces/default/events/old", "PATCH", body={"count": 10},
        auth_settings=["BearerToken"], response_types_map={},
        header_params={"Content-Type": "application/merge-patch+json"},
    )  # fmt: skip
    third, _ = read(asked)

    told = ("events_failed_scheduling", "events_spot_interruption", "events_evicted")
    assert [(2, 1, 0), (3, 0, 0)] == [tuple(of[name] for name in told) for of in (second, third)]


def test_containers_that_used_up_their_memory(kubernetes, source):
    """Counted once, when they are first seen."""
    api, asked = kubernetes.api(), source()
    read(asked)
    script = "import time; kept = bytearray(200 << 20); time.sleep(60)"
    greedy = pod("greedy", command=(sys.executable, "-c", script))
    greedy["spec"]["restartPolicy"] = "Never"
    greedy["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "1", "memory": "100Mi"}}
    api.create_namespaced_pod("default", greedy)
    deadline = time.monotonic() + 60
    while api.read_namespaced_pod("greedy", "default").status.phase != "Failed":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [1, 0] == [read(asked)[0]["containers_oom_killed"] for _ in range(2)]


def test_who_may_not_look_is_told(source):
    """As missing where some may be seen, as a failure where nothing may."""
    with pytest.raises(MetricsError, match="its API server answers 401 Unauthorized"):
        read(source("nobody@here"))
    with pytest.raises(MetricsError, match=r"its credentials cannot be used: .*nowhere"):
        read(source("nowhere"))


def test_what_may_not_be_listed_is_missing(source):
    """The rest is told."""
    found, missing = read(source("tenant@here"))

    assert {"nodes_not_ready": "its credentials may not list nodes"} == missing
    assert 0 == found["pods_pending"]


def test_a_server_that_hangs_is_given_up_on(kubernetes, source):
    """Within the time limit."""
    asked = source(timeout_s=0.5)
    read(asked)
    kubernetes.freeze()
    with pytest.raises(MetricsError, match="does not answer"):
        read(asked)
    kubernetes.thaw()
    read(asked)
