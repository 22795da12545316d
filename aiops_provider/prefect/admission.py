"""
Flow runs wait here until their cluster has room.

A flow that waits for flows it started itself holds room that those may need: with every cluster
full of such parents nothing would ever end. So the first in line starts over capacity when for a
while nothing has ended anywhere.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from aiops_provider.control.decide import Decision
from aiops_provider.control.load import LoadLedger
from aiops_provider.domain.task import TaskRun

log = logging.getLogger(__name__)

_LOOK_S = 1.0


class Admission:
    """
    The queue of one worker; used from its event loop only.

    Args:
        ledger: Who holds what.
        patience_s: Start the first in line over capacity when nothing has ended for this long.
    """

    def __init__(self, ledger: LoadLedger, *, patience_s: float) -> None:
        self._ledger = ledger
        self._patience_s = patience_s
        self._changed = asyncio.Event()
        self._waiting: dict[TaskRun, None] = {}
        self._moved_at = 0.0

    def moved(self) -> None:
        """Something ended or was placed elsewhere: there may be room."""
        self._moved_at = asyncio.get_running_loop().time()
        self._changed.set()
        self._changed = asyncio.Event()

    async def admit(self, decision: Decision, *, still_good: Callable[[], bool]) -> bool:
        """
        Wait for room.

        Args:
            decision: Where the run is to go.
            still_good: Looked at while waiting.

        Returns:
            True: it counts as running now. False: it is to be placed anew.
        """
        run = decision.placement.run
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._waiting[run] = None
        try:
            while still_good():
                if self._ledger.admit(run) or self._overcommit(decision, loop.time() - began):
                    return True
                await self._change()
        finally:
            del self._waiting[run]
        return False

    async def _change(self) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), _LOOK_S)
        except TimeoutError:
            return

    def _overcommit(self, decision: Decision, waited_s: float) -> bool:
        run = decision.placement.run
        idle_s = asyncio.get_running_loop().time() - self._moved_at
        first = next(iter(self._waiting)) == run
        if not first or min(waited_s, idle_s) < self._patience_s:
            return False
        log.warning(
            "%s starts on %s over capacity: nothing has ended for %.0f s",
            run,
            decision.cluster.name,
            idle_s,
        )
        self._ledger.book(
            run,
            cluster=decision.cluster.name,
            pool=decision.placement.route.pool,
            grant=decision.grant,
            limited=False,
        )
        self.moved()
        return self._ledger.admit(run)
