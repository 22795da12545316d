"""
Executors that exist in name only: what a DAG's ``executor=`` means is mapped in aiops.yaml.

Airflow refuses a DAG that names an executor which ``[core] executor`` does not list, and refuses one
that is listed twice. So each name is listed with a class of its own, and all of these classes hand
their work to the one :class:`AiopsExecutor` of the process::

    [core]
    executor = aiops_provider.airflow.AiopsExecutor,CeleryExecutor:aiops_provider.airflow.named.celery

What stands behind ``named.`` is free; the name in DAGs is what stands before the colon.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.executors.base_executor import BaseExecutor

from aiops_provider.airflow.host import open_installation
from aiops_provider.airflow.task_log import TaskLogs
from aiops_provider.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy.orm import Session

    from aiops_provider.airflow.executor import AiopsExecutor

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_started: AiopsExecutor | None = None


def started(executor: AiopsExecutor | None) -> None:
    """Note the executor of this process that does the work; ``None`` when it has ended."""
    global _started  # noqa: PLW0603 (Airflow gives executors no way to find each other)
    _started = executor


class NamedExecutor(BaseExecutor):
    """Hands everything to the started :class:`AiopsExecutor`, with the name that the DAG used."""

    is_local = True
    supports_callbacks = True
    supports_connection_test = True
    # One for all names: the API server makes an executor of each, and starts none of them.
    _task_logs: ClassVar[TaskLogs] = TaskLogs(open_installation)

    def start(self) -> None:
        """
        Nothing of its own is started.

        Raises:
            ConfigurationError: Nobody is there who could do the work.
        """
        if _started is None:
            raise ConfigurationError(
                f"names {self.alias}, but AiopsExecutor does not stand before it",
                field="[core] executor",
                mend="Begin the list with aiops_provider.airflow.AiopsExecutor.",
            )

    @property
    def alias(self) -> str:
        """The name that DAGs use."""
        name = self.name
        return (name.alias or name.module_path.rpartition(".")[2]) if name else type(self).__name__

    def queue_workload(self, workload: Any, session: Session) -> None:
        """Hand it on."""
        self._worker.queue_named(workload, session, executor=self.alias)

    def heartbeat(self) -> None:
        """The one that does the work has its own."""

    def has_task(self, task_instance: TaskInstance) -> bool:
        """Whether the one that does the work has it."""
        return bool(self._worker.has_task(task_instance))

    @property
    def slots_available(self) -> int:
        """Those of the one that does the work."""
        return int(self._worker.slots_available)

    @property
    def slots_occupied(self) -> int:
        """None of its own: what is handed on is counted there."""
        return 0

    def change_state(self, *args: Any, **kwargs: Any) -> None:
        """Hand it on: the scheduler ends a task whose worker is gone that way."""
        self._worker.change_state(*args, **kwargs)

    def revoke_task(self, *, ti: TaskInstance) -> None:
        """Hand it on."""
        self._worker.revoke_task(ti=ti)

    def try_adopt_task_instances(self, tis: Sequence[TaskInstance]) -> Sequence[TaskInstance]:
        """Hand it on."""
        return self._worker.try_adopt_task_instances(tis)

    def get_task_log(self, ti: TaskInstance, try_number: int) -> tuple[list[str], list[str]]:
        """As :meth:`AiopsExecutor.get_task_log`, for the API server asks the one that a DAG named."""
        return self._task_logs.read(ti, try_number)

    def end(self) -> None:
        """Nothing of its own is there to end."""

    def terminate(self) -> None:
        """As for `end`."""

    @property
    def _worker(self) -> AiopsExecutor:
        if _started is None:
            raise ConfigurationError(
                "is used before AiopsExecutor was started", field=f"executor {self.alias}"
            )
        return _started


def __getattr__(name: str) -> type[NamedExecutor]:
    """A class for each name: Airflow tells executors apart by the path of their class."""
    if not _IDENTIFIER.fullmatch(name):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    made = type(name, (NamedExecutor,), {"__module__": __name__, "__doc__": NamedExecutor.__doc__})
    globals()[name] = made
    return made
