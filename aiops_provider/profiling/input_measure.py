"""Which of the things that are known of an input before a run tells what the run will need."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aiops_provider.domain.execution import ExecutionRecord
from aiops_provider.domain.input_facts import INPUT_GIB, INPUT_ROWS
from aiops_provider.profiling.input_size import SizeEffect, size_effect
from aiops_provider.profiling.quantiles import DEFAULT_LOG_SCALE, SMALLEST

# How many runs the usual run-to-run variation is worth before any was seen, as for quantiles.
_DEFAULT_RUNS = 2.0
# Chance that runs are told apart by what says nothing about them.
_LEVEL = 0.05
# Kinds of input are told apart where each has been seen about twice.
_RUNS_PER_KIND = 2


@dataclass(frozen=True, slots=True)
class Split:
    """
    A measure by which runs are told apart.

    Attributes:
        measure: Its name.
        effect: The line through the sizes; ``None``: each class of them stands for itself.
    """

    measure: str
    effect: SizeEffect | None = None


def measured(record: ExecutionRecord, measure: str) -> float | str | None:
    """What was known of the run's input by that name; ``None``: nothing."""
    return next((value for name, value in record.inputs if name == measure), None)


def choose_measure(
    readings: Sequence[tuple[ExecutionRecord, float]], *, idle: float
) -> Split | None:
    """
    The measure that tells most about a figure.

    Each measure offers a model of the logarithms: a line through its sizes (Theil–Sen), or a level of
    its own for each class of size (powers of two) or kind. The models are judged by the F-test of the
    analysis of variance, with the run-to-run variation drawn towards the usual one as if that had been
    seen in two runs more, so that two runs are enough where they differ by factors; with many measures
    to choose from, more is asked of each (Bonferroni).

    Args:
        readings: Runs that ended well with the figure, > 0, oldest first.
        idle: Part of the figure that no input needs, in its unit.

    Returns:
        ``None`` where nothing tells the runs apart.
    """
    names = {name for record, _ in readings for name, _ in record.inputs}
    offers = {name: points for name in names if len(set(points := _values(readings, name))) > 1}
    best: tuple[_Chance, Split] | None = None
    for name in sorted(offers, key=lambda name: (name not in {INPUT_GIB, INPUT_ROWS}, name)):
        for chance, split in _models(name, readings, idle):
            likely = chance.of_nothing * len(offers) > _LEVEL
            if not likely and (best is None or chance < best[0]):
                best = chance, split
    return best[1] if best else None


def _values(readings: Sequence[tuple[ExecutionRecord, float]], name: str) -> list[float | str]:
    values = (measured(record, name) for record, _ in readings)
    return [value for value in values if value is not None]


def _models(
    name: str, readings: Sequence[tuple[ExecutionRecord, float]], idle: float
) -> list[tuple[_Chance, Split]]:
    known = [
        (value, figure)
        for record, figure in readings
        if (value := measured(record, name)) is not None
    ]
    logs = [math.log(max(figure, SMALLEST)) for _, figure in known]
    sizes = [(value, figure) for value, figure in known if isinstance(value, float) and value > 0]
    models = []
    if len(sizes) == len(known):
        effect = size_effect(sizes, constant_if_unknown=idle)
        if effect is not None and effect.proven:
            fitted = [
                math.log(max(effect.constant + effect.slope * size, SMALLEST)) for size, _ in sizes
            ]
            models.append((_chance(logs, fitted, 1), Split(name, effect)))
    members: dict[float | str, list[float]] = {}
    for (value, _), log in zip(known, logs, strict=True):
        members.setdefault(input_class(value), []).append(log)
    often = len(known) >= _RUNS_PER_KIND * len(members)
    if len(members) > 1 and (often or not any(isinstance(value, str) for value in members)):
        means = {group: math.fsum(each) / len(each) for group, each in members.items()}
        fitted = [means[input_class(value)] for value, _ in known]
        models.append((_chance(logs, fitted, len(members) - 1), Split(name)))
    return models


def input_class(value: float | str) -> float | str:
    """
    Sizes within a factor of two belong together, those not above 0, and each text with its like.

    >>> input_class(50.0) == input_class(33.0), input_class(1.0) == input_class(2.0)
    (True, False)
    """
    if isinstance(value, str):
        return value
    return float(math.floor(math.log2(value))) if value > 0 else -math.inf


class _Chance(NamedTuple):
    """How likely a model does as well by chance; what it leaves open decides where that is nothing."""

    of_nothing: float
    left: float


def _chance(logs: Sequence[float], fitted: Sequence[float], parameters: int) -> _Chance:
    from scipy.special import fdtrc

    usual = _DEFAULT_RUNS * DEFAULT_LOG_SCALE**2
    level = math.fsum(logs) / len(logs)
    before = math.fsum((log - level) ** 2 for log in logs) + usual
    after = math.fsum((log - fit) ** 2 for log, fit in zip(logs, fitted, strict=True)) + usual
    freedom = len(logs) - 1 - parameters + _DEFAULT_RUNS
    ratio = max(0.0, before - after) / parameters / (after / freedom)
    return _Chance(float(fdtrc(parameters, freedom, ratio)), after)
