"""What is written in a transaction of Airflow's own, together and just before its commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import event

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

T = TypeVar("T")


class BeforeCommit(Generic[T]):
    """
    Collects items per session and hands them over when the session is about to commit.

    The scheduler queues tasks one by one in one transaction. A row each would be a savepoint and three
    round trips each; together they are one insert, which still stands or falls with that transaction.

    Args:
        write: Called with the session and everything collected in it; must not raise, for it would
            undo the host's transaction.
    """

    def __init__(self, write: Callable[[Session, Sequence[T]], None]) -> None:
        self._write = write
        # Airflow hands out the same session again and again; it is listened to once.
        self._collected: WeakKeyDictionary[Session, list[T]] = WeakKeyDictionary()

    def add(self, session: Session, item: T) -> None:
        """
        Collect one item.

        Args:
            session: Whose commit it waits for; a rollback drops it.
            item: What to write.
        """
        if session not in self._collected:
            self._collected[session] = []
            event.listen(session, "before_commit", self._hand_over)
            event.listen(session, "after_rollback", self._drop)
        self._collected[session].append(item)

    def _hand_over(self, session: Session) -> None:
        items = self._collected.get(session)
        if items:
            self._collected[session] = []
            self._write(session, items)

    def _drop(self, session: Session) -> None:
        if session in self._collected:
            self._collected[session] = []
