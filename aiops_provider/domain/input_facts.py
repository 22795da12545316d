"""What a host knows of a run's input before the run starts."""

from __future__ import annotations

from collections.abc import Mapping

InputFacts = tuple[tuple[str, float | str], ...]
"""
Measures by name, in the order of their names: a size or another number, or the digest of a text.

``input_gib`` and ``input_rows`` are the size of the whole input, the others belong to an argument:
``files.length``, ``path.gib``, ``item.rows``, ``depth``.
"""

INPUT_GIB, INPUT_ROWS = "input_gib", "input_rows"
# They travel in the environment of each try, of which some clouds take 8 KiB in all.
MOST_INPUT_FACTS = 16
MOST_NAME_CHARACTERS = 60


def input_facts(measures: Mapping[str, float | str]) -> InputFacts:
    """
    Measures in their one order; the size of the whole input is kept where there are too many.

    >>> input_facts({"depth": 3.0, "input_gib": 2.0})
    (('depth', 3.0), ('input_gib', 2.0))
    """
    kept = sorted(
        (name for name in measures if len(name) <= MOST_NAME_CHARACTERS),
        key=lambda name: (name not in {INPUT_GIB, INPUT_ROWS}, name),
    )[:MOST_INPUT_FACTS]
    return tuple((name, measures[name]) for name in sorted(kept))


def said_input(facts: InputFacts) -> tuple[float | None, int | None]:
    """
    GiB and rows of the whole input, where somebody said so or which argument tells.

    >>> said_input((("input_rows", 50.0), ("part.rows", 7.0)))
    (None, 50)
    """
    known = dict(facts)
    gib, rows = known.get(INPUT_GIB), known.get(INPUT_ROWS)
    return (
        gib if isinstance(gib, float) else None,
        round(rows) if isinstance(rows, float) else None,
    )
