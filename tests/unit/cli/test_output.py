"""What commands print."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import SecretStr

from aiops_provider.cli.output import OutputFormat, emit, note, progress, table, to_json
from aiops_provider.domain.task import TaskKey


@dataclass(frozen=True, slots=True)
class _Row:
    task: TaskKey
    at: datetime
    load: float


ROW = _Row(TaskKey("a", "b"), datetime(2026, 1, 1, tzinfo=UTC), float("inf"))


def test_json_holds_dataclasses_moments_and_odd_keys():
    """Whatever the domain is made of becomes plain JSON."""
    assert json.loads(to_json({TaskKey("a", "b"): [ROW], "secret": SecretStr("hush")})) == {
        "a/b": [
            {"task": {"namespace": "a", "name": "b"}, "at": "2026-01-01T00:00:00Z", "load": None}
        ],
        "secret": "**********",
    }


def test_json_is_all_that_is_on_stdout(capsys):
    """Notes go to stderr."""
    note("by the way")
    emit({"a": 1}, output=OutputFormat.JSON, view=lambda: ["never shown"])
    said = capsys.readouterr()
    assert json.loads(said.out) == {"a": 1}
    assert said.err == "by the way\n"


def test_table_shows_names_as_they_are(capsys):
    """What looks like markup in a name is text; unknown is a dash."""
    made = table("Tasks", ["task", "cost"], [("[red]x[/red]", 1.5), (None, 0.0)], right=["cost"])
    emit([], output=OutputFormat.TABLE, view=lambda: [made])
    out = capsys.readouterr().out
    assert "[red]x[/red]" in out
    assert "1.5" in out
    assert "–" in out


def test_piped_table_keeps_long_cells(capsys):
    """A pipe has no width at which to cut."""
    made = table("Long", ["what"], [("x" * 200,)])
    emit([], output=OutputFormat.TABLE, view=lambda: [made])
    assert "x" * 200 in capsys.readouterr().out


def test_bars_move_where_somebody_watches(capsys, monkeypatch):
    """On stderr: a name that looks like markup, how far it is, and a text that changes."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    with progress() as bar:
        bar("[red]plans[/red]", 1, 3)
        bar("pages", 0, None, text="first")
        bar("pages", 5, 7, text="second")
    said = capsys.readouterr()
    assert said.out == ""
    for words in ("[red]plans[/red]", "1/3", "5/7", "second"):
        assert words in said.err


def test_bars_are_silent_in_a_pipe(capsys, monkeypatch):
    """Logs of scripts stay free of them."""
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    with progress() as bar:
        bar("plans", 1, 3)
    assert capsys.readouterr() == ("", "")
