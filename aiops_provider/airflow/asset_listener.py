"""
KPIs in the extras of asset events: the way that needs neither a token nor a server of ours.

A task writes ``outlet_events[asset].extra = {"aiops": {"row_count": 5}}``; Airflow carries it to the API
server with the task's success, where this listener hands it to the store – in a thread of its own,
because the request that brought it must not wait for us, nor for the lock that it may itself hold.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Mapping
from typing import Any

from airflow.listeners import hookimpl

from aiops_provider.airflow import dag_test
from aiops_provider.airflow.description import EXECUTOR_CONFIG_KEY
from aiops_provider.telemetry.context import TEST_RUN

log = logging.getLogger(__name__)

_MOST_WAITING = 1000
_waiting: queue.Queue[Any] = queue.Queue(_MOST_WAITING)
_starting = threading.Lock()
_thread: threading.Thread | None = None


@hookimpl
def on_asset_event_emitted(asset_event: Any) -> None:
    """Take the KPIs of an event; returns at once."""
    if not isinstance((asset_event.extra or {}).get(EXECUTOR_CONFIG_KEY), Mapping):
        return
    try:
        # Here, for the test run may be over when the thread comes to it.
        _waiting.put_nowait((asset_event, TEST_RUN if dag_test.RUNS.running else ""))
    except queue.Full:
        log.warning("%d asset events wait already: the KPIs of one are dropped", _MOST_WAITING)
    _start()


def _start() -> None:
    global _thread  # noqa: PLW0603 (Airflow calls plain functions)
    with _starting:
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_work, name="aiops-asset-kpis", daemon=True)
            _thread.start()


def _work() -> None:
    from aiops_provider.airflow.host import open_installation

    installation = None
    while True:
        event, run_kind = _waiting.get()
        try:
            if installation is None:
                installation = open_installation()
            _take_in(installation, event, run_kind)
        except Exception:
            # The next event may be a good one, and the store may answer again by then.
            log.exception("The KPIs of an asset event are dropped")
        finally:
            _waiting.task_done()


def _take_in(installation: Any, event: Any, run_kind: str) -> None:
    from aiops_provider.control.asset_kpis import AssetKpis, accept_asset_kpis
    from aiops_provider.domain.task import TaskKey
    from aiops_provider.domain.units import utc_now

    map_index = event.source_map_index
    accept_asset_kpis(
        installation,
        AssetKpis(
            asset=event.asset.name,
            task=TaskKey(event.source_dag_id, event.source_task_id)
            if event.source_dag_id and event.source_task_id
            else None,
            run_id=event.source_run_id or "",
            map_index=-1 if map_index is None else map_index,
            values=event.extra[EXECUTOR_CONFIG_KEY],
            run_kind=run_kind,
        ),
        utc_now(),
    )
