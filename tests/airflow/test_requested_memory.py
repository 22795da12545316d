"""What authors ask of other executors is evidence here."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from aiops_provider import Generic, Training
from aiops_provider.airflow.description import describe
from aiops_provider.airflow.requested_memory import requested_memory_gib
from aiops_provider.airflow.task_request import description_of
from aiops_provider.domain.task import TaskKey
from aiops_provider.profiling.profiler import Profiler


def pod(**resources: Any) -> dict[str, Any]:
    sidecar = {"name": "proxy", "resources": {"limits": {"memory": "64Mi"}}}
    return {"spec": {"containers": [sidecar, {"name": "base", "resources": resources}]}}


def as_objects(plain: Any) -> Any:
    # The client of Kubernetes is not installed here; a V1Pod has the same names as attributes, but
    # keeps limits and requests as dictionaries.
    def made(found: dict[str, Any]) -> Any:
        return found if set(found) <= {"memory", "cpu"} else SimpleNamespace(**found)

    return json.loads(json.dumps(plain), object_hook=made)


def instance(executor_config: Any) -> SimpleNamespace:
    return SimpleNamespace(
        dag_id="d",
        task_id="t",
        run_id="r",
        map_index=-1,
        try_number=1,
        executor_config=executor_config,
    )


@pytest.mark.parametrize("form", [lambda plain: plain, as_objects])
def test_a_pod_override(form: Any) -> None:
    """The limit of the container that runs the task counts, else its request."""
    both = pod(requests={"memory": "1Gi"}, limits={"memory": "2Gi"})
    assert 2.0 == requested_memory_gib({"pod_override": form(both)})
    asked = pod(requests={"memory": "512Mi", "cpu": "1"})
    assert 0.5 == requested_memory_gib({"pod_override": form(asked)})


@pytest.mark.parametrize(
    ("config", "gib"),
    [
        ({"containerOverrides": {"memory": 3072, "vcpus": 2}}, 3.0),
        (
            {"containerOverrides": {"resourceRequirements": [{"type": "VCPU", "value": "2"},
                                                             {"type": "MEMORY", "value": "4096"}]}},
            4.0,
        ),
        ({"overrides": {"containerOverrides": [{"memory": 2048}]}}, 2.0),
        ({"overrides": {"containerOverrides": [{"memoryReservation": 1024}]}}, 1.0),
        ({"overrides": {"memory": "8192", "containerOverrides": [{"cpu": 512}]}}, 8.0),
    ],
)  # fmt: skip
def test_overrides_of_batch_and_ecs(config: dict[str, Any], gib: float) -> None:
    """Both APIs count in MiB, as number or text."""
    assert gib == requested_memory_gib(config)


@pytest.mark.parametrize(
    "config",
    [
        None,
        {},
        {"pod_override": "text"},
        {"pod_override": {"spec": {"containers": "odd"}}},
        {"containerOverrides": {"memory": None}},
        {"overrides": {"containerOverrides": {}}},
    ],
)
def test_nothing_usable(config: Any) -> None:
    """Whatever else stands there says nothing, and raises nothing."""
    assert requested_memory_gib(config) is None


def test_it_stands_beside_what_the_author_described() -> None:
    """A description keeps its own word; one without gets the request, and a pod's is the task's own."""
    asked = {"pod_override": pod(limits={"memory": "6Gi"})}
    assert Generic(memory_gib=6, requested_memory_gib=6) == description_of(instance(asked))
    batch = {"containerOverrides": {"memory": 6144}}
    assert Generic(requested_memory_gib=6) == description_of(instance(batch))
    described = describe(Training(epochs=2), **asked)
    assert Training(epochs=2, requested_memory_gib=6) == description_of(instance(described))
    own = describe(Training(requested_memory_gib=9), **asked)
    assert Training(requested_memory_gib=9) == description_of(instance(own))


def test_a_cold_task_is_sized_by_it() -> None:
    """The first run of a task asks for memory near what its author asked for elsewhere."""
    asked = {"pod_override": pod(limits={"memory": "24Gi"})}
    task = TaskKey("d", "t")
    blind = Profiler().predict(task, description_of(instance(None)))
    told = Profiler().predict(task, description_of(instance(asked)))
    assert blind.request.memory_gib < 12 < told.request.memory_gib <= 24
