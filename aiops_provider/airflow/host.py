"""What the layer takes over from Airflow's own configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation

MOUNT_PATH = "/aiops"


def open_installation() -> Installation:
    """
    The installation of this Airflow: aiops.yaml, with the metadata database as default store.

    Raises:
        ConfigurationError: If aiops.yaml cannot be used.
        StoreError: If the store cannot be opened.
    """
    from airflow.configuration import conf

    from aiops_provider.control.installation import Installation
    from aiops_provider.settings.load import load_settings

    config_file = conf.get("aiops", "config_file", fallback=None)
    settings = load_settings(Path(config_file) if config_file else None)
    if not conf.getboolean("aiops", "enabled", fallback=True):
        settings = settings.model_copy(update={"enabled": False})
    return Installation.open(
        settings,
        default_store_url=conf.get_mandatory_value("database", "sql_alchemy_conn"),
        default_token_secret=conf.get("api_auth", "jwt_secret", fallback=None),
    )


def queued_timeout_s() -> float:
    """How long Airflow lets a task be queued, in seconds; its token is good for as long."""
    from airflow.configuration import conf

    return float(conf.getfloat("scheduler", "task_queued_timeout", fallback=600.0))


def ingest_url(installation: Installation) -> str:
    """Where workers report to: the configured server, else the API mounted in Airflow's own."""
    if installation.settings.server.url:
        return installation.settings.server.url.rstrip("/")
    from airflow.configuration import conf

    base = conf.get("api", "base_url", fallback="") or _api_server_address()
    return base.rstrip("/") + MOUNT_PATH


def base_path() -> str:
    """Path of the web server below its host, such as ``/airflow``; empty at the root."""
    from urllib.parse import urlsplit

    from airflow.configuration import conf

    return urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")


def _api_server_address() -> str:
    from airflow.configuration import conf

    host = conf.get("api", "host", fallback="127.0.0.1")
    reachable = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 (compared, not bound)
    return f"http://{reachable}:{conf.getint('api', 'port', fallback=8080)}"
