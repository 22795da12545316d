"""The client of Google Cloud Batch keeps the contract, over Google's SDK and real HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("google.cloud.batch_v1", reason="the extra gcp is not installed")
pytest.importorskip("googleapiclient", reason="google-api-python-client is not installed")

from aiops_provider.clusters.google_batch.client import GoogleBatchClient
from aiops_provider.clusters.metrics.options import NoOptions
from aiops_provider.clusters.metrics.registry import metric_source
from aiops_provider.clusters.metrics.source import SPOT_INTERRUPTIONS, MetricSource
from aiops_provider.clusters.remote_jobs import (
    CLUSTER_LABEL,
    RemoteJob,
    RemoteJobClient,
    RemoteJobStage,
)
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool, Purchase
from aiops_provider.domain.execution import Outcome
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.errors import ClusterRefusedError, ClusterUnreachableError, MetricsError
from aiops_provider.testing import RemoteJobClientContract

pytestmark = pytest.mark.filterwarnings("default")  # the SDK's own deprecations


class _Cloud:
    def __init__(self, stand_in: Any, folder: Path) -> None:
        from google_key import write_key

        self.server = stand_in("google_batch_server.py")
        self.url = self.server.url
        self.key = write_key(folder / "key.json", f"{self.url}/token")
        self.ledger = folder / "ledger"
        self.server.start(str(self.key), str(self.ledger), "--out-of-stock", "a3-highgpu-8g")

    def spec(self, name: str = "batch-netherlands", **options: Any) -> ClusterSpec:
        machine = Capacity(cores=16, memory_gib=64)
        pools = (
            Pool(name="any", machine=machine, max_instances=4, price_usd_per_hour=1.0),
            Pool(
                name="gone",
                machine=machine,
                max_instances=4,
                price_usd_per_hour=1.0,
                instance_type="a3-highgpu-8g",
                purchase=Purchase.SPOT,
            ),
        )
        given = {
            "project": "aiops-test",
            "image": "registry.example/airflow:3.3.2",
            "key_file": str(self.key),
            "endpoint": self.url,
            "logging_endpoint": self.url,
            **options,
        }
        return ClusterSpec(
            name=name,
            kind="google_batch",
            provider="google_cloud",
            region="europe-west4",
            pools=pools,
            options=given,
        )

    def client(self, timeout_s: float = 5.0, **options: Any) -> GoogleBatchClient:
        return GoogleBatchClient(self.spec(**options), timeout_s=timeout_s)

    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.ledger.read_text().splitlines()]


@pytest.fixture
def cloud(stand_in: Any, tmp_path: Path) -> _Cloud:
    return _Cloud(stand_in, tmp_path)


def job_of(job_id: str, script: str, **more: Any) -> RemoteJob:
    given: dict[str, Any] = {
        "request": ResourceRequest(cores=0.5, memory_gib=1.5),
        "pool": "any",
        "labels": {CLUSTER_LABEL: "batch-netherlands"},
        **more,
    }
    return RemoteJob(job_id=job_id, command=("sh", "-c", script), **given)


class TestGoogleBatch(RemoteJobClientContract):
    @pytest.fixture(autouse=True)
    def _cloud(self, cloud: _Cloud) -> None:
        self.cloud = cloud

    def make_client(self) -> RemoteJobClient:
        return self.cloud.client(timeout_s=2.0)

    def make_job(self, job_id: str, script: str, environment: Mapping[str, str]) -> RemoteJob:
        return job_of(job_id, script, secrets=environment)

    def impossible_job(self, job_id: str) -> RemoteJob:
        own = {"allocationPolicy": {"serviceAccount": {"address": "nobody"}}}
        return replace(job_of(job_id, "exit 0"), own=own)

    def silence(self, client: RemoteJobClient) -> None:
        self.cloud.server.freeze()


def test_a_spot_machine_that_is_taken_back_is_the_places_fault(cloud: _Cloud) -> None:
    client = cloud.client()
    client.submit(job_of("aiops-spot", "sleep 60"))
    contract = TestGoogleBatch()
    contract.running(client, "aiops-spot")
    assert httpx.post(f"{cloud.url}/stand-in/preempt/aiops-spot", timeout=5).is_success
    status = contract.end_of(client, "aiops-spot")
    assert (status.outcome, status.exit_code) == (Outcome.CLUSTER_LOST, 50001)
    assert "spot machine was taken back" in status.words


def test_spot_machines_that_were_taken_back_are_counted(cloud: _Cloud) -> None:
    """Once each, and neither a failure of a job itself nor a job of another cluster."""
    watch = metric_source("google_batch").open(cloud.spec(), NoOptions(), period_s=60, timeout_s=5)
    client, contract = cloud.client(), TestGoogleBatch()
    assert {} == told(watch)
    for job_id in ("aiops-one", "aiops-two"):
        client.submit(job_of(job_id, "sleep 60"))
    client.submit(job_of("aiops-wrong", "exit 3"))
    client.submit(job_of("aiops-other", "sleep 60", labels={CLUSTER_LABEL: "another"}))
    for job_id in ("aiops-one", "aiops-two", "aiops-other"):
        contract.running(client, job_id)
        assert httpx.post(f"{cloud.url}/stand-in/preempt/{job_id}", timeout=5).is_success
        contract.end_of(client, job_id)
    contract.end_of(client, "aiops-wrong")
    assert {SPOT_INTERRUPTIONS: 2.0} == told(watch)
    assert {SPOT_INTERRUPTIONS: 0.0} == told(watch)
    assert {"high"} == {one.fault_when for one in watch.read(datetime.now(UTC)).found}


def test_a_project_that_cannot_be_looked_at_has_no_metrics(cloud: _Cloud, tmp_path: Path) -> None:
    """What is missing is told."""
    spec = cloud.spec(key_file=str(tmp_path / "nowhere.json"))
    watch = metric_source("google_batch").open(spec, NoOptions(), period_s=60, timeout_s=5)
    with pytest.raises(MetricsError, match=r"nowhere\.json"):
        watch.read(datetime.now(UTC))


def told(watch: MetricSource) -> dict[str, float]:
    return {one.name: one.value for one in watch.read(datetime.now(UTC)).found}


def test_a_job_without_a_machine_waits(cloud: _Cloud) -> None:
    client = cloud.client()
    client.submit(job_of("aiops-gone", "exit 0", pool="gone"))
    found = client.poll(["aiops-gone"], within_s=5)["aiops-gone"]
    assert found is not None
    assert found.stage is RemoteJobStage.WAITING
    client.cancel("aiops-gone")
    assert TestGoogleBatch().end_of(client, "aiops-gone").outcome is Outcome.KILLED


def test_jobs_beyond_the_listing_are_asked_for_by_name(
    cloud: _Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long job has many short ones before it in a listing that begins with the newest."""
    monkeypatch.setattr("aiops_provider.clusters.google_batch.client._PAGE", 1)
    monkeypatch.setattr("aiops_provider.clusters.google_batch.client._PAGES", 2)
    client = cloud.client()
    ids = [f"aiops-{number}" for number in range(4)]
    for job_id in ids:
        client.submit(job_of(job_id, "sleep 60"))
    assert set(client.poll(ids, within_s=-1)) == set(ids[2:])
    assert set(client.poll(ids, within_s=5)) == set(ids)
    for job_id in ids:
        client.cancel(job_id)


def test_a_job_of_somebody_else_is_not_taken_for_ours(cloud: _Cloud) -> None:
    cloud.client().submit(job_of("aiops-1", "exit 0", labels={CLUSTER_LABEL: "another"}))
    with pytest.raises(ClusterRefusedError, match="not of this cluster"):
        cloud.client().submit(job_of("aiops-1", "exit 0"))


def test_a_key_that_the_cloud_does_not_know_is_no_access(cloud: _Cloud, tmp_path: Path) -> None:
    from google_key import write_key

    stranger = write_key(tmp_path / "stranger.json", f"{cloud.url}/token")
    with pytest.raises(ClusterUnreachableError, match="401"):
        cloud.client(key_file=str(stranger)).probe()


def test_a_key_from_the_host_goes_over_that_of_the_options(cloud: _Cloud) -> None:
    key = json.loads(cloud.key.read_text())
    GoogleBatchClient(cloud.spec(key_file=None), timeout_s=5, secret=key).probe()


def test_default_credentials_are_used_where_nothing_else_is_said(
    cloud: _Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(cloud.key))
    cloud.client(key_file=None).probe()
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere")
    with pytest.raises(ClusterUnreachableError, match="DefaultCredentialsError"):
        cloud.client(key_file=None).probe()
