"""Redis and a Celery worker of the benchmark's own, beside an Airflow on loopback."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiops_provider.cli.demo.airflow_stage import AirflowStage

_AIOPS_CONFIG = Path(__file__).with_name("aiops_celery.yaml")
_QUEUE = "default"


class CeleryWorkers:
    """
    A broker and a worker; both executors send to the same queue of it.

    Args:
        concurrency: Tasks that the worker runs at a time.

    Raises:
        RuntimeError: There is no redis-server on the path.
    """

    def __init__(self, concurrency: int) -> None:
        from aiops_provider.cli.demo.processes import free_port

        found = shutil.which("redis-server")
        if found is None:
            raise RuntimeError(
                "redis-server is not on the path: install Redis, or leave out celery"
            )
        self._redis, self._port, self._concurrency = found, free_port(), concurrency

    @property
    def variables(self) -> dict[str, str]:
        """The environment of every process of Airflow."""
        return {
            "AIOPS_CONFIG": str(_AIOPS_CONFIG),
            "AIRFLOW__CELERY__BROKER_URL": f"redis://127.0.0.1:{self._port}/0",
        }

    def start(self, stage: AirflowStage) -> None:
        """Start both; they end with the stage, whose database must be there."""
        redis = ["--port", str(self._port), "--bind", "127.0.0.1", "--save", ""]
        stage.start_beside("redis", [self._redis, *redis, "--dir", str(stage.home)])
        worker = ["--queues", _QUEUE, "--concurrency", str(self._concurrency), "--skip-serve-logs"]
        stage.start_beside("worker", [sys.executable, "-m", "airflow", "celery", "worker", *worker])
