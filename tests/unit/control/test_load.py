"""What is booked, and how long it will take."""

import random

import pytest

from aiops_provider.control import load
from aiops_provider.control.load import LoadLedger
from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool
from aiops_provider.domain.profile import ResourceRequest
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.placement.live_load import IDLE


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(clock):
    machine = Capacity(cores=4, memory_gib=16)
    pool = Pool(name="p", machine=machine, max_instances=1, price_usd_per_hour=1.0)
    cluster = ClusterSpec(name="c", kind="local", provider="x", region="y", pools=(pool,))
    return LoadLedger((cluster,), clock=clock)


def book(ledger, number, *, cores=2, expected_s=60.0, limited=True) -> TaskRun:
    run = TaskRun(TaskKey("d", "t"), "r", number)
    grant = ResourceRequest(cores=cores, memory_gib=1)
    ledger.book(run, cluster="c", pool="p", grant=grant, limited=limited, expected_s=expected_s)
    return run


def test_the_backlog_is_what_is_left_of_everything_booked(ledger, clock):
    """Half a pool for a minute is half a minute of the pool; what runs gets shorter."""
    first = book(ledger, 1)
    book(ledger, 2)
    assert pytest.approx(60) == ledger.load()["c", "p"].backlog_s
    assert ledger.admit(first)
    clock.now += 40
    assert pytest.approx(40) == ledger.load()["c", "p"].backlog_s
    clock.now += 500
    assert pytest.approx(30) == ledger.load()["c", "p"].backlog_s


def test_what_runs_already_is_counted_whether_there_is_room_or_not(ledger):
    """A scheduler takes over what an earlier one has started."""
    for number in range(3):
        grant = ResourceRequest(cores=2, memory_gib=1)
        run = TaskRun(TaskKey("d", "t"), "earlier", number)
        ledger.book(run, cluster="c", pool="p", grant=grant, limited=True, running=True)
    assert (6, 0) == (ledger.load()["c", "p"].cores, ledger.load()["c", "p"].waiting)
    assert not ledger.admit(book(ledger, 1))


def test_being_asked_again_does_not_start_a_task_anew(ledger, clock):
    """Admitted is admitted."""
    run = book(ledger, 1)
    ledger.admit(run)
    clock.now += 40
    ledger.admit(run)
    assert pytest.approx(10) == ledger.load()["c", "p"].backlog_s


def test_what_was_admitted_is_not_in_its_own_way(ledger):
    """A task whose sending failed is asked about again; it has the room already."""
    run = book(ledger, 1, cores=4)
    assert [True, True] == [ledger.admit(run), ledger.admit(run)]
    assert (4, 0) == (ledger.load()["c", "p"].cores, ledger.load()["c", "p"].waiting)
    assert not ledger.admit(book(ledger, 2, cores=1))


def test_what_is_not_limited_or_not_known_is_no_backlog(ledger):
    """A task that is only observed is in nobody's way; an unknown duration is not made up."""
    book(ledger, 1, limited=False)
    assert {} == ledger.load()
    book(ledger, 2, expected_s=0.0)
    assert (2, 0) == (ledger.load()["c", "p"].cores, ledger.load()["c", "p"].backlog_s)


def test_what_ended_is_gone(ledger):
    """The next task does not wait for it."""
    ledger.release(book(ledger, 1))
    assert {} == ledger.load()


@pytest.mark.parametrize("age_s", [0.0, 0.5])
def test_sums_stay_those_of_what_is_booked(ledger, clock, monkeypatch, age_s):
    """However tries come, start, are booked anew and go: as if everything were added up afresh.

    But for the backlog, which may be counted so long ago.
    """
    monkeypatch.setattr(load, "_BACKLOG_AGE_S", age_s)
    choice = random.Random(0)  # noqa: S311 - no secret
    booked: dict[TaskRun, tuple[float, float]] = {}
    started: dict[TaskRun, float] = {}
    for _ in range(2000):
        clock.now += choice.random()
        number = choice.randrange(12)
        run = TaskRun(TaskKey("d", "t"), "r", number)
        match choice.choice(("book", "admit", "release")):
            case "book":
                cores, expected_s = choice.choice((0.1, 0.3, 1.7)), choice.choice((0.0, 7.0, 61.3))
                book(ledger, number, cores=cores, expected_s=expected_s)
                booked[run] = cores, expected_s
                started.pop(run, None)
            case "admit" if run in booked:
                running = sum(booked[each][0] for each in started)
                admitted = ledger.admit(run)
                assert (run in started or running + booked[run][0] <= 4 + 1e-9) == admitted
                if admitted:
                    started.setdefault(run, clock.now)
            case "release":
                ledger.release(run)
                booked.pop(run, None)
                started.pop(run, None)
        left = {
            run: max(0.0, expected_s - (clock.now - started[run] if run in started else 0.0))
            for run, (_, expected_s) in booked.items()
        }
        seen = ledger.load().get(("c", "p"), IDLE)
        assert pytest.approx(sum(cores for cores, _ in booked.values())) == seen.cores
        assert len(booked) - len(started) == seen.waiting
        shares = {run: max(cores / 4, 1 / 16) for run, (cores, _) in booked.items()}
        backlog_s = sum(left[run] * shares[run] for run in booked)
        late_s = age_s * sum(shares[run] for run in started)
        assert pytest.approx(backlog_s, abs=late_s + 1e-9) == seen.backlog_s
