"""Memory of accelerators decides where something fits, in routes and in plans alike."""

from __future__ import annotations

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.placement.eligibility import machine_against

NEED = ResourceRequest(cores=1, memory_gib=1, accelerators=2, accelerator_memory_gib=40)


def machine(**models: tuple[int, float]) -> Capacity:
    return Capacity(
        cores=8,
        memory_gib=64,
        accelerators={model: count for model, (count, _) in models.items()},
        accelerator_memory_gib={model: each for model, (_, each) in models.items()},
    )


def test_as_many_as_are_asked_for_must_hold_it():
    """Two of 24 GiB hold 40, two of 16 do not, and one is not two."""
    assert machine(L4=(2, 24)).fits(NEED)
    assert not machine(T4=(2, 16)).fits(NEED)
    assert not machine(H100=(1, 80)).fits(NEED)


def test_only_a_model_that_suits_counts():
    """Eight small ones beside two large ones do not make the large ones eight."""
    mixed = machine(T4=(8, 16), L4=(2, 24))
    assert mixed.suited_accelerators(NEED) == 2


def test_memory_that_is_not_known_is_not_judged():
    """A pool of an own kind of device is taken at its word."""
    own = Capacity(cores=8, memory_gib=64, accelerators={"own": 2})
    assert own.fits(NEED)


def test_a_refusal_says_how_much_is_needed():
    """The number and the memory."""
    pool = Pool(name="p", machine=machine(T4=(2, 16)), max_instances=1, price_usd_per_hour=1)
    cluster = ClusterSpec(name="c", kind="local", provider="x", region="y", pools=(pool,))
    assert machine_against(NEED, cluster) == (
        "its machine has 0 of the 2 accelerators with 40 GiB needed"
    )


def test_a_refusal_is_about_the_machine_that_comes_nearest():
    """A pool with the accelerators and too little memory says more than a larger one without any."""
    small = Capacity(cores=4, memory_gib=0.5, accelerators={"L4": 2})
    pools = tuple(
        Pool(name=name, machine=offered, max_instances=1, price_usd_per_hour=1)
        for name, offered in (("general", machine()), ("gpu", small))
    )
    cluster = ClusterSpec(name="c", kind="local", provider="x", region="y", pools=pools)
    assert "its machine has 0.5 GiB, 1 are needed" == machine_against(NEED, cluster)
