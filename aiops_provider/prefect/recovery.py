"""
What a worker that was killed leaves behind: flow runs that Prefect believes to be running.

Local pools die with their worker, and every process in them. So whatever was with a worker of this
machine that does not live any more can be scheduled again; a worker that starts does that for those
that came before it.
"""

from __future__ import annotations

import functools
import logging
import os
import socket
from typing import TYPE_CHECKING

import psutil
from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
from prefect.client.schemas.objects import StateType
from prefect.exceptions import Abort
from prefect.states import AwaitingRetry, Cancelled, Crashed

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun, State

log = logging.getLogger(__name__)

_UNFINISHED = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)


@functools.cache
def worker_mark() -> str:
    """Names this process in the identifiers of what dies with it: host, process id, start time."""
    return f"{socket.gethostname()}:{os.getpid()}:{psutil.Process().create_time():.0f}"


def died_with_its_worker(identifier: str) -> bool:
    """Whether whoever wrote that identifier was a worker of this machine that is gone."""
    _, at, mark = identifier.rpartition("@")
    host, _, rest = mark.partition(":")
    if not at or host != socket.gethostname():
        return False
    try:
        pid, began = (int(part) for part in rest.split(":"))
        return round(psutil.Process(pid).create_time()) != began
    except ValueError:
        return False
    except psutil.NoSuchProcess:
        return True


async def recover(client: PrefectClient, *, work_pool: str, max_fail_overs: int) -> int:
    """
    Schedule again what died with an earlier worker of this machine.

    Args:
        client: Talks to the server.
        work_pool: Whose flow runs are looked at.
        max_fail_overs: What was started more often than this crashes instead.

    Returns:
        How many flow runs were dealt with.
    """
    wanted = {"state": {"type": {"any_": list(_UNFINISHED)}}}
    found = await client.read_flow_runs(
        flow_run_filter=FlowRunFilter.model_validate(wanted),
        work_pool_filter=WorkPoolFilter.model_validate({"name": {"any_": [work_pool]}}),
    )
    left = [one for one in found if died_with_its_worker(one.infrastructure_pid or "")]
    return sum([await _deal_with(client, one, max_fail_overs) for one in left])


async def _deal_with(client: PrefectClient, flow_run: FlowRun, max_fail_overs: int) -> bool:
    from prefect.utilities.engine import propose_state

    state: State = AwaitingRetry(message="Its worker is gone, and its process with it.")
    if flow_run.state is not None and flow_run.state.type is StateType.CANCELLING:
        state = Cancelled(message="Its worker is gone, and its process with it.")
    elif flow_run.run_count > max_fail_overs:
        state = Crashed(message=f"Its worker is gone; given up after {flow_run.run_count} tries.")
    try:
        reached = await propose_state(client, state, flow_run_id=flow_run.id)
    except Abort:
        return False  # it has moved on meanwhile
    log.warning("Flow run %s was left behind by a worker: %s", flow_run.name, reached.name)
    return True
