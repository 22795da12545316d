"""Which team a DAG belongs to: Airflow's own, where it has teams, else that of aiops.yaml."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiops_provider.control.cluster_limits import team_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from aiops_provider.settings.schema import Settings

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
        The team of a DAG.

        Args:
            dag_id: Which.
            session: The scheduler's own, where it handed us one.
        """
        if not self._of_airflow:
            return team_of(self._settings, dag_id)
        asked_at, team = self._known.get(dag_id, (-_BELIEVED_S, None))
        if self._clock() - asked_at < _BELIEVED_S:
            return team
        team = _team_of_airflow(dag_id, session)
        self._known[dag_id] = (self._clock(), team)
        return team


def _team_of_airflow(dag_id: str, session: Session | None) -> str | None:
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    if session is not None:
        team: str | None = DagModel.get_team_name(dag_id, session=session)
        return team
    with create_session() as own:
        return _team_of_airflow(dag_id, own)
