"""A cluster to ask about, and what a server of ours answers with."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler

import pytest

from aiops_provider.domain.cluster import Capacity, ClusterSpec, Pool


@pytest.fixture
def cluster():
    """Makes one of a kind."""

    def make(kind="local", **options):
        pool = Pool(
            name="default",
            machine=Capacity(cores=1, memory_gib=1),
            max_instances=1,
            price_usd_per_hour=None,
        )
        return ClusterSpec(
            name="c",
            kind=kind,
            provider="aws",
            region="eu-central-1",
            pools=(pool,),
            options=options,
        )

    return make


class JsonHandler(BaseHTTPRequestHandler):
    """Answers with JSON; a server says in ``respond`` what."""

    def do_GET(self):
        self.respond()

    def do_POST(self):
        self.respond()

    def answer(self, content, status=200):
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Nothing on stderr."""


@pytest.fixture
def json_handler():
    """A class to derive the handler of a server from, for ``serve``."""
    return JsonHandler
