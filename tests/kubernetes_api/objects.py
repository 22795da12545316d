"""Objects with versions, and what happened to them: the part of the stand-in that etcd plays."""

import copy
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

Key = tuple[str, str, str]
Matches = Callable[[dict], bool]
_HISTORY = 5000


@dataclass(frozen=True)
class Change:
    version: int
    resource: str
    namespace: str
    before: dict | None
    after: dict | None


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Objects:
    """All objects of one cluster; every access is under one lock, every change wakes the watchers."""

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self._items: dict[Key, dict] = {}
        self._history: deque[Change] = deque(maxlen=_HISTORY)
        self.version = 1

    def get(self, key: Key) -> dict | None:
        with self.changed:
            return copy.deepcopy(self._items.get(key))

    def find(self, resource: str, namespace: str, matches: Matches) -> list[dict]:
        with self.changed:
            found = [
                item
                for (kind, place, _), item in self._items.items()
                if kind == resource and namespace in {"", place} and matches(item)
            ]
            return copy.deepcopy(found)

    def create(self, key: Key, item: dict) -> dict | None:
        """The object as stored; None if there is one of that name."""
        with self.changed:
            if key in self._items:
                return None
            item = copy.deepcopy(item)
            item["metadata"] |= {"uid": str(uuid4()), "creationTimestamp": now()}
            return self._stored(key, None, item)

    def update(self, key: Key, change: Callable[[dict], None]) -> dict | None:
        with self.changed:
            before = self._items.get(key)
            if before is None:
                return None
            after = copy.deepcopy(before)
            change(after)
            return copy.deepcopy(before) if after == before else self._stored(key, before, after)

    def remove(self, key: Key) -> dict | None:
        with self.changed:
            before = self._items.pop(key, None)
            if before is not None:
                self.version += 1
                last = copy.deepcopy(before)
                last["metadata"]["resourceVersion"] = str(self.version)
                self._history.append(Change(self.version, key[0], key[1], last, None))
                self.changed.notify_all()
            return before

    def compact(self) -> None:
        """Forget what happened: whoever goes on from an old version is told that it is gone."""
        with self.changed:
            self._history.clear()

    def watch(
        self, resource: str, namespace: str, matches: Matches, version: str, timeout_s: float
    ) -> Iterator[dict]:
        """Events as the API has them; with version 0 or none, first what there is."""
        deadline = time.monotonic() + timeout_s
        with self.changed:
            if version in {"", "0"}:
                position = self.version
                first = [
                    {"type": "ADDED", "object": item}
                    for item in self.find(resource, namespace, matches)
                ]
            else:
                position, first = int(version), []
                oldest = self._history[0].version if self._history else self.version + 1
                if position < oldest - 1 and position < self.version:
                    first = [{"type": "ERROR", "object": gone(position, oldest)}]
                    deadline = 0
        yield from first
        while time.monotonic() < deadline:
            with self.changed:
                new = [change for change in self._history if change.version > position]
                if not new:
                    self.changed.wait(min(1.0, max(0.0, deadline - time.monotonic())))
                    continue
                position = new[-1].version
            for change in new:
                if change.resource == resource and namespace in {"", change.namespace}:
                    event = seen(change, matches)
                    if event is not None:
                        yield event

    def _stored(self, key: Key, before: dict | None, after: dict) -> dict:
        self.version += 1
        after["metadata"]["resourceVersion"] = str(self.version)
        self._items[key] = after
        self._history.append(Change(self.version, key[0], key[1], before, copy.deepcopy(after)))
        self.changed.notify_all()
        return copy.deepcopy(after)


def seen(change: Change, matches: Matches) -> dict | None:
    """A change as somebody sees it who selects: what no longer matches is deleted for them."""
    before = change.before is not None and matches(change.before)
    if change.after is None:
        return {"type": "DELETED", "object": change.before} if before else None
    after = matches(change.after)
    if before and after:
        return {"type": "MODIFIED", "object": change.after}
    if after:
        return {"type": "ADDED", "object": change.after}
    if not before:
        return None
    last = copy.deepcopy(change.before)
    last["metadata"]["resourceVersion"] = change.after["metadata"]["resourceVersion"]
    return {"type": "DELETED", "object": last}


def gone(version: int, oldest: int) -> dict:
    message = f"too old resource version: {version} ({oldest})"
    return {
        "kind": "Status",
        "status": "Failure",
        "code": 410,
        "reason": "Expired",
        "message": message,
    }
