from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading

import pytest

from aiops_provider.telemetry import client as client_module
from aiops_provider.telemetry.client import KpiClient


def _spooled(spool_dir):
    """Values of all samples in the spool."""
    lines = [
        json.loads(line)
        for path in sorted(spool_dir.glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    return [line["value"] for line in lines if "value" in line]


def _rejected(spool_dir):
    lines = [
        line
        for path in sorted((spool_dir / "rejected").glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    return [json.loads(line)["value"] for line in lines]


def test_samples_travel_together(client, server, sample):
    """Samples of one moment are one request, with the token as bearer and a key for each."""
    client.send([sample(1), sample(2)])
    client.send([sample(3)])
    assert client.flush(30)
    [request] = server.received
    assert (request.path, request.authorization) == ("/aiops/api/v1/kpis", "Bearer token-1")
    assert server.values == [1, 2, 3]
    assert len(set(server.keys)) == 3
    assert all(server.keys)


def test_nobody_needs_to_flush(make_client, server, sample, wait_until):
    """What was reported arrives after a moment by itself."""
    client = make_client(period_s=0.01)
    client.send([sample(1)])
    wait_until(lambda: server.values == [1])


def test_large_amounts_are_parted(client, server, sample):
    """No request carries more than a parcel, and all samples arrive in order."""
    client.send([sample(number) for number in range(1_200)])
    assert client.flush(30)
    assert server.values == list(range(1_200))
    assert max(len(each.body["samples"]) for each in server.received) == 500


def test_server_that_was_down(client, make_client, server, sample, spool_dir):
    """What cannot be sent waits on disk; when the server is up again, all arrives exactly once."""
    server.stop()
    for value in (1, 2):
        client.send([sample(value)])
        assert not client.flush(30)
    assert _spooled(spool_dir) == [1, 2]
    server.start()
    client.send([sample(3)])
    assert client.flush(30)
    assert sorted(server.values) == [1, 2, 3]
    assert len(set(server.keys)) == 3
    assert _spooled(spool_dir) == []
    assert make_client().flush(30)
    assert len(server.received) == 3


def test_spool_of_a_process_that_ended(make_client, server, sample):
    """The next process sends what an earlier one could not, with the token it belongs to."""
    server.stop()
    first = make_client("token of try 1")
    first.send([sample(1)])
    assert not first.flush(30)
    server.start()
    assert make_client("token of try 2").flush(30)
    [request] = server.received
    assert request.authorization == "Bearer token of try 1"
    assert server.values == [1]


def test_spooled_with_a_token_that_has_expired(make_client, server, sample, spool_dir):
    """If its own token is not taken any more, another worker's is tried before it is rejected."""
    server.stop()
    first = make_client("expired")
    first.send([sample(1)])
    first.flush(30)
    server.start()
    server.judge = lambda it: (
        (401, "expired") if it.authorization.endswith("expired") else (202, "")
    )
    assert make_client("fresh").flush(30)
    assert [each.authorization for each in server.received] == ["Bearer expired", "Bearer fresh"]
    assert _spooled(spool_dir) == []
    assert not (spool_dir / "rejected").exists()


def test_spool_for_another_server(make_client, server, sample, spool_dir):
    """What was meant for another server is not sent to this one."""
    elsewhere = make_client(url="http://127.0.0.1:9/aiops")
    elsewhere.send([sample(1)])
    assert not elsewhere.flush(30)
    assert make_client().flush(30)
    assert server.received == []
    assert _spooled(spool_dir) == [1]


@pytest.mark.parametrize("status", [404, 408, 429, 500, 502, 503, 307])
def test_server_that_cannot_now(client, server, sample, spool_dir, status):
    """After an answer that may be another one tomorrow, samples wait in the spool."""
    server.judge = lambda _: (status, "not now")
    client.send([sample(1)])
    assert not client.flush(30)
    assert _spooled(spool_dir) == [1]
    server.judge = lambda _: (202, "{}")
    assert client.flush(30)
    assert server.values == [1, 1]
    assert len(set(server.keys)) == 1


@pytest.mark.parametrize("status", [400, 401, 403])
def test_server_that_refuses(client, server, sample, spool_dir, status, caplog):
    """What is refused is not sent again but kept for people, with one warning."""
    server.judge = lambda _: (status, "no right to do this")
    for value in (1, 2):
        client.send([sample(value)])
        assert client.flush(30)
    assert server.values == [1, 2]
    assert _spooled(spool_dir) == []
    assert _rejected(spool_dir) == [1, 2]
    [warning] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert f"refused 1 report ({status} no right to do this)" in warning.getMessage()
    assert str(spool_dir / "rejected") in warning.getMessage()


def test_words_of_our_own_server(client, server, sample, caplog):
    """What our API says about a sample is told in its own words."""
    server.judge = lambda _: (
        422,
        json.dumps({"error": {"message": "samples[0].name: is no name"}}),
    )
    client.send([sample(1)])
    client.flush(30)
    assert "refused 1 report (422 samples[0].name: is no name); kept in" in caplog.text


@pytest.mark.parametrize("status", [422, 413])
def test_one_bad_sample_among_many(client, server, sample, spool_dir, status):
    """Of a parcel that is refused for one sample, all the others are delivered."""
    bad = 5

    def judge(received):
        values = [each["value"] for each in received.body["samples"]]
        return (status, "samples[5].value") if bad in values else (202, "")

    server.judge = judge
    client.send([sample(number) for number in range(11)])
    assert client.flush(30)
    accepted = [
        each["value"]
        for request in server.received
        if judge(request)[0] == 202
        for each in request.body["samples"]
    ]
    assert sorted(accepted) == [number for number in range(11) if number != bad]
    assert _rejected(spool_dir) == [bad]


def test_server_that_vanishes_between_halves(client, server, sample, spool_dir):
    """What was not tried yet when the server became unavailable is kept, the rest is not."""

    def judge(received):
        values = [each["value"] for each in received.body["samples"]]
        if 3 in values:
            return 422, "3"
        return (503, "") if 1 not in values else (202, "")

    server.judge = judge
    client.send([sample(number) for number in range(4)])
    assert not client.flush(30)
    assert _spooled(spool_dir) == [2, 3]


def test_hanging_server(client, server, sample, spool_dir):
    """A server that takes requests and never answers holds nobody up; the sample is kept."""
    release = threading.Event()

    def judge(_):
        release.wait(30)
        return 202, "{}"

    server.judge = judge
    client.send([sample(1)])
    assert not client.flush(timeout_s=0.2)
    # Were flush not bounded, this line would not be reached before the server gave up.
    assert not release.is_set()
    assert _spooled(spool_dir) == [1]
    release.set()
    assert client.flush(timeout_s=30)
    assert set(server.values) == {1}
    assert len(set(server.keys)) == 1


def test_pause_after_a_failure(make_client, server, sample, spool_dir, wait_until):
    """While the server is known to be down, samples go to the spool without asking it each time."""
    server.judge = lambda _: (503, "")
    client = make_client(period_s=0.01)
    for value in (1, 2, 3):
        client.send([sample(value)])
        wait_until(lambda: len(_spooled(spool_dir)) == value)  # noqa: B023 - called at once
    assert len(server.received) == 1
    server.judge = lambda _: (202, "")
    assert client.flush(30)
    assert sorted(server.values) == [1, 1, 2, 3]


def test_more_than_memory_shall_hold(make_client, server, sample, spool_dir, monkeypatch):
    """What a task reports in large amounts while a request hangs goes to disk."""
    monkeypatch.setattr(client_module, "_QUEUE_ITEMS", 10)
    client = make_client(period_s=3600)
    client.send([sample(number) for number in range(10)])
    assert _spooled(spool_dir) == []
    client.send([sample(10)])
    assert _spooled(spool_dir) == list(range(11))
    assert client.flush(30)
    assert server.values == list(range(11))


@pytest.mark.parametrize("status", [202, 401, 422, 503])
def test_token_is_never_logged(make_client, server, sample, spool_dir, caplog, status):
    """Neither logs nor representations hold the token, even if the server repeats it."""
    caplog.set_level(logging.DEBUG)
    secret = "s3cr3t-token"
    server.judge = lambda it: (status, f"what is {it.authorization}?")
    client = make_client(secret)
    client.send([sample(1)])
    client.flush(30)
    assert secret not in caplog.text
    assert secret not in repr(client)
    assert all(secret not in path.read_text() for path in spool_dir.glob("rejected/*"))


@pytest.mark.parametrize("token", ["s3cr3t\nline", "s3cr3t-å"])
def test_token_that_no_header_can_hold(make_client, server, sample, spool_dir, caplog, token):
    """A token that cannot be sent is reported without being quoted."""
    caplog.set_level(logging.DEBUG)
    client = make_client(token)
    client.send([sample(1)])
    client.flush(30)
    assert server.received == []
    assert _rejected(spool_dir) == [1]
    assert "the token holds characters that no header may" in caplog.text
    assert "s3cr3t" not in caplog.text


@pytest.mark.parametrize("url", ["", "no address", "ftp://127.0.0.1", "http://[::bad"])
def test_address_that_is_none(make_client, sample, spool_dir, url):
    """A wrong address raises nothing; the samples are kept for people."""
    client = make_client(url=url or "/", timeout_s=0.5)
    client.send([sample(1)])
    client.flush(30)
    assert _spooled(spool_dir) + _rejected(spool_dir) == [1]


def test_spool_that_cannot_be_used(server, sample, tmp_path, caplog):
    """Without server and disk samples are lost, with one warning, and nothing is raised."""
    server.stop()
    (tmp_path / "spool").write_text("a file")
    client = KpiClient(server.url, "token", tmp_path / "spool")
    for value in (1, 2):
        client.send([sample(value)])
        client.flush(30)
    client.close()
    [warning] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "1 reports are lost" in warning.getMessage()


def test_client_can_be_used_after_close(client, server, sample):
    """Closing ends the thread; the next sample starts another one."""
    client.send([sample(1)])
    client.close()
    assert "aiops-telemetry" not in {thread.name for thread in threading.enumerate()}
    client.send([sample(2)])
    assert client.flush(30)
    assert server.values == [1, 2]


def test_forked_child_starts_empty(make_client, server, sample):
    """A fork does not send what its parent has still to send, and can report itself."""
    client = make_client(period_s=3600)
    client.send([sample(1)])
    pid = os.fork()
    if pid == 0:
        client.send([sample(2)])
        os._exit(0 if client.flush(30) else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert server.values == [2]
    assert client.flush(30)
    assert sorted(server.values) == [1, 2]


_REPORTER = """
import sys
from datetime import UTC, datetime
from aiops_provider.domain.kpi import KpiSample
from aiops_provider.telemetry.client import KpiClient

def main():
    client = KpiClient(sys.argv[1], "token", sys.argv[2], period_s=3600)
    for value in map(float, sys.argv[3:]):
        client.send([KpiSample(name="k", observed_at=datetime.now(UTC), value=value)])
    return client
"""


def _process(server, spool_dir, *values, then="main()"):
    return subprocess.Popen(
        [sys.executable, "-c", _REPORTER + then, server.url, str(spool_dir), *map(str, values)]
    )


def _arrived(server, client):
    """Values that the server got, each sample once, now or – the machine is slow – by the spool."""
    assert client.flush(30)
    return list(dict(zip(server.keys, server.values, strict=True)).values())


def test_exit_of_a_process(server, client, spool_dir):
    """What a process reports right before it ends is not lost."""
    assert _process(server, spool_dir, 1).wait() == 0
    assert _arrived(server, client) == [1]


def test_exit_while_the_server_hangs(server, spool_dir):
    """A hanging server delays the end of a process for a bounded time only."""
    release = threading.Event()
    server.judge = lambda _: (202, str(release.wait(60)))
    process = _process(server, spool_dir, 1)
    assert process.wait(timeout=30) == 0
    release.set()
    assert _spooled(spool_dir) == [1]


def test_child_of_multiprocessing(server, client, spool_dir):
    """What a child process that multiprocessing has forked reports is not lost."""
    then = (
        "import multiprocessing\n"
        "client = KpiClient(sys.argv[1], 'token', sys.argv[2], period_s=3600)\n"
        "sample = KpiSample(name='k', observed_at=datetime.now(UTC), value=7.0)\n"
        "child = multiprocessing.get_context('fork').Process(target=client.send, args=([sample],))\n"
        "child.start(); child.join(); sys.exit(child.exitcode)\n"
    )
    assert _process(server, spool_dir, then=then).wait() == 0
    assert _arrived(server, client) == [7]


def test_processes_that_share_a_spool(server, spool_dir):
    """Several processes fill one spool and several empty it: all arrives, and once."""
    server.stop()
    writers = [_process(server, spool_dir, *range(start, start + 20)) for start in (0, 100, 200)]
    assert [process.wait() for process in writers] == [0, 0, 0]
    assert len(_spooled(spool_dir)) == 60
    server.start()
    readers = [_process(server, spool_dir, then="main().flush(20)") for _ in range(3)]
    assert [process.wait() for process in readers] == [0, 0, 0]
    expected = [float(s + n) for s in (0, 100, 200) for n in range(20)]
    assert sorted(server.values) == expected
    assert len(set(server.keys)) == 60
    assert _spooled(spool_dir) == []
