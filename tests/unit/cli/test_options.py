"""Commands work on the installation of the host that is set up here."""

from __future__ import annotations

import pytest

from aiops_provider.cli.options import open_installation
from aiops_provider.control import host_facts
from aiops_provider.control.host_facts import HostFacts
from aiops_provider.errors import ConfigurationError


@pytest.fixture
def airflow(aiops, monkeypatch, tmp_path) -> dict:
    """An Airflow that is set up here; its answers can be changed, and are counted."""
    said = {"store_url": f"sqlite:///{tmp_path}/airflow.db", "token_secret": "j" * 40}
    told = {"said": said, "error": "", "asked": 0}

    def ask(name, _environ):
        told["asked"] += 1
        return HostFacts(name=name, version="3.3.2", said=told["said"], error=told["error"])

    monkeypatch.setattr(host_facts, "installed_host", lambda name: "3.3.2")
    monkeypatch.setattr(host_facts, "ask_host", ask)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    return told


def test_database_of_airflow_is_the_default(airflow, tmp_path, aiops):
    """``aiops db upgrade`` in an Airflow upgrades the tables that its scheduler uses."""
    answer = aiops("db", "upgrade", "--output", "json")
    assert answer.data["store"] == f"sqlite:///{tmp_path}/airflow.db"
    assert open_installation(None).shares_host_database


def test_file_that_airflow_names_is_read(airflow, tmp_path):
    """``[aiops] config_file`` holds for the command line too."""
    file = tmp_path / "named.yaml"
    file.write_text(f"mode: observe\nstore: sqlite:///{tmp_path}/own.db\n", encoding="utf-8")
    airflow["said"]["config_file"] = str(file)
    opened = open_installation(None, checked=False)
    assert opened.settings.mode.default == "observe"
    assert opened.require_store().url_redacted == f"sqlite:///{tmp_path}/own.db"


def test_airflow_is_not_asked_for_nothing(airflow, monkeypatch, tmp_path):
    """With store and secret set, a command does not wait seconds for Airflow."""
    monkeypatch.setenv("AIOPS__STORE", f"sqlite:///{tmp_path}/own.db")
    open_installation(None, checked=False)
    assert airflow["asked"] == 0
    open_installation(None, checked=False, needs_secret=True)
    assert airflow["asked"] == 1
    monkeypatch.setenv("AIOPS_TOKEN_SECRET", "s" * 40)
    open_installation(None, checked=False, needs_secret=True)
    assert airflow["asked"] == 1


def test_tokens_agree_with_those_of_airflow(airflow):
    """A token made here opens the API that Airflow serves."""
    from aiops_provider.control.installation import Installation
    from aiops_provider.settings.schema import Settings

    served = Installation.open(
        Settings(),
        default_store_url=airflow["said"]["store_url"],
        default_token_secret=airflow["said"]["token_secret"],
    )
    opened = open_installation(None, checked=False, needs_secret=True)
    assert opened.token_secret == served.token_secret


def test_silent_airflow_is_no_reason_to_use_another_store(airflow):
    """Nothing is done on a store that nobody meant."""
    airflow["error"] = "ImportError: no"
    with pytest.raises(ConfigurationError, match=r"store: Airflow.*ImportError: no.*AIOPS__STORE"):
        open_installation(None, checked=False)


def test_airflow_that_is_only_installed_does_not_count(airflow, monkeypatch, tmp_path):
    """Without AIRFLOW_HOME or a configuration file there is no Airflow to ask."""
    monkeypatch.delenv("AIRFLOW_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert not open_installation(None, checked=False).shares_host_database
    (tmp_path / "airflow").mkdir()
    (tmp_path / "airflow" / "airflow.cfg").write_text("", encoding="utf-8")
    assert open_installation(None, checked=False).shares_host_database
