"""Two schedulers share pools by leases; a dead one's part comes back, a large task gets its room."""

from __future__ import annotations

import pytest

from aiops_provider.control import pool_leases
from aiops_provider.control.load import LoadLedger
from aiops_provider.control.pool_leases import PoolLeases
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.errors import StoreError, StoreUnreachableError
from aiops_provider.placement.live_load import IDLE

POOL = ("c", "p")


def fleet(kind="kubernetes", gpus=0):
    machine = Capacity(cores=8, memory_gib=32, accelerators={"T4": gpus} if gpus else {})
    pool = Pool(name="p", machine=machine, max_instances=1, price_usd_per_hour=1.0)
    return (ClusterSpec(name="c", kind=kind, provider="x", region="y", pools=(pool,)),)


class Scheduler:
    """A ledger and its leases, as one process has them."""

    def __init__(self, store, clusters, name):
        self.ledger = LoadLedger(clusters)
        self.leases = PoolLeases(store, self.ledger, clusters, period_s=0.01)
        self.name, self.number = name, 0
        self.waiting = []

    def book(self, cores=1.0, gpus=0):
        self.number += 1
        run = TaskRun(TaskKey(self.name, "t"), "r", self.number)
        grant = ResourceRequest(cores=cores, memory_gib=cores, accelerators=gpus)
        self.ledger.book(run, cluster="c", pool="p", grant=grant, limited=True, expected_s=60)
        return run

    def start(self, count, cores=1.0):
        """Those that may run of that many new tasks and of those that wait, as hosts ask for them."""
        self.waiting += [self.book(cores) for _ in range(count)]
        started = [run for run in self.waiting if self.ledger.admit(run)]
        self.waiting = [run for run in self.waiting if run not in started]
        return started

    @property
    def cores(self):
        return self.ledger.needs()[POOL].held.cores


@pytest.fixture
def two(store):
    clusters = fleet()
    return Scheduler(store, clusters, "one"), Scheduler(store, clusters, "two")


def renew(*schedulers, rounds=2):
    for _ in range(rounds):
        for each in schedulers:
            each.leases.renew(each.leases._store.glance("any").pool_lease_holders)


def test_a_scheduler_alone_has_everything_and_pays_nothing(two):
    """No load is made up, no slice is looked at."""
    one, _ = two
    renew(one)
    assert {} == one.ledger.load()
    assert 8 == len(one.start(9))


def test_two_schedulers_do_not_overfill_a_pool(two):
    """From the first moment of the second on, whatever they start between renewals."""
    one, other = two
    renew(one, rounds=1)
    started = len(one.start(5))
    renew(other, rounds=1)
    started += len(other.start(8))
    assert 5 == started
    for _ in range(3):
        renew(one, other, rounds=1)
        started += len(one.start(3)) + len(other.start(3))
        assert started <= 8
    assert 8 == started


def test_the_router_sees_what_others_hold_as_booked(two):
    """It counts for room, but not as load of our own tasks."""
    one, other = two
    renew(one, other)
    seen = one.ledger.load()[POOL]
    assert (4, 4, 16) == (seen.cores, seen.leased_cores, seen.memory_gib)
    assert 0 == seen.waiting


def test_what_one_does_not_want_the_other_gets(two):
    """In proportion to what they do; and it comes back when it is wanted again."""
    one, other = two
    renew(one, other)
    assert 4 == one.cores == other.cores
    runs = [one.book() for _ in range(7)]
    renew(one, other)
    renew(one, rounds=1)
    assert one.cores >= 7
    assert all(one.ledger.admit(run) for run in runs)
    for _ in range(4):
        other.book()
    renew(other, one)
    assert other.cores <= 1  # the rest runs
    for run in runs:
        one.ledger.release(run)
    renew(one, other)
    assert other.cores >= 4


def test_a_dead_scheduler_gives_its_part_back(two, monkeypatch, store):
    """When its lease has run out, not before."""
    monkeypatch.setattr(pool_leases, "_LEAST_TTL_S", 0.2)
    one, _ = two
    dead = Scheduler(store, fleet(), "dead")
    renew(dead, one)
    renew(dead, rounds=1)
    renew(one, rounds=1)
    assert 4 == one.cores
    import time

    time.sleep(0.3)
    renew(one)
    assert 8 == one.cores
    assert {} == one.ledger.load()


def test_a_scheduler_that_stops_gives_its_part_back_at_once(two):
    """It says so."""
    one, other = two
    renew(one, other)
    other.leases.release()
    renew(one, rounds=1)
    assert 8 == one.cores


