"""The doctor asks each source of cluster metrics once and shows what it told."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler

import pytest

from aiops_provider.control.doctor_metrics import check_metrics
from aiops_provider.control.finding import Verdict
from aiops_provider.control.installation import Installation
from aiops_provider.domain.units import utc_now
from aiops_provider.settings.schema import Settings


@pytest.fixture
def findings(tmp_path):
    """What is found about a cluster with these metrics."""

    def find(metrics):
        settings = {
            "store": f"sqlite:///{tmp_path}/aiops.db",
            "clusters": [
                {
                    "name": "c", "kind": "local", "metrics": metrics,
                    "capacity": {"cores": 1, "memory_gib": 1},
                }
            ],
        }  # fmt: skip
        opened = Installation.open(Settings.model_validate(settings))
        try:
            return list(check_metrics(opened))
        finally:
            opened.close()

    return find


class Prometheus(BaseHTTPRequestHandler):
    """Knows one metric."""

    def do_POST(self):
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        points = [[int(utc_now().timestamp()) - 60, "4"]]
        known = [{"metric": {}, "values": points}] if "query=known" in form else []
        text = json.dumps({"status": "success", "data": {"result": known}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Nothing on stderr."""


def test_what_is_told_and_what_is_missing(findings, serve):
    """By name, with values."""
    with serve(Prometheus) as url:
        (fine,) = findings({"prometheus": {"url": url, "queries": {"busy": "known"}}})
        (short,) = findings({"prometheus": {"url": url, "queries": {"a": "known", "b": "gone"}}})
    assert (Verdict.OK, "metrics c prometheus", "it tells busy 4") == (
        fine.verdict,
        fine.check,
        fine.detail,
    )
    assert (Verdict.WARN, "it tells a 4; missing are b: it has no data points") == (
        short.verdict,
        short.detail,
    )


def test_a_source_that_does_not_answer_fails(findings):
    """With the reason."""
    (found,) = findings({"prometheus": {"url": "http://127.0.0.1:9", "queries": {"a": "up"}}})
    assert (Verdict.FAIL, "http://127.0.0.1:9 does not answer: ConnectError") == (
        found.verdict,
        found.detail,
    )


def test_a_source_that_hangs_is_not_waited_for(findings, serve):
    """Longer than its time limit."""
    release = threading.Event()

    class Silent(Prometheus):
        def do_POST(self):
            release.wait(30)

    with serve(Silent) as url:
        said = {"prometheus": {"url": url, "queries": {"a": "up"}}, "timeout_s": 0.2}
        (found,) = findings(said)
        release.set()
    assert (Verdict.FAIL, f"{url} does not answer: ReadTimeout") == (found.verdict, found.detail)


def test_a_source_that_cannot_be_opened_is_input_to_mend(findings):
    """And without any metrics there is nothing to say."""
    (found,) = findings({"prometheus": {"url": "http://p"}})
    assert (Verdict.FAIL, True) == (found.verdict, found.input_error)
    assert "no query is given" in found.detail
    assert [] == findings({})
