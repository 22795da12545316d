"""Sizes of local files, without ever waiting long for a file system."""

from __future__ import annotations

import logging
import os
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

log = logging.getLogger(__name__)

_BELIEVED_S = 60.0
_MOST_FILES = 10_000
# A folder is as large as the files in it, of which no more than these are looked at.
_MOST_IN_FOLDER = 1_000
_SHARE_S, _PERIOD_S = 0.05, 1.0
_SCHEME = "file://"


class FileSizes:
    """
    Looks at files in a thread of its own; what it cannot tell soon is known for the next question.

    One at a time: a file system that hangs (NFS, a FUSE mount) holds up that thread alone, and as long as
    it does, nothing else is looked at and nobody waits.

    Args:
        look: Bytes of a file; ``None`` if there is none.
        patience_s: So much of each second may be waited in all.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        look: Callable[[str], int | None] | None = None,
        *,
        patience_s: float = _SHARE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look or size_on_disk
        self._patience_s = patience_s
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, int | None]] = OrderedDict()
        self._coming: _Look | None = None
        self._period_began, self._spent_s = clock(), 0.0

    def __call__(self, paths: Iterable[str]) -> Mapping[str, int]:
        """
        Bytes of files, as far as they are known by now.

        Args:
            paths: As :func:`local_path` takes them.
        """
        self._take_in()
        now = self._clock()
        asked = list(paths)
        unknown = [path for path in asked if not self._is_fresh(path, now)]
        if unknown and self._coming is None:
            self._coming = _Look(self._look, unknown)
            self._wait(now)
            self._take_in()
        found = {path: self._known[path][1] for path in asked if path in self._known}
        return {path: size for path, size in found.items() if size is not None}

    def _is_fresh(self, path: str, now: float) -> bool:
        known = self._known.get(path)
        return known is not None and now - known[0] < _BELIEVED_S

    def _wait(self, now: float) -> None:
        if now - self._period_began >= _PERIOD_S:
            self._period_began, self._spent_s = now, 0.0
        left = self._patience_s - self._spent_s
        if left > 0 and self._coming is not None:
            self._coming.over.wait(left)
            self._spent_s += self._clock() - now

    def _take_in(self) -> None:
        if self._coming is None or not self._coming.over.is_set():
            return
        now = self._clock()
        for path, size in self._coming.sizes.items():
            self._known.pop(path, None)
            self._known[path] = now, size
        self._coming = None
        while len(self._known) > _MOST_FILES:
            self._known.popitem(last=False)


class _Look:
    """A look at some files; its thread holds up no process that ends."""

    def __init__(self, look: Callable[[str], int | None], paths: Sequence[str]) -> None:
        self.sizes: dict[str, int | None] = {}
        self.over = threading.Event()
        self._look, self._paths = look, paths
        threading.Thread(target=self._run, name="aiops file sizes", daemon=True).start()

    def _run(self) -> None:
        for path in self._paths:
            try:
                self.sizes[path] = self._look(path)
            except Exception as error:  # noqa: BLE001 - of whichever file system
                # Not for this process to read: the task, elsewhere or as another user, may.
                log.debug("The size of a file is unknown: %s", type(error).__name__)
                self.sizes[path] = None
        self.over.set()


def local_path(text: str) -> str | None:
    """
    The path of a local file that a text is, by its looks; ``None`` if it is none.

    >>> local_path("file:///data/a.csv"), local_path("s3://bucket/a.csv"), local_path("{{ ds }}")
    ('/data/a.csv', None, None)
    """
    path = text.removeprefix(_SCHEME)
    usual = path.startswith("/") and len(path) > 1 and "\0" not in path and "{{" not in path
    return path if usual and "\n" not in path else None


def size_on_disk(text: str) -> int | None:
    """
    Bytes of a file, or of the files in a folder; ``None`` of anything else.

    Raises:
        OSError: It cannot be looked at.
    """
    path = local_path(text)
    if path is None:
        return None
    about = Path(path).stat()
    if stat.S_ISREG(about.st_mode):
        return about.st_size
    if not stat.S_ISDIR(about.st_mode):
        return None
    size = 0
    with os.scandir(path) as entries:
        for number, entry in enumerate(entries):
            if number >= _MOST_IN_FOLDER:
                return None
            if entry.is_file():
                size += entry.stat().st_size
    return size
