"""The console script: help, version, errors and exit statuses."""

from __future__ import annotations

import sys

import pytest

from aiops_provider import __version__
from aiops_provider.cli import commands
from aiops_provider.errors import AiopsError, ConfigurationError


def test_version(aiops):
    """``--version`` prints the version and nothing else."""
    answer = aiops("--version")
    assert (answer.status, answer.out, answer.err) == (0, f"aiops {__version__}\n", "")
    assert aiops("--verbose", "--version").out == f"aiops {__version__}\n"


def test_help_lists_every_command(aiops):
    """Whoever types ``--help`` sees all commands with a line each."""
    answer = aiops("--help")
    assert answer.status == 0
    for name, command in commands.COMMANDS.items():
        assert name in answer.out
        assert command.summary[:30] in answer.out


def test_unknown_command_is_refused_with_a_suggestion(aiops):
    """A typing error is a usage error."""
    answer = aiops("doktor")
    assert answer.status == 2
    assert "doctor" in answer.err
    assert answer.out == ""


def test_unknown_option_is_a_usage_error(aiops):
    """Exit status 2, as for everything that the caller must mend."""
    assert aiops("db", "check", "--nonsense").status == 2


def _command(monkeypatch, error: BaseException) -> None:
    class Module:
        @staticmethod
        def register(app) -> None:
            @app.command("doctor")
            def _doctor() -> None:
                raise error

    monkeypatch.setitem(sys.modules, "aiops_provider.cli.doctor", Module)


@pytest.mark.parametrize(
    ("error", "status"), [(AiopsError("it broke"), 1), (ConfigurationError("it broke"), 2)]
)
def test_errors_become_message_and_status(aiops, monkeypatch, error, status):
    """Errors of ours are one line on stderr; stdout stays empty for scripts."""
    _command(monkeypatch, error)
    answer = aiops("doctor")
    assert (answer.status, answer.out, answer.err) == (status, "", "aiops: it broke\n")


def test_missing_library_names_the_extra(aiops, monkeypatch):
    """A worker image without the engines gets a hint, not a traceback."""
    _command(monkeypatch, ModuleNotFoundError("no", name="sqlalchemy.engine"))
    answer = aiops("doctor")
    assert answer.status == 2
    assert answer.err == (
        "aiops: this command needs sqlalchemy, which is not installed. "
        "pip install 'aiops-provider[engine]'\n"
    )


def test_missing_module_of_our_own_is_a_defect(aiops, monkeypatch):
    """What is our own mistake is not disguised as a missing extra."""
    _command(monkeypatch, ModuleNotFoundError("no", name="aiops_provider.nowhere"))
    with pytest.raises(ModuleNotFoundError):
        aiops("doctor")


def test_interruption_has_its_own_status(aiops, monkeypatch):
    """Ctrl-C ends with 130, as shells expect."""
    _command(monkeypatch, KeyboardInterrupt())
    assert aiops("doctor").status == 130


@pytest.mark.parametrize("name", sorted(commands.COMMANDS))
def test_every_command_explains_itself_and_speaks_json(aiops, name):
    """Each command has help and ``--output``, itself or in its subcommands."""
    answer = aiops(name, "--help")
    assert answer.status == 0
    subcommands = [
        line.split()[1] for line in answer.out.partition("Commands")[2].splitlines()
        if line.startswith("│ ") and line[2] != " "
    ]  # fmt: skip
    pages = [aiops(name, sub, "--help").out for sub in subcommands] or [answer.out]
    assert all("--output" in page for page in pages)
