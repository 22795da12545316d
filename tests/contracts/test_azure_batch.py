"""The client of Azure Batch keeps the contract, over Azure's SDK and real HTTP."""

from __future__ import annotations

import base64
import json
import logging
import ssl
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("azure.batch", reason="the extra azure is not installed")

from aiops_provider.clusters.azure_batch.client import AzureBatchClient
from aiops_provider.clusters.metrics.options import NoOptions
from aiops_provider.clusters.metrics.registry import metric_source
from aiops_provider.clusters.metrics.source import SPOT_INTERRUPTIONS, MetricSource
from aiops_provider.clusters.remote_jobs import RemoteJob, RemoteJobClient, RemoteJobStage
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.errors import ClusterRefusedError, ClusterUnreachableError, MetricsError
from aiops_provider.testing import RemoteJobClientContract

pytestmark = pytest.mark.filterwarnings("default")  # the SDK's own deprecations

KEY = base64.b64encode(b"a key that is no secret").decode()


class _Cloud:
    def __init__(self, stand_in: Any, folder: Path, certificate: Path | None = None) -> None:
        self.certificate = certificate
        self.server = stand_in("azure_batch_server.py", "https" if certificate else "http")
        self.url = self.server.url
        self.ledger = folder / "ledger"
        tls = ["--tls", str(certificate)] if certificate else []
        pools = ["--pool", "cpu-nodes=8", "--pool", "gone=0"]
        self.server.start(str(self.ledger), "--account", f"ml={KEY}", *pools, *tls)

    def spec(self, **options: Any) -> ClusterSpec:
        machine = Capacity(cores=16, memory_gib=64)
        pools = tuple(
            Pool(name=name, machine=machine, max_instances=4, price_usd_per_hour=1.0)
            for name in ("any", "gone")
        )
        given = {
            "account_url": self.url,
            "image": "registry.example/airflow:3.3.2",
            "pools": {"any": {"pool_id": "cpu-nodes", "slots_per_node": 4}},
            **options,
        }
        return ClusterSpec(
            name="batch-netherlands",
            kind="azure_batch",
            provider="azure",
            region="westeurope",
            pools=pools,
            options=given,
        )

    def client(self, timeout_s: float = 5.0, **options: Any) -> AzureBatchClient:
        secret = {"name": "ml", "key": KEY}
        return AzureBatchClient(self.spec(**options), timeout_s=timeout_s, secret=secret)

    def preempt(self, task: str) -> httpx.Response:
        trusted = ssl.create_default_context(cafile=self.certificate)
        return httpx.post(f"{self.url}/stand-in/preempt/{task}", timeout=5, verify=trusted)

    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(line)["task"] for line in self.ledger.read_text().splitlines()]


@pytest.fixture
def cloud(stand_in: Any, tmp_path: Path) -> _Cloud:
    return _Cloud(stand_in, tmp_path)


def job_of(job_id: str, script: str, **more: Any) -> RemoteJob:
    given: dict[str, Any] = {
        "request": ResourceRequest(cores=0.5, memory_gib=1.5),
        "pool": "any",
        **more,
    }
    return RemoteJob(job_id=job_id, command=("sh", "-c", script), **given)


class TestAzureBatch(RemoteJobClientContract):
    @pytest.fixture(autouse=True)
    def _cloud(self, cloud: _Cloud) -> None:
        self.cloud = cloud

    def make_client(self) -> RemoteJobClient:
        return self.cloud.client(timeout_s=2.0)

    def make_job(self, job_id: str, script: str, environment: Mapping[str, str]) -> RemoteJob:
        return job_of(job_id, script, secrets=environment)

    def impossible_job(self, job_id: str) -> RemoteJob:
        return replace(job_of(job_id, "exit 0"), own={"containerSettings": {"image": "x"}})

    def silence(self, client: RemoteJobClient) -> None:
        self.cloud.server.freeze()


def test_a_node_that_is_taken_back_is_the_places_fault(cloud: _Cloud, tmp_path: Path) -> None:
    """Azure would begin the task anew by itself, beside the try that its host starts elsewhere."""
    ran = tmp_path / "ran"
    client, contract = cloud.client(), TestAzureBatch()
    client.submit(job_of("aiops-spot", f"echo begun >> {ran}; sleep 60"))
    contract.running(client, "aiops-spot")
    while not ran.exists():
        time.sleep(0.01)
    assert httpx.post(f"{cloud.url}/stand-in/preempt/aiops-spot", timeout=5).is_success
    status = contract.end_of(client, "aiops-spot")
    assert status.outcome is Outcome.CLUSTER_LOST
    assert "its node was taken back" in status.words
    time.sleep(1.0)  # the stand-in begins a task anew after half of it
    assert ran.read_text() == "begun\n"


