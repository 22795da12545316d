"""What a group of Celery workers is sent."""

from types import SimpleNamespace
from uuid import uuid4

import pytest
from airflow.configuration import conf

from aiops_provider.airflow.inner.binding import Shipment
from aiops_provider.airflow.inner.celery import CeleryBinding
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.profile import ResourceRequest


def binding(name="gpu", **options) -> CeleryBinding:
    pool = Pool(
        name="default",
        machine=Capacity(cores=8, memory_gib=32),
        max_instances=1,
        price_usd_per_hour=1.0,
    )
    return CeleryBinding(
        ClusterSpec(
            name=name,
            kind="celery",
            provider="on_premises",
            region="r",
            pools=(pool,),
            options=options,
        )
    )


def shipment(ti, epoch: int) -> Shipment:
    decision = SimpleNamespace(
        placement=SimpleNamespace(epoch=epoch, applied=True),
        grant=ResourceRequest(cores=1, memory_gib=2),
    )
    return Shipment(
        workload=SimpleNamespace(ti=ti), decision=decision, environment={"AIOPS_CLUSTER": "gpu"}
    )


def test_a_task_goes_into_the_queue_of_its_cluster():
    """Whatever queue it had: the cluster decides."""
    ti = SimpleNamespace(
        id=uuid4(),
        queue="default",
        context_carrier=None,
        executor_config=None,
        external_executor_id=None,
    )
    sent = binding(queue="gpu").prepare(shipment(ti, 1)).ti
    assert "gpu" == sent.queue
    assert "AIOPS_CLUSTER" in sent.context_carrier["aiops"]


def test_every_placement_has_a_name_of_its_own():
    """Revoking the old message of a try must leave the new one alone, also on one broker."""
    ti_id = uuid4()
    gpu, cpu = binding("gpu"), binding("cpu")
    names = [gpu.external_id(ti_id, 1, None), gpu.external_id(ti_id, 2, None)]
    names.append(cpu.external_id(ti_id, 2, None))
    assert 3 == len(set(names))
    assert names[0] == binding("gpu").external_id(str(ti_id), 1, "an older one")


def test_what_was_sent_without_a_record_is_found_by_what_airflow_remembers():
    """The layer was switched off, and is on again."""
    assert "stored" == binding().external_id(uuid4(), 0, "stored")


def test_two_groups_have_brokers_of_their_own(monkeypatch):
    """In one process; the global one is what a group has that names none."""
    pytest.importorskip("celery", reason="the extra celery is not installed")
    monkeypatch.setenv("AIRFLOW__CELERY__BROKER_URL", "redis://global/0")
    one, other = binding("one", broker_url="redis://own/1"), binding("other", queue="q")
    for each in (one, other):
        each.configure()
    brokers = [conf.get("celery", "broker_url", team_name=each.team) for each in (one, other)]
    assert ["redis://own/1", "redis://global/0"] == brokers
    assert "q" == conf.get("operators", "default_queue", team_name=other.team)


def test_the_options_of_a_cluster_may_say_more_to_its_executor(monkeypatch):
    """Section by section; what they say goes over what the kind says."""
    said = {
        "celery": {"task_acks_late": False},
        "celery_broker_transport_options": {"socket_timeout": 9},
    }
    one = binding("tuned", configuration=said)
    one.configure()
    assert "False" == conf.get("celery", "task_acks_late", team_name=one.team)
    patience = conf.getsection("celery_broker_transport_options", team_name=one.team)
    assert (9, 2) == (patience["socket_timeout"], patience["socket_connect_timeout"])
