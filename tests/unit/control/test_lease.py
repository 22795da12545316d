"""A lease is kept while its holder works, and counted as lost before somebody else may have it."""

from __future__ import annotations

import pytest

from aiops_provider.control import lease as module
from aiops_provider.control.lease import KeptLease
from aiops_provider.errors import StoreUnreachableError


class Store:
    """Keeps one lease; can be made to fail."""

    def __init__(self) -> None:
        self.holder: str | None = None
        self.broken = False
        self.ttls: list[float] = []

    def acquire_lease(self, _name: str, holder: str, ttl_s: float) -> bool:
        if self.broken:
            raise StoreUnreachableError
        self.ttls.append(ttl_s)
        if self.holder not in (None, holder):
            return False
        self.holder = holder
        return True

    def release_lease(self, _name: str, holder: str) -> None:
        if self.broken:
            raise StoreUnreachableError
        if self.holder == holder:
            self.holder = None


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_lease_lasts_three_periods(clock):
    """Two renewals may fail before the lease is lost."""
    store = Store()
    lease = KeptLease(store, "work", period_s=5)
    assert not lease.held
    assert lease.renew()
    assert store.ttls == [15]
    clock[0] += 14.9
    assert lease.held
    clock[0] += 0.2
    assert not lease.held


def test_holder_without_store_stops_in_time(clock, caplog):
    """A store that does not answer does not end the lease at once, but does not prolong it."""
    store = Store()
    lease = KeptLease(store, "work", period_s=5)
    lease.renew()
    store.broken = True
    clock[0] += 10
    assert lease.renew()
    clock[0] += 6
    assert not lease.renew()
    assert "cannot be renewed" in caplog.text


def test_lost_lease_is_not_held(clock):
    """When somebody else has it, the work stops at once."""
    store = Store()
    lease = KeptLease(store, "work", period_s=5)
    lease.renew()
    store.holder = "other"
    assert not lease.renew()
    assert not lease.held


def test_lease_is_given_back(clock):
    """Leaving the block lets others work without waiting."""
    store = Store()
    with KeptLease(store, "work", period_s=50) as lease:
        assert lease.held
        assert store.holder == lease.holder
    assert store.holder is None
    assert not lease.held


def test_lease_that_cannot_be_given_back_runs_out(clock, caplog):
    """A store that is gone at the end is no reason to fail."""
    store = Store()
    with KeptLease(store, "work", period_s=50):
        store.broken = True
    assert "runs out by itself" in caplog.text
