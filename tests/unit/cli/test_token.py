"""``aiops token``."""

from __future__ import annotations

import pytest

from aiops_provider.control.tokens import Scope, verify_token

SECRET = "s" * 40


@pytest.fixture
def secret(aiops, monkeypatch) -> str:
    monkeypatch.setenv("AIOPS_TOKEN_SECRET", SECRET)
    return SECRET


def test_token_alone_is_on_stdout(aiops, secret):
    """``TOKEN=$(aiops token create)`` works."""
    answer = aiops("token", "create", "--scope", "ingest", "--scope", "read", "--days", "1")
    claims = verify_token(secret, answer.out.strip(), "ingest")
    assert claims.scopes == {Scope.INGEST, Scope.READ}
    assert "expires in 1 days" in answer.err


def test_token_reads_by_default(aiops, secret):
    """Without a scope the token can only look."""
    data = aiops("token", "create", "--output", "json").data
    assert data["scope"] == "read"
    assert verify_token(secret, data["token"], "read").scopes == {Scope.READ}


@pytest.mark.parametrize("arguments", [["--scope", "root"], ["--days", "0"], ["--days", "x"]])
def test_bad_wishes_are_refused(aiops, secret, arguments):
    """An unknown right or a validity that is none is a usage error."""
    answer = aiops("token", "create", *arguments)
    assert (answer.status, answer.out) == (2, "")


def test_token_without_any_secret_is_refused_on_a_shared_store(aiops, monkeypatch):
    """On PostgreSQL the secret must be given, and the message says how."""
    monkeypatch.setenv("AIOPS__STORE", "postgresql://me@db/aiops")
    answer = aiops("token", "create")
    assert answer.status == 2
    assert "server.token_secret: is not set" in answer.err
    assert "aiops token secret" in answer.err


def test_secret_is_good_enough(aiops, monkeypatch):
    """What ``aiops token secret`` prints is accepted."""
    made = aiops("token", "secret").out.strip()
    assert made != aiops("token", "secret", "--output", "json").data["secret"]
    monkeypatch.setenv("AIOPS_TOKEN_SECRET", made)
    assert aiops("token", "create").status == 0


def test_rotation_needs_a_file(aiops, secret):
    """A secret in the environment of many processes cannot be changed under them."""
    answer = aiops("token", "rotate")
    assert answer.status == 2
    assert "AIOPS_TOKEN_SECRET_FILE" in answer.err


def test_tokens_of_before_a_rotation_are_accepted_after_it(aiops, monkeypatch, tmp_path):
    """And new ones are signed with the new secret."""
    file = tmp_path / "secrets"
    monkeypatch.setenv("AIOPS_TOKEN_SECRET_FILE", str(file))
    before = aiops("token", "create").out.strip()
    assert aiops("token", "rotate", "--output", "json").data == {"file": str(file), "accepted": 2}
    after = aiops("token", "create").out.strip()
    new, old = file.read_text().split()
    assert verify_token(new, after, "read")
    assert verify_token(old, before, "read")
