"""What every store keeps to, on both databases: one lease, one holder."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from aiops_provider.store import Store
from aiops_provider.store.tables import lease

_WAIT_S = 120.0


def expire(store: Store, name: str) -> None:
    """Let the lease have lapsed, without waiting for it."""
    changed = lease.update().where(lease.c.name == name)
    store._database.write(
        lambda connection: connection.execute(
            changed.values(expires_at=_expires_at(store, name) - timedelta(hours=1))
        )
    )


def _expires_at(store: Store, name: str) -> datetime:
    query = lease.select().where(lease.c.name == name)
    return store._database.read(lambda connection: connection.execute(query).one().expires_at)


def test_one_holder_at_a_time(store: Store) -> None:
    """Whoever comes second does not get it, until the first gives it back."""
    assert store.acquire_lease("replan", "first", 60)
    assert not store.acquire_lease("replan", "second", 60)
    assert store.acquire_lease("watch", "second", 60)
    store.release_lease("replan", "first")
    assert store.acquire_lease("replan", "second", 60)


def test_the_holder_renews_it(store: Store) -> None:
    """Acquiring what one has extends it."""
    assert store.acquire_lease("replan", "first", 60)
    before = _expires_at(store, "replan")
    assert store.acquire_lease("replan", "first", 600)
    assert _expires_at(store, "replan") > before + timedelta(seconds=300)


def test_it_lapses_by_itself(store: Store) -> None:
    """The lease of a holder that died goes to the next one, and is not the dead one's any more."""
    assert store.acquire_lease("replan", "first", 1800)
    expire(store, "replan")
    assert store.acquire_lease("replan", "second", 60)
    assert not store.acquire_lease("replan", "first", 60)


def test_only_the_holder_gives_it_back(store: Store) -> None:
    """A former holder that wakes up late takes nothing away."""
    store.acquire_lease("replan", "second", 60)
    store.release_lease("replan", "first")
    assert not store.acquire_lease("replan", "third", 60)


@pytest.mark.parametrize("ttl_s", [0, -1, float("nan")])
def test_it_must_last(store: Store, ttl_s: float) -> None:
    """A lease that would be over at once is a mistake of the caller."""
    with pytest.raises(ValueError, match="ttl_s must be > 0"):
        store.acquire_lease("replan", "first", ttl_s)


@pytest.mark.parametrize("lapsed", [True, False])
def test_threads_that_want_it_at_once(store: Store, lapsed: bool) -> None:
    """Of many threads exactly one gets a lease that is free or has lapsed."""
    for number in range(5):
        name = f"lease-{number}"
        if lapsed:
            assert store.acquire_lease(name, "dead", 60)
            expire(store, name)
        with ThreadPoolExecutor(6) as pool:
            got = list(
                pool.map(store.acquire_lease, [name] * 6, [f"t{i}" for i in range(6)], [60.0] * 6)
            )
        assert sum(got) == 1


_CONTENDER = """
import sys
from aiops_provider.store import Store
store = Store.open(sys.argv[1])
store.version()
print("ready", flush=True)
sys.stdin.readline()
print(sum(store.acquire_lease(f"lease-{i}", sys.argv[2], 600) for i in range(20)))
store.close()
"""


def test_processes_that_want_it_at_once(store: Store, store_url: str) -> None:
    """Two processes that go for twenty leases share them out without a duplicate or a loss."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _CONTENDER, store_url, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        won = [int(process.communicate(timeout=_WAIT_S)[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert sum(won) == 20


def test_a_second_holder_is_judged_by_time_alone(store: Store) -> None:
    """A short lease is free again after its time, by the store's own clock."""
    assert store.acquire_lease("short", "first", 0.05)
    deadline = time.monotonic() + _WAIT_S
    while not store.acquire_lease("short", "second", 60):
        assert time.monotonic() < deadline
    assert not store.acquire_lease("short", "first", 60)


def test_a_glance_tells_all_at_once(store: Store) -> None:
    """As the questions one by one would; what has lapsed is held by nobody."""
    bare = store.glance("replan")
    assert (bare.version, bare.lease_is_held, bare.pool_lease_holders) == (0, False, frozenset())
    assert store.acquire_lease("watch", "first", 60)
    assert not store.glance("replan").lease_is_held
    assert store.acquire_lease("replan", "first", 60)
    for holder in ("one", "other"):
        store.renew_pool_lease(holder, 60, lambda _: "everything")
    seen = store.glance("replan")
    assert seen.version == store.version()
    assert (seen.lease_is_held, seen.pool_lease_holders) == (True, {"one", "other"})
    expire(store, "replan")
    store.release_pool_lease("one")
    seen = store.glance("replan")
    assert (seen.lease_is_held, seen.pool_lease_holders) == (False, {"other"})
