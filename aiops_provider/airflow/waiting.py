"""
How long tasks have waited here for room on their cluster.

A task that waits for room is no stuck one, but Airflow cannot tell: after ``task_queued_timeout`` it
takes a queued task back, fails it when that has happened too often, and the token by which a worker
may start it has expired by then. So it goes back in time, is queued anew with a fresh token, and is
placed by what the load is then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

# Half of the time that the token is good for is left to whoever takes the task.
_SHARE_OF_TIMEOUT = 0.5


class WaitingTimes:
    """
    When tasks began to wait, by Airflow's key.

    Args:
        queued_timeout_s: Airflow's ``[scheduler] task_queued_timeout``.
        choose_again_s: A task that waits is placed anew after each of these.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        *,
        queued_timeout_s: float,
        choose_again_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._longest_s = queued_timeout_s * _SHARE_OF_TIMEOUT
        self._choose_again_s = choose_again_s
        self._clock = clock
        self._since: dict[Any, float] = {}
        self._chosen_at: dict[Any, float] = {}

    def begin(self, key: Any) -> None:
        """A task was queued and placed."""
        self._since[key] = self._chosen_at[key] = self._clock()

    def forget(self, key: Any) -> None:
        """A task does not wait any more."""
        self._since.pop(key, None)
        self._chosen_at.pop(key, None)

    def choose_again(self, key: Any) -> bool:
        """Whether it is time to look where else there is room; the time counts anew from then."""
        now = self._clock()
        chosen_at = self._chosen_at.get(key)
        if chosen_at is None or now - chosen_at < self._choose_again_s:
            return False
        self._chosen_at[key] = now
        return True

    def too_long(self, keys: Collection[Any]) -> list[Any]:
        """Those to be queued anew before Airflow takes them for stuck; their time starts again."""
        now = self._clock()
        late = [k for k in keys if now - self._since.get(k, now) >= self._longest_s]
        self._since.update(dict.fromkeys(late, now))
        return late
