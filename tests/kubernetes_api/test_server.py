"""The stand-in answers the genuine client as the documentation of the Kubernetes API says."""

import threading
import time

import pytest

pytest.importorskip("kubernetes", reason="the extra kubernetes is not installed")

from kubernetes import watch
from kubernetes.client import ApiException

pytestmark = pytest.mark.filterwarnings("default")  # the client's own


def pod(name: str, script: str, *, labels=None, image="any", resources=None) -> dict:
    container = {"name": "base", "image": image, "command": ["sh", "-c", script]}
    container["resources"] = resources or {}
    metadata = {"name": name, "labels": labels or {}}
    return {"metadata": metadata, "spec": {"containers": [container], "restartPolicy": "Never"}}


@pytest.fixture
def api(kubernetes):
    return kubernetes.api()


@pytest.fixture
def create(api):
    return lambda *args, **named: api.create_namespaced_pod("default", pod(*args, **named))


def status_of(call, *args, **named) -> int:
    """The status with which a call is refused."""
    with pytest.raises(ApiException) as caught:
        call(*args, **named)
    return caught.value.status


def eventually(condition, timeout_s=15.0):
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.05)
    return found


def ended(api, name: str):
    """The state in which the container of a pod ended."""

    def look():
        status = api.read_namespaced_pod(name, "default").status
        return status.container_statuses and status.container_statuses[0].state.terminated

    return eventually(look)


def events(api, version: str | None = None, **named) -> list[tuple[str, str]]:
    """Kind and name of what happens within a second."""
    stream = watch.Watch().stream(
        api.list_namespaced_pod, "default", timeout_seconds=1, resource_version=version, **named
    )
    return [(each["type"], each["object"].metadata.name) for each in stream]


def test_a_pod_is_a_process_with_a_log_and_an_exit_code(api, create):
    """And is gone once it is deleted."""
    create("a", "echo hello; exit 3")
    assert (3, "Error") == (ended(api, "a").exit_code, ended(api, "a").reason)
    assert "Failed" == api.read_namespaced_pod("a", "default").status.phase
    assert "hello" in str(api.read_namespaced_pod_log("a", "default", tail_lines=1))
    api.delete_namespaced_pod("a", "default")
    assert 404 == status_of(api.read_namespaced_pod, "a", "default")


def test_a_pod_that_is_deleted_may_end_in_good_order(api, create):
    """SIGTERM first, SIGKILL when its grace is over."""
    create("a", "trap 'exit 0' TERM; echo ready; while true; do sleep 0.1; done")
    create("b", "trap '' TERM; echo ready; while true; do sleep 0.1; done")
    for name in "ab":
        eventually(
            lambda name=name: api.read_namespaced_pod(name, "default").status.phase == "Running"
        )
    time.sleep(0.5)
    for name in "ab":
        api.delete_namespaced_pod(name, "default", grace_period_seconds=1)
        stamp = api.read_namespaced_pod(name, "default").metadata.deletion_timestamp
        assert stamp is not None
    eventually(lambda: not api.list_namespaced_pod("default").items)


def test_what_is_wrong_is_refused(api, create):
    """By the status codes of the documentation."""
    create("a", "sleep 60")
    assert 409 == status_of(create, "a", "true")
    assert 422 == status_of(create, "B", "true")
    assert 422 == status_of(create, "b", "true", labels={"owner": "a b"})
    more = {"requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}
    assert 422 == status_of(create, "b", "true", resources=more)
    assert 404 == status_of(api.create_namespaced_pod, "nowhere", pod("b", "true"))


def test_a_limit_without_a_request_is_the_request_too(create):
    """As the documentation says of containers."""
    stored = create("a", "sleep 60", resources={"limits": {"memory": "1Gi"}})
    assert {"memory": "1Gi"} == stored.spec.containers[0].resources.requests


def test_a_pod_waits_for_room(api, create):
    """With the words of the scheduler, and starts when there is some."""
    create("a", "sleep 60", resources={"requests": {"cpu": "3"}})
    create("b", "sleep 60", resources={"requests": {"cpu": "2"}})

    def said():
        conditions = api.read_namespaced_pod("b", "default").status.conditions
        return conditions and conditions[0].message

    assert "0/1 nodes are available: Insufficient cpu." == eventually(said)
    api.delete_namespaced_pod("a", "default", grace_period_seconds=0)
    eventually(lambda: api.read_namespaced_pod("b", "default").status.phase == "Running")


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("x=1", "a"),
        ("x!=1", "bc"),
        ("x in (1,2),y", "a"),
        ("x notin (1)", "bc"),
        ("!x", "c"),
        ("x", "ab"),
        ("", "abc"),
    ],
)
def test_pods_are_selected_by_labels(api, create, selector, names):
    """Equality, sets and existence."""
    create("a", "sleep 60", labels={"x": "1", "y": "1"})
    create("b", "sleep 60", labels={"x": "2"})
    create("c", "sleep 60")
    found = api.list_namespaced_pod("default", label_selector=selector).items
    assert list(names) == sorted(each.metadata.name for each in found)


