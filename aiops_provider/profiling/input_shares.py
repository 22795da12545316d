"""How often a task runs on inputs of each class, for plans, which count all of its runs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.profile import ByInput, InputClass, InputShare
from aiops_provider.profiling.input_lookup import need_at
from aiops_provider.profiling.input_measure import input_class, measured

# A profile travels with every decision; the runs of rarer classes count by the need of any input.
_MOST_CLASSES = 8


def input_shares(by: ByInput, runs: Sequence[ExecutionRecord]) -> tuple[InputShare, ...]:
    """
    The classes of input among past runs, the smallest first.

    Args:
        by: How the need depends on the input.
        runs: Tries of which something was known before, oldest first. A run that was tried several
            times counts once.

    Returns:
        At most eight, the most frequent ones, of inputs whose need is known.
    """
    last = {(each.run.run_id, each.run.map_index): each for each in runs}
    members: dict[float | str, list[float | str]] = {}
    for record in last.values():
        value = measured(record, by.measure)
        if value is not None:
            members.setdefault(input_class(value), []).append(value)
    often = sorted(members.items(), key=lambda each: -len(each[1]))[:_MOST_CLASSES]
    found = []
    for group, values in sorted(often, key=lambda each: (isinstance(each[0], str), each[0])):
        needs = _of_class(by, group, values)
        if needs is not None:
            at, largest, mean = needs
            found.append(
                InputShare(
                    at=at,
                    share=len(values) / len(last),
                    duration_s=mean.duration_s,
                    cores=mean.request.cores,
                    memory_gib=mean.request.memory_gib,
                    request=largest.request,
                )
            )
    return tuple(found)


def _of_class(
    by: ByInput, group: float | str, values: Sequence[float | str]
) -> tuple[float | str, InputClass, InputClass] | None:
    """Its largest size, what that needs, and what its mean size does."""
    sizes = [value for value in values if isinstance(value, float)]
    at = max(sizes) if sizes else group
    largest = need_at(by, at)
    if largest is None:
        return None
    # Only on a line does the size within a class say anything.
    mean = need_at(by, math.fsum(sizes) / len(sizes)) if by.linear and sizes else largest
    return at, largest, mean or largest
