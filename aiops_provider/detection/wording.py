"""Hypotheses in sentences: what speaks against one, and what would decide it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aiops_provider.detection.attributes import INFRASTRUCTURE, kind_of
from aiops_provider.detection.candidates import Candidate, Condition
from aiops_provider.domain.alarm import CauseKind


def named(cause: Mapping[str, str] | Iterable[Condition]) -> str:
    """
    A cause in words.

    >>> named({"provider": "aws", "feature": "age"})
    'provider aws and feature age'
    """
    pairs = cause.items() if isinstance(cause, Mapping) else cause
    return " and ".join(f"{name} {value}" for name, value in pairs)


def counter_evidence(candidate: Candidate) -> str:
    """What speaks against it; empty when nothing does."""
    evidence, parts = candidate.evidence, []
    healthy, elsewhere = round(evidence.healthy_with), round(evidence.alarmed_without)
    if healthy:
        total = round(evidence.alarmed_with + evidence.healthy_with)
        parts.append(f"{healthy} of {total} executions with it are healthy.")
    if elsewhere:
        parts.append(
            f"{elsewhere} alarmed {'execution lacks' if elsewhere == 1 else 'executions lack'} it."
        )
    if round(evidence.healthy_without) == 0:
        parts.append("No healthy execution without it was seen.")
    if candidate.also:
        parts.append(
            f"Cannot be told apart from {' or '.join(f'{n} {v}' for n, v in candidate.also)}: "
            "the same executions."
        )
    return " ".join(parts)


def next_check(candidate: Candidate, kind: CauseKind) -> str:
    """What would decide it."""
    told = named(candidate.conditions)
    for name, value in candidate.also:
        if kind_of([name]) is not kind:
            return (
                f"Separate the two: run something with {name} {value} that lacks {told}. "
                f"Healthy there speaks for {told}."
            )
    wider = [f"{name} {value}" for name, value in candidate.also if name in INFRASTRUCTURE]
    match kind:
        case CauseKind.CLUSTER if wider:
            return (
                f"Run a task with {wider[0]} but without {told}: alarmed there blames {wider[0]}."
            )
        case CauseKind.CLUSTER:
            return f"Run an alarmed task without {told}: healthy there confirms it."
        case CauseKind.TASK:
            return f"Look at what changed in {told}: other tasks are fine in the same places."
        case CauseKind.DATA:
            return f"Compare {told} with its source before the onset."
        case _:
            return f"Look at what {told} has that others lack."