def test_a_crashed_process_of_this_host_is_not_waited_for(two, store):
    """Its successor starts at once: nobody else can have its number."""
    one, _ = two
    number = 2**22 + 1  # above the most that Linux gives
    gone = f"{pool_leases._process_room()}:{number}:abc"
    store.renew_pool_lease(gone, 60.0, lambda _: "everything")
    renew(one, rounds=1)
    assert 8 == one.cores


@pytest.mark.parametrize("payload", ["everything", "not what we write"])
def test_what_another_holds_is_never_taken(two, store, payload):
    """Also if it cannot be read: then it may be everything."""
    one, _ = two
    store.renew_pool_lease("elsewhere:x:1:abc", 60.0, lambda _: payload)
    renew(one)
    assert 0 == one.cores
    assert [] == one.start(1)


def test_a_scheduler_alone_hardly_writes_and_sees_who_comes(two, monkeypatch):
    """Its lease is renewed in time; a newcomer is noticed at the next look."""
    one, other = two
    renew(one, rounds=1)
    written = []
    renewed = one.leases._store.renew_pool_lease
    monkeypatch.setattr(
        one.leases._store, "renew_pool_lease", lambda *given: (written.append(1), renewed(*given))
    )
    renew(one, rounds=5)
    assert [] == written
    other.leases.renew()
    written.clear()
    renew(one, rounds=1)
    assert [1] == written
    assert 4 == one.cores
    one.leases._alone_until = 0.0
    other.leases.release()
    renew(one, rounds=1)
    assert 8 == one.cores


def test_what_is_taken_over_stays_with_whoever_looks_after_it(two):
    """Even if there is no room for it by now, the others count with it."""
    one, other = two
    renew(one, other)
    for number in range(6):
        one.ledger.book(
            TaskRun(TaskKey("earlier", "t"), "r", number),
            cluster="c",
            pool="p",
            grant=ResourceRequest(cores=1, memory_gib=1),
            limited=True,
            running=True,
        )
    assert [] == one.start(1)
    renew(one, rounds=1)
    other.waiting = [other.book() for _ in range(4)]
    renew(other, rounds=1)
    assert 2 == other.cores == len(other.start(0))


def test_a_task_larger_than_its_slice_does_not_starve(two):
    """Others of both schedulers let it pass, and go on after it."""
    one, other = two
    renew(one, other)
    mine, theirs = one.start(4), other.start(4)
    assert 4 == len(mine) == len(theirs)
    large = one.book(8.0)
    for _ in range(8):
        assert not one.ledger.admit(large)
        renew(one, other, rounds=1)
        assert [] == one.start(2)
        if mine:
            one.ledger.release(mine.pop())
        if theirs:
            other.ledger.release(theirs.pop())
        assert len(theirs) + len(other.start(2)) <= 4 + 2
    for run in list(other.ledger._bookings):
        other.ledger.release(run)
    renew(one, other)
    renew(one, rounds=1)
    assert one.ledger.admit(large)
    one.ledger.release(large)
    for run in list(one.ledger._bookings):
        one.ledger.release(run)
    renew(one, other)
    assert 4 == one.cores == other.cores


def test_one_accelerator_goes_to_whoever_waits_for_it(store):
    """Half a GPU is of no use to anybody."""
    clusters = fleet(gpus=1)
    one, other = (Scheduler(store, clusters, name) for name in ("one", "two"))
    renew(one, other)
    first, second = one.book(1.0, gpus=1), other.book(1.0, gpus=1)
    renew(one, other)
    admitted = [one.ledger.admit(first), other.ledger.admit(second)]
    assert 1 == sum(admitted)
    winner, run, loser, waiting = (
        (one, first, other, second) if admitted[0] else (other, second, one, first)
    )
    winner.ledger.release(run)
    renew(winner, loser)
    assert loser.ledger.admit(waiting)


def test_a_local_cluster_is_shared_on_its_own_host_only(store, monkeypatch):
    """Another host has machines of its own under that name."""
    clusters = fleet(kind="local")
    one, neighbour = (Scheduler(store, clusters, name) for name in ("one", "two"))
    monkeypatch.setattr(pool_leases.socket, "gethostname", lambda: "far-away")
    far = Scheduler(store, clusters, "far")
    renew(one, neighbour, far, rounds=3)
    assert (4, 4, 8) == (one.cores, neighbour.cores, far.cores)


def test_a_store_that_fails_leaves_the_slice_as_it_was(two, monkeypatch):
    """Tasks go on; nobody else can take anything meanwhile."""
    one, other = two
    renew(one, other)

    def fails(*args, **kwargs):
        raise StoreUnreachableError("gone")

    monkeypatch.setattr(one.leases._store, "renew_pool_lease", fails)
    with pytest.raises(StoreError):
        one.leases.renew()
    assert 4 == one.cores
    assert IDLE.cores == one.ledger.needs()[POOL].used.cores
