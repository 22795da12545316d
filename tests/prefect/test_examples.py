"""The example flows and what the demo asks of Prefect's API."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import yaml
from prefect import Flow

from aiops_provider.cli.demo.prefect_api import PrefectApi, PrefectApiError
from aiops_provider.domain.task import TaskKey
from aiops_provider.settings.load import load_settings

EXAMPLES = Path(__file__).parents[2] / "flows_examples"


@pytest.fixture(scope="module")
def medical() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("medical_flows", EXAMPLES / "medical.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["medical_flows"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["medical_flows"]


@pytest.fixture(scope="module")
def deployments() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((EXAMPLES / "prefect.yaml").read_text())[
        "deployments"
    ]
    return found


def test_every_deployment_names_a_flow(
    medical: ModuleType, deployments: list[dict[str, Any]]
) -> None:
    """What prefect.yaml deploys is there, and has the name that the pipeline calls it by."""
    for one in deployments:
        file, _, name = one["entrypoint"].partition(":")
        assert (EXAMPLES / file).is_file()
        flow = getattr(medical, name)
        assert isinstance(flow, Flow)
        assert name == flow.name


def test_no_deployment_says_anything_about_machines(deployments: list[dict[str, Any]]) -> None:
    """Ordinary deployments: a name, an entrypoint, a work pool, and no job variables."""
    for one in deployments:
        assert {"name", "entrypoint", "work_pool"} == set(one)
        assert {"name": "aiops"} == one["work_pool"]


def test_every_candidate_has_a_deployment(deployments: list[dict[str, Any]]) -> None:
    """Each model is a task of its own, with a history and a size of its own."""
    from aiops_provider.cli.demo.medical import CANDIDATES

    trained = {one["name"] for one in deployments if one["entrypoint"].endswith(":train")}
    assert set(CANDIDATES) == trained


def test_the_clusters_are_stand_ins() -> None:
    """The settings of the demo are valid, and every cloud in them is a local stand-in."""
    clusters = load_settings(EXAMPLES / "aiops.yaml", environ={}).cluster_specs
    assert {"local"} == {one.kind for one in clusters}
    assert {"on_premises", "aws", "azure"} == {one.provider for one in clusters}


@pytest.fixture
def api(prefect_server: Any) -> Iterator[PrefectApi]:
    one = PrefectApi(prefect_server.api)
    yield one
    one.close()


def test_the_demo_reads_flow_runs(api: PrefectApi, prefect_server: Any) -> None:
    """A flow run that is started by its deployment's name is told with its flow and deployment."""
    pool = "demo-api"
    prefect_server.create_pool(pool)
    prefect_server.deploy(f"{EXAMPLES}/medical.py:train", flow="train", name="linear", pool=pool)
    run = api.start("train/linear", {"run": "r", "candidate": "linear"})
    assert api.answers()
    assert "aiops" == api.work_pool_type(pool)
    assert "train/linear" in api.deployment_names()
    assert 0 == api.workers_online(pool)
    found = api.flow_run(run)
    assert (TaskKey("train", "linear"), "SCHEDULED", 0) == (
        found.task,
        found.state,
        found.run_count,
    )
    assert [] == api.children(run)


def test_the_demo_gives_up_waiting(api: PrefectApi, prefect_server: Any) -> None:
    """A flow run that does not end in time is an error that names it."""
    prefect_server.create_pool("nobody")
    prefect_server.deploy(f"{EXAMPLES}/medical.py:train", flow="train", name="slow", pool="nobody")
    run = api.start("train/slow", {})
    with pytest.raises(PrefectApiError, match="train/slow is SCHEDULED"):
        api.wait(run, timeout_s=0.0)
    with pytest.raises(PrefectApiError, match="until it rains"):
        api.wait_until("it rains", lambda: False, timeout_s=0.0)


def test_the_demo_tells_what_the_server_refused(api: PrefectApi) -> None:
    """An answer that is an error is passed on with its text."""
    with pytest.raises(PrefectApiError, match="404"):
        api.flow_run("00000000-0000-0000-0000-000000000000")


def test_a_busy_server_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server whose database is busy answers 503; the demo asks again, as Prefect's clients do."""
    answers = iter([httpx.Response(503), httpx.Response(200, json={"type": "aiops"})])
    api = PrefectApi("http://nowhere/api")

    def answer(method: str, path: str, **_: Any) -> httpx.Response:
        response = next(answers)
        response.request = httpx.Request(method, f"http://nowhere/api{path}")
        return response

    monkeypatch.setattr(api._http, "request", answer)
    monkeypatch.setattr("aiops_provider.cli.demo.prefect_api._POLL_S", 0.0)
    assert "aiops" == api.work_pool_type("any")
    api.close()
