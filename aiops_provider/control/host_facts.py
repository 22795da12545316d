"""
What the host that is installed here says about itself, asked in a process of its own.

Control never imports a host: a fresh interpreter does, in the environment that the host itself would
be started in, and tells what it found. That also shows whether our door can be imported there.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# Airflow needs some seconds on an idle machine, and doctors are called for busy ones.
_TIMEOUT_S = 180.0
_MARK = "aiops-facts:"

_ASK_AIRFLOW = """
import importlib, json
from airflow.configuration import conf
facts = {
    "store_url": conf.get("database", "sql_alchemy_conn"),
    "token_secret": conf.get("api_auth", "jwt_secret", fallback=None),
    "config_file": conf.get("aiops", "config_file", fallback=None),
    "executors": [part.rpartition(":")[2] for part in conf.get("core", "executor").split(",")],
}
from aiops_provider.airflow import AiopsExecutor
from aiops_provider.airflow import host
facts["mount_path"] = host.MOUNT_PATH
print("aiops-facts:" + json.dumps(facts))
"""

_ASK_PREFECT = """
import json
import aiops_provider.prefect
from prefect.settings import get_current_settings
from prefect.workers.base import BaseWorker
worker = BaseWorker.get_worker_class_from_type("aiops")
facts = {"api_url": get_current_settings().api.url, "worker": worker and worker.__name__}
print("aiops-facts:" + json.dumps(facts))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """
    A host and what it said.

    Attributes:
        name: ``airflow`` or ``prefect``.
        version: Of the host.
        said: Its answers; never shown as they are, for secrets are among them.
        error: The last line of what went wrong, or empty.
    """

    name: str
    version: str
    said: Mapping[str, object] = field(default_factory=dict, repr=False)
    error: str = ""

    def text(self, key: str) -> str | None:
        """An answer that is a text, if there is one."""
        value = self.said.get(key)
        return value if isinstance(value, str) and value else None


def installed_host(name: str) -> str | None:
    """Version of a host, ``None`` when it is not installed."""
    distribution = {"airflow": "apache-airflow-core", "prefect": "prefect"}[name]
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def airflow_is_here(environ: Mapping[str, str]) -> bool:
    """Whether Airflow is not only installed but also set up in this environment."""
    if installed_host("airflow") is None:
        return False
    named = any(name == "AIRFLOW_HOME" or name.startswith("AIRFLOW__") for name in environ)
    return named or Path("~/airflow/airflow.cfg").expanduser().is_file()


def ask_host(name: str, environ: Mapping[str, str]) -> HostFacts | None:
    """What the host says about itself, ``None`` when it is not installed."""
    found = installed_host(name)
    if found is None:
        return None
    script = {"airflow": _ASK_AIRFLOW, "prefect": _ASK_PREFECT}[name]
    try:
        answer = subprocess.run(  # noqa: S603 - our own script
            [sys.executable, "-c", script],
            env=dict(environ),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return HostFacts(name=name, version=found, error=f"no answer within {_TIMEOUT_S:g} s")
    marked = [line for line in answer.stdout.splitlines() if line.startswith(_MARK)]
    if answer.returncode != 0 or not marked:
        last = [line for line in answer.stderr.splitlines() if line.strip()][-1:]
        return HostFacts(name=name, version=found, error=last[0] if last else "no answer")
    return HostFacts(name=name, version=found, said=json.loads(marked[-1].removeprefix(_MARK)))
