"""
A quarantine ends when the cluster has shown that it works, not because time has passed.

Shortly before its end each cluster must be reachable by its probe and, where Airflow has the check's DAG, end one
check task: a circuit that is half open, with exactly one task let through. What fails stays away longer
each time, up to a bound. When nobody looks any more – the cycle is down – a quarantine ends with its time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.util import find_spec
from typing import TYPE_CHECKING

from aiops_provider.control.cluster_check import try_cluster
from aiops_provider.control.out_of_use import MOST_RESPONSES, clusters_out_of_use
from aiops_provider.domain.alarm import Response, ResponseAction
from aiops_provider.domain.cluster import HealthState
from aiops_provider.errors import AiopsError

if TYPE_CHECKING:
    from aiops_provider.control.installation import Installation

log = logging.getLogger(__name__)

# A check task gets so long, and so long before the end of a quarantine its clusters are tried.
_TASK_S = 120.0
_LEAD = timedelta(minutes=5)
# What has not been answered by then counts as failed.
_LAST_ROUNDS = 3
# Each renewal lasts twice as long as the one before, up to so many times the usual length.
_LONGEST = 8
# Each is a process with Airflow in it.
_AT_ONCE = 2

_TOLD = " Probed before its end: "

Try = Callable[[str, datetime], str]
"""Runs one task on a cluster; what failed in one sentence, or nothing."""

_Key = tuple[str, datetime, str]


class QuarantineProbes:
    """
    Tries quarantined clusters before they are used again.

    Args:
        installation: With a store.
        try_one: Runs the task; by default the task of ``aiops clusters check``, where there is one.
    """

    def __init__(self, installation: Installation, try_one: Try | None = None) -> None:
        self._installation, self._store = installation, installation.require_store()
        self._try_one = try_one or _by_check_task
        self._slots = threading.Semaphore(_AT_ONCE)
        # Per quarantine, end and cluster: what failed, or None while the task runs.
        self._said: dict[_Key, str | None] = {}

    def step(self, now: datetime) -> None:
        """
        Start what is due, and renew what has failed; waits for no task.

        Raises:
            StoreError: The store does not answer.
        """
        active = [
            one
            for one in self._store.responses(active_at=now, limit=MOST_RESPONSES)
            if one.action is ResponseAction.QUARANTINE
        ]
        ends = {(one.id, one.expires_at) for one in active}
        self._said = {key: said for key, said in self._said.items() if key[:2] in ends}
        for one in active:
            if one.expires_at - now <= min(_LEAD, (one.expires_at - one.starts_at) / 2):
                self._decide(one, now)

    def _decide(self, response: Response, now: datetime) -> None:
        configured = {spec.name for spec in self._installation.clusters}
        health = self._store.health()
        said: dict[str, str | None] = {}
        for name in response.clusters:
            if name not in configured:
                continue  # it is gone, and nothing can be tried
            probed = health.get(name)
            if probed is not None and probed.state is HealthState.UNREACHABLE:
                said[name] = probed.detail or "it does not answer"
            else:
                said[name] = self._answer(response, name, now)
        rounds = timedelta(seconds=_LAST_ROUNDS * self._installation.settings.cycle_period_s)
        late = response.expires_at - now <= rounds
        if None in said.values() and not late:
            return
        failed = {
            name: "its task has not ended in time" if why is None else why
            for name, why in said.items()
            if why != ""
        }
        if failed:
            self._renew(response, failed, now)

    def _answer(self, response: Response, name: str, now: datetime) -> str | None:
        key = (response.id, response.expires_at, name)
        if key not in self._said:
            self._said[key] = None
            threading.Thread(
                target=self._run, args=(key, now), name=f"probe of {name}", daemon=True
            ).start()
        return self._said[key]

    def _run(self, key: _Key, now: datetime) -> None:
        with self._slots:
            try:
                answer = self._try_one(key[2], now)
            except Exception as error:
                # A thread's error would be lost, and the cluster be taken for fit.
                log.exception("The probe of %s failed", key[2])
                answer = f"its probe failed ({type(error).__name__})"
        self._said[key] = answer

    def _renew(self, response: Response, failed: Mapping[str, str], now: datetime) -> None:
        told = "; ".join(f"{name}: {why}" for name, why in sorted(failed.items()))
        if not self._others(response, failed, now):
            log.warning(
                "%s ends although %s, for no other cluster would be left", response.id, told
            )
            return
        usual = timedelta(seconds=self._installation.settings.detection.quarantine_s)
        lasts = usual * min(2**response.renewals, _LONGEST)
        times = response.renewals + 1
        self._store.save_response(
            replace(
                response,
                clusters=tuple(name for name in response.clusters if name in failed),
                expires_at=response.expires_at + lasts,
                renewals=times,
                reason=f"{response.reason.partition(_TOLD)[0]}{_TOLD}{told}; renewed "
                f"{'once' if times == 1 else f'{times} times'}, now for {lasts}.",
            )
        )
        log.warning("%s is renewed for %s: %s", response.id, lasts, told)

    def _others(
        self, response: Response, failed: Mapping[str, str], now: datetime
    ) -> Sequence[str]:
        """Clusters that could be used if the failed ones stayed away."""
        out = clusters_out_of_use(self._store, now, but=response.id).reasons
        return [
            spec.name
            for spec in self._installation.clusters
            if spec.name not in failed and spec.name not in out
        ]


def _by_check_task(name: str, now: datetime) -> str:
    """The check's task, where Airflow and the check's DAG are; elsewhere the health probe decides alone."""
    if find_spec("airflow") is None:
        return ""
    try:
        return try_cluster(name, now, timeout_s=_TASK_S).problem
    except AiopsError as error:
        log.info("No check task can be run on %s, its health decides alone: %s", name, error)
        return ""
