"""
A scheduler as a process: it decides, starts what its slice of the pool allows, and says so.

Started by test_two_schedulers.py as ``pool_spender.py STORE_URL WITNESS_URL NAME``. It wants more than
the pool has all the time, and once the whole pool for one task. What runs is written to the table
``witness`` before it runs and after it ended, so that what stands there was true at that moment.
"""

from __future__ import annotations

import random
import sys
import time

import psycopg

from aiops_provider.control import pool_leases
from aiops_provider.control.decide import Decision, TaskRequest
from aiops_provider.control.installation import Installation
from aiops_provider.control.layer import Layer
from aiops_provider.domain.task import TaskKey, TaskRun
from aiops_provider.domain.workload import Generic
from aiops_provider.settings.schema import Settings

CORES = 8
_WAITING = 12
_LARGE_AFTER = 20


def settings() -> Settings:
    """One cluster that all schedulers share."""
    capacity = {"cores": CORES, "memory_gib": 64}
    return Settings.model_validate(
        {
            "mode": "enforce",
            "run_cycle": False,
            "routing": {"refresh_s": 0.05},
            "clusters": [{"name": "shared", "kind": "local", "capacity": capacity}],
        }
    )


class Spender:
    """Keeps tasks waiting, and starts and ends them."""

    def __init__(self, layer: Layer, witness: psycopg.Connection, name: str) -> None:
        self._layer, self._witness, self._name = layer, witness, name
        self._random = random.Random(name)  # noqa: S311 -- it must be repeatable
        self._waiting: list[Decision] = []
        self._running: dict[TaskRun, float] = {}
        self._number = self._started = 0

    def turn(self) -> None:
        """As a host's loop does again and again."""
        self._end()
        while len(self._waiting) < _WAITING:
            self._ask(self._random.choice([1, 1, 2, 3]))
        for decision in list(self._waiting):
            if self._layer.decider.ledger.admit(decision.placement.run):
                self._waiting.remove(decision)
                self._start(decision)

    def _ask(self, cores: int) -> None:
        self._number += 1
        run = TaskRun(TaskKey(self._name, f"cores{cores}"), "r", self._number)
        description = Generic(cores=cores, memory_gib=1)
        self._waiting.append(self._layer.decide(TaskRequest(run=run, description=description)))

    def _start(self, decision: Decision) -> None:
        run = decision.placement.run
        self._witness.execute(
            "INSERT INTO witness (who, number, cores, started_at) VALUES (%s, %s, %s, clock_timestamp())",
            (self._name, run.map_index, decision.grant.cores),
        )
        self._running[run] = time.monotonic() + self._random.uniform(0.02, 0.15)
        self._started += 1
        if self._started == _LARGE_AFTER:
            self._ask(CORES)

    def _end(self) -> None:
        for run in [run for run, until in self._running.items() if time.monotonic() >= until]:
            self._witness.execute(
                "UPDATE witness SET ended_at = clock_timestamp() WHERE who = %s AND number = %s",
                (self._name, run.map_index),
            )
            del self._running[run]
            self._layer.decider.ledger.release(run)


def main(store_url: str, witness_url: str, name: str) -> None:
    """Until it is ended."""
    # As on another host: nobody can see there whether this process lives. And not to wait for long.
    pool_leases._process_room = lambda: name
    pool_leases._LEAST_TTL_S = 2.0
    layer = Layer(Installation.open(settings(), default_store_url=store_url), ingest_url=None)
    layer.start()
    with psycopg.connect(witness_url, autocommit=True) as witness:
        spender = Spender(layer, witness, name)
        while True:
            spender.turn()
            time.sleep(0.005)


if __name__ == "__main__":
    main(*sys.argv[1:])
