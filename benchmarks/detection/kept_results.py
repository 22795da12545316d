"""Results of a long benchmark on disk, so that it can be ended and go on: one JSON file a set and peer."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType

from benchmarks.detection.labelled_series import LabelledSeries


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """
    What one detector made of one series.

    Attributes:
        vus: VUS-PR; ``None`` if it was stopped.
        cpu_s: CPU seconds that it took, or was stopped after.
        samples: Length of the series.
    """

    vus: float | None
    cpu_s: float
    samples: int


class KeptResults:
    """
    Results by set, peer and series.

    A result counts as long as the series, the seed and the source of the detector are as they were.

    Args:
        folder: Where the files are, made if need be; ``None``: nothing is kept beyond this object.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._found: dict[tuple[str, str], dict[str, Kept]] = {}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def get(self, data: str, peer: str, fingerprint: str) -> Kept | None:
        """The result of that fingerprint, if there is one."""
        return self._of(data, peer).get(fingerprint)

    def put(self, data: str, peer: str, fingerprint: str, kept: Kept) -> None:
        """Keep a result; whoever is killed meanwhile leaves the earlier file whole."""
        found = self._of(data, peer)
        found[fingerprint] = kept
        if self._folder is None:
            return
        file = self._file(data, peer)
        draft = file.with_suffix(f".{os.getpid()}.draft")
        content = {key: asdict(one) for key, one in sorted(found.items())}
        draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
        draft.replace(file)

    def _of(self, data: str, peer: str) -> dict[str, Kept]:
        if (data, peer) not in self._found:
            self._found[data, peer] = self._read(data, peer)
        return self._found[data, peer]

    def _read(self, data: str, peer: str) -> dict[str, Kept]:
        if self._folder is None or not self._file(data, peer).exists():
            return {}
        content: Mapping[str, dict[str, float]] = json.loads(
            self._file(data, peer).read_text(encoding="utf-8")
        )
        return {key: Kept(**one) for key, one in content.items()}  # type: ignore[arg-type]

    def _file(self, data: str, peer: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{data}-{re.sub(r'[^a-z0-9]+', '-', peer.lower()).strip('-')}.json"


def source_digest(modules: Iterable[ModuleType]) -> str:
    """Of the source of these modules."""
    digest = hashlib.sha256()
    for module in modules:
        digest.update(inspect.getsource(module).encode())
    return digest.hexdigest()


def fingerprint_of(series: LabelledSeries, seed: int, source: str) -> str:
    """
    Name of a result: the series by name and content, the seed, the source of the detector.

    Args:
        series: What was scored.
        seed: Of the detector.
        source: Digest of the code that scored it.
    """
    digest = hashlib.sha256(source.encode())
    digest.update(f"{seed} {series.windows}".encode())
    digest.update(series.times.tobytes())
    digest.update(series.values.tobytes())
    return f"{series.name} {digest.hexdigest()[:16]}"
