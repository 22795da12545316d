"""Importing the room costs nothing until it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import aiops_provider.store

_HEAVY = ("sqlalchemy", "alembic", "stamina", "psycopg", "pydantic")


def test_importing_the_room_loads_no_library() -> None:
    """Every scheduler and worker may import the room; SQLAlchemy comes with the first use."""
    code = (
        "import sys, aiops_provider.store as room\n"
        f"print(sorted(set({_HEAVY!r}) & set(sys.modules)))\n"
        "room.Store\n"
        "print('sqlalchemy' in sys.modules)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert result.stdout == "[]\nTrue\n"


def test_exported_names() -> None:
    """The room exports the store and the receipt of an ingest, and tells so."""
    assert {"Store", "IngestReceipt"} <= set(dir(aiops_provider.store))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        aiops_provider.store.nothing  # type: ignore[attr-defined]  # noqa: B018
