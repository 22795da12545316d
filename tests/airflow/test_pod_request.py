"""What tasks written for KubernetesExecutor ask for, and where that leads."""

from types import SimpleNamespace

import pytest

from aiops_provider.airflow.pod_request import pod_request
from aiops_provider.airflow.requested_memory import requested_memory_gib
from aiops_provider.airflow.task_request import description_of, named_executor


def pod(name="base", **resources):
    """The same shape as a V1Pod, whose package is not needed to read one."""
    container = SimpleNamespace(name=name, resources=SimpleNamespace(**resources))
    return {"pod_override": SimpleNamespace(spec=SimpleNamespace(containers=[container]))}


def ti(config):
    return SimpleNamespace(
        dag_id="d", task_id="t", run_id="r", map_index=-1, try_number=1, executor_config=config
    )


def test_requests_are_kept_and_limits_stand_in():
    """As Kubernetes does it."""
    said = pod_request(pod(requests={"cpu": "500m"}, limits={"cpu": "2", "memory": "3Gi"}))
    assert (0.5, 3.0) == (said.cores, said.memory_gib)


def test_a_pod_as_a_dictionary():
    """Which is how it looks in a file."""
    config = {"pod_override": {"spec": {"containers": [{"name": "base", "resources": {"requests": {"memory": "512M"}}}]}}}  # fmt: skip
    said = pod_request(config)
    assert said.cores is None
    assert pytest.approx(512e6 / 1024**3) == said.memory_gib


def test_one_container_without_a_name_is_the_tasks_own():
    """The template that it is laid over names it; memory is read from the same one."""
    config = pod(name=None, requests={"cpu": "2", "memory": "4Gi"}, limits=None)
    assert 2.0 == pod_request(config).cores
    assert 4.0 == requested_memory_gib(config)
    assert requested_memory_gib(pod(name="sidecar", limits={"memory": "4Gi"})) is None


@pytest.mark.parametrize(
    "config",
    [
        None,
        {},
        {"pod_override": None},
        {"pod_override": SimpleNamespace(spec=None)},
        pod(name="sidecar", requests={"cpu": "8"}),
        pod(requests=None, limits=None),
        pod(requests={"cpu": "much", "memory": "0"}, limits=None),
    ],
)
def test_a_pod_that_asks_for_nothing(config):
    """Neither a sidecar nor nonsense is the task's request."""
    assert pod_request(config) is None


def test_a_description_for_us_comes_first():
    """The pod is for whoever has not described the task."""
    config = {**pod(requests={"cpu": "8"}, limits=None), "aiops": {"cores": 1}}
    assert 1 == description_of(ti(config)).cores
    del config["aiops"]
    assert 8 == description_of(ti(config)).cores


def test_only_kubernetes_understands_a_pod():
    """Such a task means KubernetesExecutor, named or not."""
    assert "KubernetesExecutor" == named_executor(ti({"pod_template_file": "p.yaml"}))
    assert named_executor(ti({"aiops": {}})) is None