def test_spot_nodes_that_were_taken_back_are_counted(
    tls_cloud: _Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once each, by the watch of the cluster, whose credentials are those around it."""
    for name, value in (("TENANT_ID", "t"), ("CLIENT_ID", "airflow"), ("CLIENT_SECRET", "hush")):
        monkeypatch.setenv(f"AZURE_{name}", value)
    spec = tls_cloud.spec(authority_host=tls_cloud.url)
    watch = metric_source("azure_batch").open(spec, NoOptions(), period_s=60, timeout_s=5)
    assert {"nodes_interrupted": 0.0} == told(watch)

    client, contract = tls_cloud.client(), TestAzureBatch()
    for job_id in ("aiops-one", "aiops-two"):
        client.submit(job_of(job_id, "sleep 60"))
        contract.running(client, job_id)
        assert tls_cloud.preempt(job_id).is_success
    assert {"nodes_interrupted": 2.0, SPOT_INTERRUPTIONS: 2.0} == told(watch)
    assert {"nodes_interrupted": 2.0, SPOT_INTERRUPTIONS: 0.0} == told(watch)
    assert {"high"} == {one.fault_when for one in watch.read(datetime.now(UTC)).found}


def test_an_account_that_refuses_has_no_metrics(
    tls_cloud: _Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Azure says is told."""
    for name, value in (("TENANT_ID", "t"), ("CLIENT_ID", "nobody"), ("CLIENT_SECRET", "hush")):
        monkeypatch.setenv(f"AZURE_{name}", value)
    spec = tls_cloud.spec(authority_host=tls_cloud.url)
    watch = metric_source("azure_batch").open(spec, NoOptions(), period_s=60, timeout_s=5)
    with pytest.raises(MetricsError, match="Azure gives no access: "):
        watch.read(datetime.now(UTC))


def told(watch: MetricSource) -> dict[str, float]:
    return {one.name: one.value for one in watch.read(datetime.now(UTC)).found}


def test_a_task_without_a_node_waits(cloud: _Cloud) -> None:
    client = cloud.client()
    client.submit(job_of("aiops-gone", "exit 0", pool="gone"))
    found = client.poll(["aiops-gone"], within_s=5)["aiops-gone"]
    assert found is not None
    assert found.stage is RemoteJobStage.WAITING
    client.cancel("aiops-gone")
    assert TestAzureBatch().end_of(client, "aiops-gone").outcome is Outcome.KILLED


def test_a_pool_that_is_not_there_is_refused_and_the_others_are_used(cloud: _Cloud) -> None:
    pools = {"gone": {"pool_id": "nobody's"}, "any": {"pool_id": "cpu-nodes"}}
    client = cloud.client(pools=pools)
    with pytest.raises(ClusterRefusedError, match="there is no pool nobody's"):
        client.submit(job_of("aiops-1", "exit 0", pool="gone"))
    client.submit(job_of("aiops-1", "exit 0"))
    assert TestAzureBatch().end_of(client, "aiops-1").outcome is Outcome.SUCCESS


def test_a_key_that_the_account_does_not_have_is_no_access(cloud: _Cloud) -> None:
    secret = {"name": "ml", "key": base64.b64encode(b"another").decode()}
    with pytest.raises(ClusterUnreachableError, match="401"):
        AzureBatchClient(cloud.spec(), timeout_s=5, secret=secret).probe()


def test_requests_do_not_fill_the_log_of_the_host(
    cloud: _Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        cloud.client().probe()
    assert not caplog.records


def test_what_is_granted_is_a_share_of_a_node(cloud: _Cloud) -> None:
    client = cloud.client()
    client.submit(job_of("aiops-1", "exit 0", request=ResourceRequest(cores=2, memory_gib=40)))
    (task,) = cloud.asked()
    assert task["requiredSlots"] == 3
    options = task["containerSettings"]["containerRunOptions"]
    assert options == "--rm --cpus=2 --memory=40960m"
    assert task["constraints"] == {"maxTaskRetryCount": 0}


@pytest.fixture
def tls_cloud(stand_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Cloud:
    """Tokens are sent over TLS alone; the SDK sees to that."""
    from certificate import write_certificate

    certificate = write_certificate(tmp_path / "tls.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    return _Cloud(stand_in, tmp_path, certificate)


def test_a_client_secret_of_the_host_gets_a_token(tls_cloud: _Cloud) -> None:
    secret = {"tenant_id": "t", "client_id": "airflow", "client_secret": "hush"}
    spec = tls_cloud.spec(authority_host=tls_cloud.url)
    AzureBatchClient(spec, timeout_s=5, secret=secret).probe()
    wrong = {**secret, "client_secret": "loud"}
    with pytest.raises(ClusterUnreachableError):
        AzureBatchClient(spec, timeout_s=5, secret=wrong).probe()


def test_azures_own_chain_is_used_where_nothing_else_is_said(
    tls_cloud: _Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_TENANT_ID", "t")
    monkeypatch.setenv("AZURE_CLIENT_ID", "airflow")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "hush")
    spec = tls_cloud.spec(authority_host=tls_cloud.url)
    AzureBatchClient(spec, timeout_s=5).probe()
