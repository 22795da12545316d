"""What a benchmark found: rows per peer, the limits it had to meet, as a table or as JSON."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Must:
    """
    A limit that was fixed before the measurement.

    Attributes:
        name: What is limited.
        value: What was measured; ``None`` if it could not be.
        limit: The limit, as text with its direction: ``<= 0.75``.
        met: Whether it holds.
    """

    name: str
    value: float | None
    limit: str
    met: bool


def at_most(name: str, value: float, limit: float) -> Must:
    """
    A value that must not exceed its limit.

    >>> at_most("failures", 0.01, 0.015).met
    True
    """
    return Must(name=name, value=value, limit=f"<= {limit:g}", met=value <= limit)


def at_least(name: str, value: float, limit: float) -> Must:
    """
    A value that must reach its limit.

    >>> at_least("F1", 0.5, 0.6).met
    False
    """
    return Must(name=name, value=value, limit=f">= {limit:g}", met=value >= limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """
    One run of one benchmark.

    Attributes:
        bench: ``<area>.<bench>``.
        data: What it ran on, as the user named it; never an absolute path in a committed table.
        seed: Of everything random.
        rows: One per peer (and split): ``{"peer": …, metric: …}``.
        musts: Limits and whether they were met.
        notes: What a reader must know to judge the figures.
    """

    bench: str
    data: str
    seed: int
    rows: Sequence[Mapping[str, Any]]
    musts: Sequence[Must] = ()
    notes: Sequence[str] = field(default=())

    def to_json(self) -> str:
        """As JSON; NaN and infinity become null."""
        content = {
            "bench": self.bench,
            "data": self.data,
            "seed": self.seed,
            "rows": [{key: _plain(value) for key, value in row.items()} for row in self.rows],
            "musts": [
                {"name": m.name, "value": _plain(m.value), "limit": m.limit, "met": m.met}
                for m in self.musts
            ],
            "notes": list(self.notes),
        }
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)

    def to_markdown(self) -> str:
        """As a section of a generated page: the rows, the limits, the notes, date and machine."""
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        lines = [f"## {self.bench}", ""]
        lines += _table(columns, [[row.get(column) for column in columns] for row in self.rows])
        if self.musts:
            lines += ["", "Limits fixed beforehand:", ""]
            lines += _table(
                ["limit on", "measured", "must", "met"],
                [[m.name, m.value, m.limit, "yes" if m.met else "**no**"] for m in self.musts],
            )
        lines += ["", *(f"- {note}" for note in self.notes)]
        lines += [f"- Data: {self.data}; seed {self.seed}; {_when_and_where()}.", ""]
        return "\n".join(lines)


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    return [
        "| " + " | ".join(columns) + " |",
        "|" + " --- |" * len(columns),
        *("| " + " | ".join(_cell(value) for value in row) + " |" for row in rows),
    ]


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):  # a scalar of numpy
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _when_and_where() -> str:
    import os

    day = datetime.now(tz=UTC).date().isoformat()
    return f"{day}, {os.cpu_count()} shared cores, Python {platform.python_version()}"
