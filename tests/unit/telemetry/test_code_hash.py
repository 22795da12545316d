"""The hash of what a task runs."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from aiops_provider.telemetry.code_hash import code_hash

TASK = '''
def shared(rows):
    return [row for row in rows if row in {"claims", "patients", "visits"}]

def train(rows, *, depth=3):
    """Train it."""
    def inner(row):
        return row.upper()
    return [inner(row) for row in shared(rows)], depth
'''


def hash_of(source: str, name: str = "train") -> str | None:
    module = ModuleType("users_dag")
    exec(compile(source, "/srv/dags/users_dag.py", "exec"), module.__dict__)  # noqa: S102 -- as a DAG file
    return code_hash(getattr(module, name))


def test_what_is_no_code_changes_nothing() -> None:
    """Comments, blank lines, a docstring's words, other functions and the place in the file."""
    same = TASK.replace("Train it.", "Train the model.").replace(
        "    def inner", "\n    # upper case\n    def inner"
    )
    assert hash_of(f"import json\n\nOTHER = 1\n\ndef other(): ...\n\n{same}\n") == hash_of(TASK)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("row.upper()", "row.lower()"),
        ('"visits"', '"beds"'),
        ("depth=3", "depth=4"),
        ("row in {", "row not in {"),
    ],
)
def test_what_is_code_changes_it(old: str, new: str) -> None:
    """In the function, in one within it, in its defaults, and in one of the user's that it calls."""
    assert hash_of(TASK.replace(old, new)) != hash_of(TASK)


def test_functions_that_call_each_other_have_an_end() -> None:
    """Each counts once."""
    circle = "def train(n):\n    return other(n)\n\ndef other(n):\n    return train(n - 1)\n"
    assert hash_of(circle) != hash_of(circle.replace("n - 1", "n - 2"))


def test_installed_functions_are_no_code_of_the_users() -> None:
    """A function of the standard library counts by its name only."""
    source = "from textwrap import dedent as tidy\n\ndef train(text):\n    return tidy(text)\n"
    assert hash_of(source) == hash_of(source.replace("dedent as", "indent as"))


def test_it_is_the_same_in_every_process(tmp_path: Path) -> None:
    """Whatever the seed of the hashes of texts: sets of words have another order each time."""
    file = tmp_path / "dag.py"
    file.write_text(
        "from aiops_provider.telemetry.code_hash import code_hash\n"
        f"{TASK}\nprint(code_hash(train, {{'b': 1, 'a': ['x', {{'y', 'z', 'w'}}]}}))\n"
    )
    found = {
        subprocess.run(
            [sys.executable, str(file)],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1


def test_wrappers_are_looked_through() -> None:
    """Partials, methods, decorators that name what they wrap, and objects that can be called."""

    def plain(text: str) -> str:
        return text.upper()

    @functools.wraps(plain)
    def wrapped(*args: str) -> str:
        return plain(*args)

    class Callable:
        def __call__(self, text: str) -> str:
            return text.lower()

    expected = code_hash(plain)
    assert code_hash(functools.partial(plain, "x")) == code_hash(wrapped) == expected
    assert code_hash(Callable()) == code_hash(Callable().__call__) != expected


def test_fields_count_by_what_they_say() -> None:
    """Of an object only its class counts: its text may hold an address in memory."""
    assert code_hash(None, "a", 1) != code_hash(None, "a", 2)
    assert code_hash(None, {"a": object()}) == code_hash(None, {"a": object()})
    assert code_hash(None, {"a": 1, "b": 2}) == code_hash(None, {"b": 2, "a": 1})


def test_code_that_is_not_pythons_has_none() -> None:
    """A function written in C has no code to look at."""
    assert code_hash(len) is None
    assert code_hash(None, None) is None
