"""
The configuration of the demo's Airflow, by environment: each figure with its reason.

Airflow's defaults are made for a server that is always there. Here it has two cores, lives for
minutes and somebody is watching.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aiops_provider.cli.demo.processes import free_port

USER = "demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class AirflowConfig:
    """
    An Airflow of its own: home, ports and secrets, all temporary.

    Attributes:
        home: Everything it writes lies here.
        dags: Folder with the DAGs.
        executor: Class path of the executor.
        port: Of the API server, on loopback.
        password: Of the only user.
        jwt_secret: Signs the tokens of users and tasks.
        database: URL of the metadata database; ``None``: SQLite in *home*.
    """

    home: Path
    dags: Path
    executor: str
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(12), repr=False)
    jwt_secret: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)
    database: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where people and workers reach it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def database_url(self) -> str:
        """The metadata database."""
        return self.database or f"sqlite:///{self.home / 'airflow.db'}"

    @property
    def passwords_file(self) -> Path:
        """Where the simple auth manager reads the password."""
        return self.home / "passwords.json"

    def write_password(self) -> None:
        """Give the user the password before Airflow would make one up and print it to a log."""
        self.passwords_file.touch(mode=0o600)
        self.passwords_file.write_text(json.dumps({USER: self.password}), encoding="utf-8")

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """
        The whole environment of Airflow's processes.

        Args:
            inherited: The demo's own; settings of another Airflow in it are left out.
        """
        kept = {
            key: value
            for key, value in inherited.items()
            if not key.startswith(("AIRFLOW_", "AIRFLOW__", "_AIRFLOW", "AIOPS_"))
        }
        own = {f"AIRFLOW__{key}": value for key, value in {**self._place(), **_pace()}.items()}
        return {**kept, "AIRFLOW_HOME": str(self.home), "PYTHONUNBUFFERED": "1", **own}

    def _place(self) -> dict[str, str]:
        return {
            "CORE__EXECUTOR": self.executor,
            "CORE__DAGS_FOLDER": str(self.dags),
            "CORE__LOAD_EXAMPLES": "False",
            "DATABASE__SQL_ALCHEMY_CONN": self.database_url,
            # psycopg serves both; for SQLite Airflow finds the asynchronous driver by itself.
            **({"DATABASE__SQL_ALCHEMY_CONN_ASYNC": self.database} if self.database else {}),
            "API__HOST": "127.0.0.1",
            "API__PORT": str(self.port),
            "API__BASE_URL": self.url,
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            # One user with one generated password; "all admins" would open it to every local user.
            "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.passwords_file),
            "API_AUTH__JWT_SECRET": self.jwt_secret,
            "API__SECRET_KEY": secrets.token_urlsafe(32),
            "LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
            # The scheduler serves logs for LocalExecutor on a fixed port that may be taken.
            "LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            # The same folder for all components is given by AIRFLOW_HOME; nothing lands elsewhere.
            "DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(self.home / "bundles"),
        }


def _pace() -> dict[str, str]:
    return {
        # A finished task is noticed within 0.2 s instead of 1 s: every act is a chain of tasks.
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        # All 25 mapped tasks of a run are looked at in one query instead of two.
        "SCHEDULER__MAX_TIS_PER_QUERY": "32",
        # All 25 mapped tasks are given to the executor at once; what the clusters can hold is the
        # limit, and they hold less than this.
        "CORE__PARALLELISM": "32",
        "CORE__MAX_ACTIVE_TASKS_PER_DAG": "32",
        # Nobody is there to switch each DAG on; the acts start every run themselves.
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        # A second API process would cost 300 MiB and 10 s of a core at the start.
        "API__WORKERS": "1",
        # Each parsing process imports Airflow anew; there are three small files.
        "DAG_PROCESSOR__PARSING_PROCESSES": "1",
        # The files do not change: after the first parse the two cores belong to the tasks.
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "600",
        "DAG_PROCESSOR__PRINT_STATS_INTERVAL": "0",
        # A task under load may be slow to answer; five minutes of silence is stock, a minute is
        # enough to notice within the demo.
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        # A supervisor may notice only after this long that its task has ended (stock: 5 s), and its
        # cluster's room is taken until then. One heartbeat a second per task is affordable here.
        "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        # With two cores and 25 tasks an answer of the API server can take longer than 5 s.
        "WORKERS__EXECUTION_API_TIMEOUT": "30",
        # INFO of every heartbeat of every task is megabytes of disk that nobody reads.
        "LOGGING__LOGGING_LEVEL": "WARNING",
        "LOGGING__UVICORN_LOGGING_LEVEL": "WARNING",
        "LOGGING__COLORED_CONSOLE_LOG": "False",
    }
