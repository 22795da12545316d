"""Runs ``aiops`` in this process, in an empty folder, with a data folder of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from aiops_provider.cli.app import main


@dataclass(frozen=True)
class Answer:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


@pytest.fixture
def aiops(tmp_path, monkeypatch, capsys) -> Callable[..., Answer]:
    """Call a command: ``aiops("db", "check")``."""
    for name in list(os.environ):
        if name.startswith(("AIOPS_", "AIRFLOW_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Answer:
        capsys.readouterr()
        status = main(list(arguments))
        said = capsys.readouterr()
        return Answer(status, said.out, said.err)

    return run
