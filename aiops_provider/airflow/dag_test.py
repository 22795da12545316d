"""
Tasks that run in the process of ``dag.test()`` or ``airflow tasks test``, without an executor.

They are told what the executor would have decided, and run here. See
:mod:`aiops_provider.control.rehearse` for what is remembered of them: nothing but KPIs, apart.
"""

from __future__ import annotations

import logging
import os
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiops_provider.airflow.teams import Teams
    from aiops_provider.control.decision import TaskRequest
    from aiops_provider.control.rehearse import RehearsalStage

log = logging.getLogger(__name__)

_IDENTITY = ("dag_id", "task_id", "run_id", "map_index", "try_number")


def runs_in_process() -> bool:
    """Whether the task that runs has no process of its own: Airflow's own test runs do that."""
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    supervisor = sys.modules.get("airflow.sdk.execution_time.supervisor")
    comms = getattr(runner, "SUPERVISOR_COMMS", None)
    return supervisor is not None and isinstance(comms, supervisor.InProcessSupervisorComms)


class InProcessRuns:
    """
    Explains and accompanies the tasks of this process; one runs at a time.

    Attributes:
        running: Whether one runs now.
    """

    def __init__(self) -> None:
        self._stage: RehearsalStage | None = None
        self._teams: Teams | None = None
        self._explained: set[tuple[str, str, str]] = set()
        self._before: dict[str, str | None] = {}
        self.running = False

    def begin(self, task_instance: Any) -> None:
        """
        Log where the task would run, once per task of a run, and let it report as a test; never raises.

        Args:
            task_instance: As Airflow hands it to listeners.
        """
        self.end()
        self.running = True
        try:
            rehearsal = self._opened().rehearse(self._request(task_instance))
        except Exception:
            # The task is somebody's test of something else.
            log.exception("Where %s would run cannot be told", task_instance.task_id)
            return
        about = (task_instance.dag_id, task_instance.run_id, task_instance.task_id)
        if about not in self._explained:
            self._explained.add(about)
            log.info("%s", rehearsal.sentence)
        self._enter(rehearsal.environment)

    def end(self) -> None:
        """Take back what :meth:`begin` has set, for the next task."""
        self.running = False
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._before = {}

    def _enter(self, environment: Mapping[str, str]) -> None:
        self._before = {name: os.environ.get(name) for name in environment}
        os.environ.update(environment)

    def _opened(self) -> RehearsalStage:
        if self._stage is None:
            # Every worker loads this module, and hardly any is a test run.
            from aiops_provider.airflow.host import ingest_url, open_installation
            from aiops_provider.airflow.teams import Teams
            from aiops_provider.control.rehearse import RehearsalStage

            installation = open_installation()
            self._stage = RehearsalStage(installation, ingest_url=ingest_url(installation))
            self._teams = Teams(installation.settings)
        return self._stage

    def _request(self, task_instance: Any) -> TaskRequest:
        from aiops_provider.airflow.dag_facts import known_operator
        from aiops_provider.airflow.task_arguments import given_arguments
        from aiops_provider.airflow.task_request import (
            asked_executor,
            description_of,
            named_queue,
            task_run,
        )
        from aiops_provider.control.argument_facts import facts_of, with_input
        from aiops_provider.control.cluster_limits import cluster_limits
        from aiops_provider.control.decision import TaskRequest
        from aiops_provider.control.file_sizes import FileSizes
        from aiops_provider.domain.workload import with_operator

        task, stage = task_instance.task, self._opened()
        assert self._teams is not None  # noqa: S101 - opened together
        ti = SimpleNamespace(
            **{name: getattr(task_instance, name) for name in _IDENTITY},
            executor_config=task.executor_config,
        )
        team = self._teams.of(ti.dag_id, None)
        known = known_operator(task)
        description = with_operator(description_of(ti), known)
        inputs = facts_of(given_arguments(task), description, file_sizes=FileSizes())
        return TaskRequest(
            run=task_run(ti),
            description=with_input(description, inputs),
            known=known,
            inputs=inputs,
            team=team,
            limits=cluster_limits(
                stage.installation.settings,
                team=team,
                queue=named_queue(task.queue),
                executor=asked_executor(task),
            ),
        )


RUNS = InProcessRuns()
