"""
Conditions of expert rules, in Google's Common Expression Language.

CEL has no loops but its list macros; those are refused here, so that every condition ends within
microseconds, whoever wrote it. It cannot reach anything that it was not given.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

log = logging.getLogger(__name__)

MAXIMUM_CHARACTERS = 1_000

_MACROS = re.compile(r"\.\s*(map|filter|all|exists|exists_one)\s*\(")
_TEXT = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'")


class ExpressionError(ValueError):
    """A condition cannot be used; the message says why, for whoever wrote it."""


class Expression:
    """
    A compiled condition.

    Args:
        source: CEL, such as ``kpi == "row_count" && change < -0.5``.
        example: A value of the right type for each name that it may use.

    Raises:
        ExpressionError: It does not parse, need not end, uses an unknown name, mixes types or is
            neither true nor false.

    >>> condition = Expression('kpi in ["rows"] && value < 10.0', {"kpi": "", "value": 0.0})
    >>> condition.holds({"kpi": "rows", "value": 3.0})
    True
    """

    def __init__(self, source: str, example: Mapping[str, Any]) -> None:
        import cel

        if len(source) > MAXIMUM_CHARACTERS:
            raise ExpressionError(f"is longer than {MAXIMUM_CHARACTERS} characters")
        macro = _MACROS.search(_TEXT.sub('""', source))
        if macro:
            raise ExpressionError(f"uses {macro.group(1)}(), which need not end")
        try:
            self._program = cel.compile(source)
        except ValueError as error:
            raise ExpressionError(f"does not parse: {_first_line(error)}") from error
        self.source = source
        self.uses = frozenset(self._program.variables())
        unknown = sorted(self.uses - set(example))
        if unknown:
            raise ExpressionError(
                f"uses the unknown name {unknown[0]!r}; known are {', '.join(sorted(example))}"
            )
        self._try(example)

    def _try(self, example: Mapping[str, Any]) -> None:
        try:
            answer = self._program.execute(dict(example))
        except KeyError:
            return  # an attribute that only some samples have
        except (TypeError, ValueError, RuntimeError, OverflowError) as error:
            raise ExpressionError(f"cannot be evaluated: {_first_line(error)}") from error
        if not isinstance(answer, bool):
            raise ExpressionError(f"is neither true nor false but {answer!r}")

    def holds(self, values: Mapping[str, Any]) -> bool:
        """
        Whether it is true for these values.

        A condition that cannot be evaluated for a sample (``attributes.team`` where a sample has no
        such attribute) does not hold for it: rules of one team must not stop the watch of another.
        """
        try:
            return self._program.execute(dict(values)) is True
        except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
            log.debug("condition %r does not apply: %s", self.source, error)
            return False


def _first_line(error: Exception) -> str:
    """The reason inside the parser's message, which spans several lines."""
    text = str(error)
    found = re.search(r"<input>:\d+:(\d+): (?:Syntax error: )?([^\n]+)", text)
    if found:
        return f"character {found.group(1)}: {found.group(2)[:200]}"
    return text.splitlines()[0][:200]
