"""Nothing of a profile is left for the user to choose."""

from __future__ import annotations

import pytest

from aiops_provider.catalog.catalog import Catalog
from aiops_provider.control.accelerator_offers import accelerator_offers
from aiops_provider.domain.profile import WorkloadProfile
from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.workload import (
    Dataset,
    Etl,
    Generic,
    Locality,
    ModelCandidate,
    Serving,
    Sla,
    Training,
)
from aiops_provider.profiling.accelerator import with_accelerator
from aiops_provider.profiling.profiler import Profiler
from aiops_provider.store.payload import decode, encode

TASK = TaskKey("medical", "train")
OFFERS = accelerator_offers(Catalog.embedded())
LANGUAGE_MODEL = ModelCandidate(family="deep_network", name="llama", parameters=8e9)


def profiled(description):
    return with_accelerator(Profiler().predict(TASK, description), description, OFFERS)


@pytest.mark.parametrize(
    "description",
    [
        Etl(source=Dataset(volume_gib=2)),
        Etl(streaming=True, records_per_s=2e4, record_bytes=500),
        Training(dataset=Dataset(rows=10**6)),
        Serving(model=LANGUAGE_MODEL, concurrent_requests=8),
        Generic(input_gib=1),
    ],
)
def test_every_choice_has_a_value_and_a_reason(description):
    """CPU family, QoS, location, accelerator and the storage of each role, for every kind."""
    profile = profiled(description)
    for choice in (
        profile.cpu_family, profile.qos_class, profile.location, profile.accelerator_choice,
    ):  # fmt: skip
        assert choice.value
        assert choice.reason
    assert {need.role for need in profile.storage} == {"source", "intermediate", "target"}
    assert all(need.reason for need in profile.storage)
    assert profile.network_gbps.p50 > 0
    assert profile.io_mib_per_s.p50 > 0
    assert profile.memory_gb_per_s.p50 > 0


@pytest.mark.parametrize(
    ("model", "rate", "runtime"),
    [
        (ModelCandidate(family="tree_ensemble"), 50, "cpu"),
        (ModelCandidate(family="deep_network", name="resnet50"), 2000, "triton"),
        (LANGUAGE_MODEL, 5, "vllm"),
    ],
)
def test_the_runtime_follows_the_model(model, rate, runtime):
    """Trees on cores, networks in batches, language models token by token."""
    profile = profiled(Serving(model=model, requests_per_s=rate))
    assert profile.serving_runtime.value == runtime


def test_a_larger_model_gets_more_device_memory():
    """70e9 weights of two bytes need more than any single 80 GiB device."""
    model = ModelCandidate(family="deep_network", name="llama-70b", parameters=70e9)
    small = profiled(Serving(model=LANGUAGE_MODEL, concurrent_requests=4))
    large = profiled(Serving(model=model, concurrent_requests=4))
    assert small.accelerator_choice.value.startswith("1 x")
    assert not large.accelerator_choice.value.startswith("1 x")


def test_a_tight_deadline_buys_more_devices():
    """The same training in a tenth of the time takes more or faster devices."""
    network = (ModelCandidate(family="deep_network", name="resnet50"),)
    images = Dataset(rows=1_280_000, format="jpeg")
    slow = Training(dataset=images, candidates=network, sla=Sla(deadline_s=86400 * 3))
    fast = Training(dataset=images, candidates=network, sla=Sla(deadline_s=1800))
    assert profiled(slow).accelerator_choice != profiled(fast).accelerator_choice


def test_warehouse_units_only_where_a_warehouse_works():
    """Credits for Snowflake, none for files."""
    warehouse = Etl(source=Dataset(location="snowflake://db/t", volume_gib=100))
    files = Etl(source=Dataset(location="s3://b/t", volume_gib=100))
    assert profiled(warehouse).warehouse_units.p50 >= 60 / 3600
    assert profiled(files).warehouse_units is None


def test_residency_limits_the_regions():
    """Data that must stay in Switzerland are processed in Swiss regions only."""
    profile = profiled(Generic(locality=Locality(residency=("CH",))))
    assert "switzerlandnorth" in profile.allowed_regions
    assert "us-east-1" not in profile.allowed_regions


def test_a_complete_profile_survives_the_store():
    """Written and read back it is the same."""
    profile = profiled(Serving(model=LANGUAGE_MODEL, concurrent_requests=8))
    assert decode(WorkloadProfile, encode(profile)) == profile


def test_a_profile_from_before_still_loads():
    """A stored profile without the later fields is read with these unknown."""
    import json

    stored = json.loads(encode(profiled(Generic())))
    for field in (
        "accelerator_choice", "cpu_family", "serving_runtime", "qos_class", "location",
        "memory_gb_per_s", "host_to_device_gb_per_s",
    ):  # fmt: skip
        del stored[field]
    for need in stored["storage"]:
        del need["source"], need["reason"]
    assert decode(WorkloadProfile, json.dumps(stored)).cpu_family is None


def test_lora_needs_far_less_than_full_fine_tuning():
    """Adapters of rank 16 leave most of the states out; four bits a weight most of the rest."""

    def device_gib(**fields):
        model = ModelCandidate(
            family="fine_tuning", name="llama", parameters=7e9, batch_size=1, **fields
        )
        training = Training(dataset=Dataset(rows=50_000), candidates=(model,))
        return Profiler().predict(TASK, training).accelerator_memory_gib.p50

    full, lora, qlora = (
        device_gib(),
        device_gib(lora_rank=16),
        device_gib(lora_rank=16, precision="int4"),
    )
    assert full > 100
    assert 13 < lora < 30
    assert qlora < 12


def test_a_service_without_requests_is_profiled():
    """Nothing was asked of it so far: a day of answers is none."""
    profile = profiled(Serving(model=ModelCandidate(family="linear"), past_demand_per_s=(0.0,)))
    (target,) = [need for need in profile.storage if need.role == "target"]
    assert 0.0 == target.capacity_gib.p95