def test_pods_are_selected_by_fields(api, create):
    """Equal and unequal."""
    create("a", "true")
    create("b", "sleep 60")
    ended(api, "a")
    eventually(lambda: api.read_namespaced_pod("b", "default").status.phase == "Running")
    for selector, name in [("status.phase=Succeeded", "a"), ("status.phase!=Succeeded", "b")]:
        found = api.list_namespaced_pod("default", field_selector=selector).items
        assert [name] == [each.metadata.name for each in found]


def test_a_watch_begins_with_what_there_is_or_goes_on_from_a_version(api, create):
    """Version 0 asks for the first, that of a list for the second."""
    create("a", "sleep 60")
    eventually(lambda: api.read_namespaced_pod("a", "default").status.phase == "Running")
    version = api.list_namespaced_pod("default").metadata.resource_version
    assert [("ADDED", "a")] == events(api, "0")
    create("b", "sleep 60", labels={"x": "1"})
    found = events(api, version)
    assert ("ADDED", "b") == found[0]
    assert {"b"} == {name for _, name in found}
    assert [("ADDED", "b")] == events(api, "0", label_selector="x=1")


def test_what_no_longer_matches_is_deleted_for_who_selects(api, create):
    """That is how a pod goes from one scheduler to another; it has no time of deletion."""
    create("a", "sleep 60", labels={"x": "1"})
    eventually(lambda: api.read_namespaced_pod("a", "default").status.phase == "Running")
    version = api.list_namespaced_pod("default").metadata.resource_version
    body = {"metadata": {"labels": {"x": "2"}}}
    threading.Timer(0.2, api.patch_namespaced_pod, ("a", "default", body)).start()
    stream = watch.Watch().stream(
        api.list_namespaced_pod,
        "default",
        timeout_seconds=1,
        resource_version=version,
        label_selector="x=1",
    )
    (event,) = list(stream)
    assert ("DELETED", None) == (event["type"], event["object"].metadata.deletion_timestamp)
    assert "2" == api.read_namespaced_pod("a", "default").metadata.labels["x"]


def test_a_version_that_is_gone_is_said_to_be(api, create):
    """Status 410, and the watch has to begin anew."""
    create("a", "sleep 60")
    eventually(lambda: api.read_namespaced_pod("a", "default").status.phase == "Running")
    api.api_client.call_api(
        "/stand-in/compact", "POST", response_types_map={}, auth_settings=["BearerToken"]
    )
    assert 410 == status_of(events, api, "1")


def test_taints_and_labels_of_nodes_are_heeded(api, create):
    """A pod goes only where it may."""
    size = {"cpu": "4", "memory": "8Gi"}
    node = {
        "metadata": {"name": "spot", "labels": {"kind": "spot"}},
        "status": {"allocatable": size},
    }
    taint = {"key": "spot", "value": "yes", "effect": "NoSchedule"}
    api.create_node({**node, "spec": {"taints": [taint]}})
    wanted = pod("a", "sleep 60")
    wanted["spec"]["nodeSelector"] = {"kind": "spot"}
    api.create_namespaced_pod("default", wanted)
    tolerant = pod("b", "sleep 60")
    toleration = {"key": "spot", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}
    tolerant["spec"] |= {"nodeSelector": {"kind": "spot"}, "tolerations": [toleration]}
    api.create_namespaced_pod("default", tolerant)
    eventually(lambda: api.read_namespaced_pod("b", "default").status.phase == "Running")
    assert "spot" == api.read_namespaced_pod("b", "default").spec.node_name
    conditions = eventually(lambda: api.read_namespaced_pod("a", "default").status.conditions)
    assert "untolerated taint" in conditions[0].message
