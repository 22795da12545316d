import http.client
import json

import pytest

from aiops_provider.cli.demo.serving import generate_load, scoring_server


def ask(port, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/score", body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_a_request_gets_its_score():
    """The features of the request reach the model."""
    with scoring_server(sum) as port:
        assert ask(port, b'{"features": [1, 2]}') == (200, {"score": 3})


@pytest.mark.parametrize("body", [b"no json", b"{}", b'{"features": "ab"}'])
def test_a_bad_request_is_refused_and_the_server_goes_on(body):
    """What the model cannot score is the caller's mistake: 422, and the next request is served."""
    with scoring_server(sum) as port:
        assert ask(port, body)[0] == 422
        assert ask(port, b'{"features": [1]}')[0] == 200


def test_failures_are_counted_apart_from_latencies():
    """A server that refuses everything yields failures and no latency."""
    with scoring_server(lambda _row: 1 / 0 if _row else 0.0) as port:
        latencies, failures = generate_load(
            port, [b"no json"], seconds=0.1, on_second=lambda *_: None
        )
    assert latencies == []
    assert failures > 0


def test_the_server_is_gone_afterwards():
    """Nothing listens on the port any more."""
    with scoring_server(sum) as port:
        pass
    with pytest.raises(ConnectionRefusedError):
        ask(port, b"{}")
