"""Answers of the planning benchmark in a file, so that a long run can be made in pieces."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from benchmarks.placement.plan_cases import PlanCase
from benchmarks.placement.plan_peers import Answer


class KeptAnswers:
    """
    Answers by name.

    Args:
        file: Where they are kept; ``None``: nowhere beyond this object.
    """

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._found: dict[str, Answer] = {}
        if file is not None and file.exists():
            content = json.loads(file.read_text(encoding="utf-8"))
            self._found = {name: Answer(**one) for name, one in content.items()}

    def get(self, name: str) -> Answer | None:
        """The answer of that name, if there is one."""
        return self._found.get(name)

    def put(self, name: str, answer: Answer) -> None:
        """Keep an answer; whoever is killed meanwhile leaves the earlier file whole."""
        self._found[name] = answer
        if self._file is None:
            return
        draft = self._file.with_suffix(f".{os.getpid()}.draft")
        content = {key: asdict(one) for key, one in sorted(self._found.items())}
        draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
        draft.replace(self._file)


def name_of(peer: str, goal: str, case: PlanCase, limit_s: float, source: str) -> str:
    """
    Of an answer: whose, for what, in how long, by which code.

    Args:
        peer: Its name.
        goal: Its objective.
        case: The problem; its sizes, budget and demand tell it from others.
        limit_s: What the peer may take.
        source: Digest of the code.
    """
    demand = math.fsum(math.fsum(group.cores_by_slot) for group in case.groups)
    told = f"{case.budget_usd_per_hour!r} {demand!r} {source}"
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    return f"{len(case.groups)}x{len(case.clusters)} {goal}, {peer}, {limit_s:.0f} s, {digest}"


def digest_of(files: Iterable[Path]) -> str:
    """Of the content of these files."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()
