from __future__ import annotations

import math
import os
import threading
import time

import pytest

from aiops_provider.errors import ConfigurationError
from aiops_provider.telemetry.serving import traffic as traffic_module
from aiops_provider.telemetry.serving.traffic import TrafficMeter


@pytest.fixture
def told(monkeypatch):
    found = []
    monkeypatch.setattr(
        traffic_module, "report", lambda name, value, **labels: found.append((name, value, labels))
    )
    return found


def values(told, name):
    return [value for found, value, _ in told if found == name]


def served(meter, milliseconds, *, failed=False):
    """A request whose latency is what the test says."""
    began = meter.begin()
    meter.end(began - milliseconds / 1000.0, failed=failed)


def test_counts_of_two_processes_add_up(told):
    """Whatever is called a count is one, bucket by bucket."""
    for latencies in ([5, 30, 30], [70, 5000]):
        meter = TrafficMeter(interval_s=3600, service="scoring")
        for latency in latencies:
            served(meter, latency, failed=latency == 5000)
        meter.close()
    assert sum(values(told, "request_count")) == 5
    assert sum(values(told, "failed_request_count")) == 1
    within: dict[str, int] = {}
    for name, value, labels in told:
        if name == "request_within_count":
            within[labels["within_ms"]] = within.get(labels["within_ms"], 0) + value
    assert {bound: count for bound, count in within.items() if count} == {
        "10": 1, "50": 2, "100": 1, "inf": 1,
    }  # fmt: skip
    assert sum(values(told, "latency_total_ms")) == pytest.approx(5135, rel=0.01)
    assert {labels["service"] for _, _, labels in told} == {"scoring"}
    assert {labels["host"].rpartition(":")[2] for _, _, labels in told} == {str(os.getpid())}


def test_percentiles_are_within_two_percent(told):
    """Of many latencies of very different size."""
    meter = TrafficMeter(interval_s=3600)
    for number in range(1, 1001):
        served(meter, number)
    meter.close()
    for percent, expected in ((50, 500), (95, 950), (99, 990)):
        assert values(told, f"latency_p{percent}_ms") == [pytest.approx(expected, rel=0.02)]


def test_the_most_at_once_is_told(told):
    """Requests that go on count in the next interval as well."""
    meter = TrafficMeter(interval_s=3600)
    began = [meter.begin() for _ in range(7)]
    for one in began[:5]:
        meter.end(one)
    meter._tell()
    meter.close()
    assert values(told, "concurrent_requests") == [7, 2]
    assert values(told, "request_count") == [5, 0]


def test_a_quiet_interval_is_told(told):
    """Nobody asking any more is the most important news of all."""
    meter = TrafficMeter(interval_s=0.02)
    served(meter, 1)
    deadline = time.monotonic() + 20
    while values(told, "request_count").count(0) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    meter.close()
    assert sum(values(told, "request_count")) == 1
    assert values(told, "latency_p50_ms") != []


def test_threads_lose_no_request(told):
    """Eight of them at once."""
    meter = TrafficMeter(interval_s=3600)

    def ask():
        for _ in range(500):
            served(meter, 1)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    meter.close()
    assert values(told, "request_count") == [4000]


def test_a_forked_worker_begins_anew(told):
    """What the parent counted is the parent's to tell."""
    meter = TrafficMeter(interval_s=3600)
    served(meter, 1)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        told.clear()
        served(meter, 1)
        served(meter, 1)
        meter.close()
        os.write(writer, str(values(told, "request_count")).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 100) == b"[2]"
    meter.close()
    assert values(told, "request_count") == [1]
    os.close(reader)
    os.close(writer)


def test_a_meter_that_nobody_has_ends_its_thread(told):
    """An application that is thrown away leaves nothing behind."""
    before = set(threading.enumerate())
    meter = TrafficMeter(interval_s=3600)
    served(meter, 1)
    started = set(threading.enumerate()) - before
    assert [thread.name for thread in started] == ["aiops-traffic"]
    del meter
    for thread in started:
        thread.join(20)
        assert not thread.is_alive()


def test_nothing_that_goes_wrong_reaches_a_request(told, monkeypatch, caplog):
    """Not even no memory for a thread."""
    meter = TrafficMeter(interval_s=3600)
    monkeypatch.setattr(meter, "_start", lambda: 1 / 0)
    meter.end(meter.begin())
    assert "A request is not measured" in caplog.text


@pytest.mark.parametrize("interval_s", [0, -1, math.nan, math.inf])
def test_an_interval_that_is_none_is_refused(interval_s):
    """With the field and the value."""
    with pytest.raises(ConfigurationError, match="interval_s"):
        TrafficMeter(interval_s=interval_s)


@pytest.mark.parametrize("bounds", [[2, 1], [1, 1], [0], [math.nan]])
def test_bounds_that_are_none_are_refused(bounds):
    """They must ascend."""
    with pytest.raises(ConfigurationError, match="bounds_ms"):
        TrafficMeter(bounds_ms=bounds)
