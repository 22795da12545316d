"""Which team a DAG belongs to: Airflow's own, where it has teams, else that of aiops.yaml."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

from aiops_provider.control.cluster_limits import team_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from aiops_provider.settings.schema import Settings

log = logging.getLogger(__name__)

# As long as a DAG's bundle may have been given to another team without us noticing.
_BELIEVED_S = 60.0


class Teams:
    """
    Teams by DAG; Airflow is asked once a minute for each DAG that has tasks to run.

    Args:
        settings: With ``teams``.
        clock: Seconds that never go back.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        from airflow.configuration import conf

        self._settings = settings
        self._clock = clock
        self._of_airflow = conf.getboolean("core", "multi_team", fallback=False)
        self._known: dict[str, tuple[float, str | None]] = {}

    def of(self, dag_id: str, session: Session | None) -> str | None:
        """
        The team of a DAG; never raises.

        While Airflow's cannot be read the one that was known holds, else the one of aiops.yaml.

        Args:
            dag_id: Which.
            session: The scheduler's own, where it handed us one.
        """
        if not self._of_airflow:
            return team_of(self._settings, dag_id)
        asked_at, team = self._known.get(dag_id) or (-inf, team_of(self._settings, dag_id))
        if self._clock() - asked_at < _BELIEVED_S:
            return team
        try:
            team = _team_of_airflow(dag_id, session)
        except Exception:
            # An error of whichever database must not end the scheduler; tasks are placed all the same.
            log.warning("Airflow's team of %s cannot be read", dag_id, exc_info=True)
        self._known[dag_id] = (self._clock(), team)
        return team


def _team_of_airflow(dag_id: str, session: Session | None) -> str | None:
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    if session is None:
        with create_session() as own:
            return _team_of_airflow(dag_id, own)
    # In a savepoint, since on PostgreSQL an error would end the scheduler's own transaction; of the
    # connection, and nothing of the session is flushed into it, for that must not be undone with it.
    with session.no_autoflush, session.connection().begin_nested():
        team: str | None = DagModel.get_team_name(dag_id, session=session)
        return team
