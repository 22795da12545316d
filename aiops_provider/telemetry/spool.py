"""
Parcels that could not be delivered, on disk until some worker of this machine can deliver them.

One file per parcel: a line that says what it is, then a line per item. A parcel appears under its
name all at once, so that readers never see half of it. The token of a try may only report for that
try, so it has to lie with the parcel: files are readable by their owner only, in a folder of the
owner only, and a folder that is not so is not used. Such a token can do nothing but report.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import logging
import os
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

_MAX_BYTES = 16 << 20
_MAX_REJECTED_BYTES = 1 << 20
_MAX_AGE_S = 7 * 24 * 3600.0
_SUFFIX = ".jsonl"
_serial = itertools.count()

BODIES = {"kpis": "samples", "executions": "records"}
"""What the API calls the list of items in the body, by kind of parcel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """
    Items of one kind for one server.

    Attributes:
        kind: Last part of the API's path: ``kpis`` or ``executions``.
        url: Base address of the server.
        token: Whose token may deliver it.
        items: What to deliver, as JSON.
    """

    kind: str
    url: str
    token: str = field(repr=False)
    items: tuple[dict[str, Any], ...]


class Spool:
    """
    A bounded folder of parcels that any number of processes share.

    Args:
        folder: Made when it is needed.
        max_bytes: Above this the oldest parcels are dropped.
        max_age_s: Older parcels are dropped: their tokens have expired.
    """

    def __init__(
        self, folder: Path, *, max_bytes: int = _MAX_BYTES, max_age_s: float = _MAX_AGE_S
    ) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s

    def put(self, parcel: Parcel) -> None:
        """
        Keep a parcel.

        Raises:
            OSError: The disk is full, or the folder cannot be used.
        """
        header = {"kind": parcel.kind, "url": parcel.url, "token": parcel.token}
        name = f"{time.time_ns():020d}-{os.getpid()}-{next(_serial)}{_SUFFIX}"
        self._make(self.folder)
        _write(self.folder / name, [header, *parcel.items])
        self._drop_surplus()

    def waiting(self, url: str) -> Iterator[tuple[Path, Parcel]]:
        """Parcels for this server, oldest first; hold the lock meanwhile."""
        for path in self._paths():
            parcel = self._read(path)
            if parcel is not None and parcel.url == url:
                yield path, parcel

    def remove(self, path: Path) -> None:
        """Forget a parcel that was delivered or rejected."""
        path.unlink(missing_ok=True)

    def reject(self, items: Sequence[dict[str, Any]]) -> Path:
        """
        Keep items that the server refused, for people to look at; the oldest make room.

        Returns:
            The file, in which every line is an item.

        Raises:
            OSError: As above.
        """
        folder = self.folder / "rejected"
        self._make(self.folder)
        self._make(folder)
        path = folder / f"{time.time_ns():020d}-{os.getpid()}-{next(_serial)}{_SUFFIX}"
        _write(path, items)
        _drop_oldest(sorted(folder.glob(f"*{_SUFFIX}")), _MAX_REJECTED_BYTES)
        return path

    @contextlib.contextmanager
    def lock(self) -> Iterator[bool]:
        """Whether this process may deliver parcels now; another one that does so is not waited for."""
        if not _is_own_folder(self.folder):
            yield False
            return
        descriptor = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                try:
                    yield True
                finally:
                    # Closing would not do: a process that the task has forked meanwhile holds a
                    # copy of the descriptor, and with that the lock.
                    fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            os.close(descriptor)

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{_SUFFIX}")) if self.folder.is_dir() else []

    def _read(self, path: Path) -> Parcel | None:
        try:
            if time.time() - path.stat().st_mtime > self._max_age_s:
                log.warning("Reports that could not be sent for a week are dropped: %s", path)
                self.remove(path)
                return None
            return _parcel(path.read_text("utf-8"))
        except FileNotFoundError:
            return None  # dropped by another process to make room
        except (ValueError, TypeError):
            log.warning("A file in the spool is damaged and dropped: %s", path)
            self.remove(path)
            return None

    def _drop_surplus(self) -> None:
        dropped = _drop_oldest(self._paths(), self._max_bytes)
        if dropped:
            log.warning(
                "The spool %s is full (%d bytes): the oldest %d parcels of reports are dropped",
                self.folder,
                self._max_bytes,
                dropped,
            )

    def _make(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_own_folder(folder):
            raise PermissionError(f"the spool {folder} is not a folder of our own")
        folder.chmod(0o700)


def _is_own_folder(folder: Path) -> bool:
    """In a folder of somebody else, or behind a link, anybody could lay parcels under our name."""
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _parcel(text: str) -> Parcel:
    header, *items = (json.loads(line) for line in text.splitlines())
    parcel = Parcel(**header, items=tuple(items))
    if parcel.kind not in BODIES:
        raise ValueError(f"no such kind of parcel: {parcel.kind!r}")
    return parcel


def _write(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    part = path.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(f"{json.dumps(line, allow_nan=False)}\n" for line in lines)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _drop_oldest(paths: Sequence[Path], limit_bytes: int) -> int:
    sizes = []
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # delivered in this moment
            sizes.append((path, path.stat().st_size))
    surplus = sum(size for _, size in sizes) - limit_bytes
    dropped = 0
    for path, size in sizes[:-1]:  # the newest always stays
        if surplus <= 0:
            break
        path.unlink(missing_ok=True)
        surplus -= size
        dropped += 1
    return dropped
