"""An installation finds its store and its secret, and keeps both to itself."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from aiops_provider.control.installation import Installation
from aiops_provider.control.secret_file import new_secret
from aiops_provider.errors import ConfigurationError, StoreUnreachableError
from aiops_provider.settings.schema import Settings

HOST_SECRET = "host-secret-" * 4


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("AIOPS_TOKEN_SECRET", raising=False)


def settings(**sections) -> Settings:
    return Settings.model_validate(sections)


def remote_cluster() -> dict:
    return {"name": "eks", "kind": "kubernetes", "capacity": {"cores": 1, "memory_gib": 1}}


def test_default_store_is_a_file_in_the_users_data_folder(tmp_path):
    """Without any setting it works, and other users cannot look into the folder."""
    installation = Installation.open(settings())
    folder = tmp_path / "data" / "aiops"
    assert installation.require_store().url_redacted == f"sqlite:///{folder / 'aiops.db'}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_configured_store_goes_before_that_of_the_host(tmp_path):
    """The host's database is only the default."""
    own, host = f"sqlite:///{tmp_path}/own.db", f"sqlite:///{tmp_path}/host.db"
    configured = Installation.open(settings(store=own), default_store_url=host)
    assert configured.require_store().url_redacted == own
    assert not configured.shares_host_database
    by_default = Installation.open(settings(), default_store_url=host)
    assert by_default.require_store().url_redacted == host
    assert by_default.shares_host_database


def test_remote_cluster_needs_more_than_a_file(tmp_path):
    """A default store that cannot serve a remote cluster is refused with what to do."""
    with pytest.raises(
        ConfigurationError, match=r"store: .*remote cluster eks.*postgresql\+psycopg"
    ):
        Installation.open(settings(clusters=[remote_cluster()]))


def test_host_database_of_another_kind_is_refused():
    """A host on MySQL needs a store of its own."""
    with pytest.raises(ConfigurationError, match="only SQLite and PostgreSQL") as caught:
        Installation.open(settings(), default_store_url="mysql://me:hush@db/airflow")
    assert "hush" not in str(caught.value)


def test_configured_secret_goes_before_all_others(monkeypatch):
    """Settings, then the environment, then the host."""
    monkeypatch.setenv("AIOPS_TOKEN_SECRET", "e" * 40)
    ours = settings(server={"token_secret": "c" * 40})
    assert Installation.open(ours, default_token_secret=HOST_SECRET).token_secret == "c" * 40
    opened = Installation.open(settings(), default_token_secret=HOST_SECRET)
    assert opened.token_secret == "e" * 40


def test_secret_of_the_host_is_not_used_as_it_is():
    """Neither side's tokens are good on the other side, yet all components agree."""
    first = Installation.open(settings(), default_token_secret=HOST_SECRET).token_secret
    assert first == Installation.open(settings(), default_token_secret=HOST_SECRET).token_secret
    assert len(first) >= 32
    assert HOST_SECRET not in first


def test_short_secret_is_refused(monkeypatch):
    """A secret that could be guessed is not used."""
    monkeypatch.setenv("AIOPS_TOKEN_SECRET", "short")
    with pytest.raises(
        ConfigurationError, match=r"AIOPS_TOKEN_SECRET: is shorter than 32.*aiops token secret"
    ):
        Installation.open(settings())


def test_generated_secret_is_kept_beside_the_store(tmp_path):
    """Two processes on one SQLite store agree, and nobody else can read it."""
    url = f"sqlite:///{tmp_path}/folder/aiops.db"
    secret = Installation.open(settings(store=url)).token_secret
    assert Installation.open(settings(store=url)).token_secret == secret
    file = tmp_path / "folder" / "aiops_token_secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_processes_that_race_for_the_secret_agree(tmp_path):
    """Whoever is first makes the secret; the others take it."""
    program = (
        "import sys; from aiops_provider.control.installation import Installation;"
        "from aiops_provider.settings.schema import Settings;"
        f"print(Installation.open(Settings(store='sqlite:///{tmp_path}/a.db')).token_secret)"
    )
    racers = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    secrets = {racer.communicate()[0].strip() for racer in racers}
    assert len(secrets) == 1


def test_damaged_secret_file_is_refused(tmp_path):
    """A file that was cut short is not taken for a secret."""
    (tmp_path / "aiops_token_secret").write_text("abc", encoding="ascii")
    installation = Installation.open(settings(store=f"sqlite:///{tmp_path}/a.db"))
    with pytest.raises(ConfigurationError, match="fewer than 32 characters"):
        _ = installation.token_secret


def test_shared_store_needs_a_secret_that_is_given():
    """On PostgreSQL a generated secret would differ from machine to machine."""
    installation = Installation.open(settings(store="postgresql://me@db/aiops"))
    with pytest.raises(
        ConfigurationError, match=r"server\.token_secret: is not set.*AIOPS_TOKEN_SECRET"
    ):
        _ = installation.token_secret


def test_secrets_are_not_in_the_text_of_an_installation(tmp_path):
    """A log line with an installation in it gives nothing away."""
    installation = Installation.open(
        settings(store="postgresql://me:hush@db/x", server={"token_secret": "hush" * 10})
    )
    assert "hush" not in repr(installation)


def test_installation_without_store_still_signs_tokens():
    """The layer works from memory when it must."""
    installation = Installation.without_store(settings())
    assert len(installation.token_secret) >= 32
    assert installation.token_secret == installation.token_secret
    with pytest.raises(StoreUnreachableError):
        installation.require_store()


def test_settings_for_a_child_name_the_same_store(tmp_path):
    """A process beside the host works on the host's store and gets no secret that it needs not."""
    url = f"sqlite:///{tmp_path}/host.db"
    opened = Installation.open(
        settings(mode="observe", server={"token_secret": "s" * 40}), default_store_url=url
    )
    child = Settings.model_validate(opened.settings_for_child())
    assert child.store is not None
    assert child.store.get_secret_value() == url
    assert child.mode == opened.settings.mode
    assert child.server.token_secret is None


def test_key_of_a_price_list_stays_here(tmp_path):
    """A process that plans asks no price list, so it gets no key; its catalogue is the same."""
    url = f"sqlite:///{tmp_path}/aiops.db"
    given = settings(store=url, catalog={"google_api_key": "hush", "folder": str(tmp_path)})
    opened = Installation.open(given)
    data = opened.settings_for_child()
    opened.close()

    assert (None, str(tmp_path)) == (data["catalog"]["google_api_key"], data["catalog"]["folder"])


def test_cluster_by_name():
    """Clusters are found by name."""
    installation = Installation.without_store(settings(clusters=[{"name": "a", "kind": "local"}]))
    found = installation.cluster("a")
    assert found is not None
    assert found.name == "a"
    assert installation.cluster("b") is None


def test_new_secrets_differ():
    """A generated secret is long and never the same."""
    assert len({new_secret() for _ in range(10)}) == 10
    assert len(new_secret()) >= 32


def test_data_folder_follows_the_home(tmp_path, monkeypatch):
    """Without XDG_DATA_HOME the folder is in the home directory."""
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    Installation.open(settings())
    assert (tmp_path / ".local" / "share" / "aiops").is_dir()
    assert isinstance(Path.home(), Path)
