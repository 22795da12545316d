"""``aiops server`` refuses to start where it cannot work."""

from __future__ import annotations

import socket


def test_port_in_use_is_told(aiops, monkeypatch, tmp_path):
    """Another server on the port: one message, status 2."""
    monkeypatch.setenv("AIOPS__STORE", f"sqlite:///{tmp_path}/aiops.db")
    aiops("db", "upgrade")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = aiops("server", "--port", str(port), "--no-cycle")
    assert (answer.status, answer.out) == (2, "")
    assert f"127.0.0.1:{port}" in answer.err
    assert "--port" in answer.err


def test_store_without_tables_is_told(aiops, monkeypatch, tmp_path):
    """Status 2 and ``aiops db upgrade``."""
    monkeypatch.setenv("AIOPS__STORE", f"sqlite:///{tmp_path}/aiops.db")
    answer = aiops("server")
    assert (answer.status, answer.out) == (2, "")
    assert "aiops db upgrade" in answer.err


def test_port_that_is_none_is_a_usage_error(aiops):
    """Typer knows the bounds."""
    assert aiops("server", "--port", "70000").status == 2
