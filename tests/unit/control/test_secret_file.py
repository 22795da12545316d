"""Secrets change without a restart, and tokens signed before go on."""

from __future__ import annotations

import pytest

from aiops_provider.control.installation import Installation
from aiops_provider.control.secret_file import read_secrets, rotate_secrets
from aiops_provider.control.tokens import issue_token, verify_token
from aiops_provider.errors import ConfigurationError, TokenError
from aiops_provider.settings.schema import Settings

HOST_SECRET = "host-secret-" * 4


@pytest.fixture
def file(tmp_path, monkeypatch):
    named = tmp_path / "secrets" / "tokens"
    monkeypatch.setenv("AIOPS_TOKEN_SECRET_FILE", str(named))
    return named


def opened() -> Installation:
    """As a component of Airflow opens it."""
    return Installation.open(
        Settings.model_validate({"store": "postgresql://me@db/aiops"}),
        default_token_secret=HOST_SECRET,
    )


def test_every_process_takes_part_in_a_rotation_without_a_restart(file):
    """One signs, another one checks; both were started before."""
    executor, server = opened(), opened()
    old = issue_token(executor.token_secret, scope="ingest", subject="x", valid_s=60)
    assert rotate_secrets(file) == 2
    new = issue_token(executor.token_secret, scope="ingest", subject="x", valid_s=60)
    for token in (old, new):
        assert verify_token(server.token_secrets, token, "ingest").subject == "x"
    with pytest.raises(TokenError):
        verify_token(server.token_secrets[1:], new, "ingest")


def test_old_secrets_end(file):
    """Two rotations later nobody needs them any more."""
    first = read_secrets(file)[0]
    assert [rotate_secrets(file) for _ in range(3)] == [2, 3, 3]
    assert first not in read_secrets(file)
    assert len(set(read_secrets(file))) == 3


def test_the_file_is_for_its_owner_alone(file):
    """When it is made, and after a rotation."""
    read_secrets(file)
    assert file.stat().st_mode & 0o777 == 0o600
    rotate_secrets(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in file.parent.iterdir()] == ["tokens"]


def test_a_file_that_is_named_goes_before_the_secret_of_the_host(file, monkeypatch):
    """A secret that was given outright goes before both."""
    assert opened().token_secret == read_secrets(file)[0]
    monkeypatch.setenv("AIOPS_TOKEN_SECRET", "e" * 40)
    assert opened().token_secrets == ("e" * 40,)


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 40 + b"\nshort", "ü".encode() * 40])
def test_a_file_that_holds_no_secrets_is_refused(file, content):
    """All of it: nobody may sign with half a secret."""
    file.parent.mkdir()
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=str(file)):
        _ = opened().token_secret


def test_empty_lines_are_none(file):
    """Editors leave them."""
    file.parent.mkdir()
    file.write_text(f"{'a' * 40}\n\n{'b' * 40}\n")
    assert opened().token_secrets == ("a" * 40, "b" * 40)
