"""``aiops db``."""

from __future__ import annotations

import pytest


@pytest.fixture
def database(aiops, monkeypatch, tmp_path):
    path = tmp_path / "folder" / "aiops.db"
    monkeypatch.setenv("AIOPS__STORE", f"sqlite:///{path}")
    return path


def test_upgrade_creates_the_tables_once(aiops, database):
    """The second upgrade has nothing to do."""
    first = aiops("db", "upgrade", "--output", "json").data
    assert first["from"] is None
    second = aiops("db", "upgrade", "--output", "json").data
    assert second["from"] == second["to"] == first["to"]
    assert "already at" in aiops("db", "upgrade").out


def test_check_and_revision_of_a_good_store(aiops, database):
    """A migrated store is fine."""
    aiops("db", "upgrade")
    assert aiops("db", "check").status == 0
    data = aiops("db", "revision", "--output", "json").data
    assert data["revision"] == data["head"]


def test_store_that_is_not_migrated_is_told(aiops, database):
    """The message says what to do, the status is 2, and nothing is created."""
    answer = aiops("db", "check")
    assert (answer.status, answer.out) == (2, "")
    assert "aiops db upgrade" in answer.err
    assert "no tables" in aiops("db", "revision").out
    assert not database.exists()


def test_unreachable_store_is_told_without_its_password(aiops, monkeypatch):
    """One message, status 2, no secret."""
    monkeypatch.setenv("AIOPS__STORE", "postgresql://me:hush@127.0.0.1:1/aiops?connect_timeout=2")
    answer = aiops("db", "check")
    assert (answer.status, answer.out) == (2, "")
    assert "127.0.0.1" in answer.err
    assert "hush" not in answer.err
    assert len(answer.err.strip().splitlines()) == 1
