"""
The file with the secrets that sign tokens, one a line: the first signs, all of them are accepted.

It is read each time it is needed, so that a secret that takes over from another does so in every
process without a restart, and tokens that were signed before go on until they expire.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path

from aiops_provider.errors import ConfigurationError

MINIMUM_CHARACTERS = 32
_MOST_KEPT = 3


def new_secret() -> str:
    """A secret that is good enough to sign tokens."""
    return secrets.token_urlsafe(48)


def read_secrets(file: Path) -> tuple[str, ...]:
    """
    The secrets in a file, made first if it is not there; processes that race agree on one.

    Raises:
        ConfigurationError: One of them is too short, or the file cannot be read.
    """
    try:
        if not file.exists():
            _make(file)
        found = tuple(line.strip() for line in file.read_text(encoding="ascii").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            "cannot be read as a file of secrets",
            field=str(file),
            mend="It holds one secret a line, as `aiops token secret` prints them.",
        ) from error
    kept = tuple(line for line in found if line)
    if not kept or min(map(len, kept)) < MINIMUM_CHARACTERS:
        raise ConfigurationError(
            f"holds fewer than {MINIMUM_CHARACTERS} characters",
            field=str(file),
            mend="Remove it; a new one is made. Tokens signed with the old one end.",
        )
    return kept


def rotate_secrets(file: Path) -> int:
    """
    Put a new secret before those that are there; the oldest beyond two of them end.

    Returns:
        Number of secrets whose tokens are accepted now.

    Raises:
        ConfigurationError: The file cannot be used, or not be written.
    """
    kept = (new_secret(), *read_secrets(file))[:_MOST_KEPT]
    try:
        _draft(file, "\n".join(kept)).replace(file)
    except OSError as error:
        raise ConfigurationError(
            f"cannot be written: {error.strerror}",
            field=str(file),
            mend="Change it where it comes from: the new secret in the first line, the old one below.",
        ) from error
    return len(kept)


def _make(file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = _draft(file, new_secret())
    try:
        os.link(draft, file)  # fails when another process was first, and that one's holds
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _draft(file: Path, text: str) -> Path:
    descriptor, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}")
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(text)
    return Path(draft)
