"""
Which tasks are alike: one index over names, operator, kind, input volume, requested size and machine.

It knows features only; what the tasks needed is kept elsewhere (``similar_tasks``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from aiops_provider.domain.task import TaskKey
from aiops_provider.domain.workload import Generic, TaskDescription, input_size

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
# Tasks compared in full for one answer, those that share the rarest words first: enough for a
# median of neighbours, and a few milliseconds at most.
_MOST_CANDIDATES = 200
# What a factor of e in size costs in likeness, and what another operator, kind or machine does.
# Names tell most: the same program under one name needs about the same everywhere.
_REQUEST_STEP, _INPUT_STEP = 0.3, 0.15
_OTHER_OPERATOR, _OTHER_KIND, _OTHER_MACHINE = 0.5, 0.3, 0.1
# People put like work into one pool, and give what is heavy more of its slots.
_OTHER_POOL, _SLOTS_STEP = 0.1, 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """
    What is known of a task before it runs.

    Attributes:
        words: Of its name.
        namespace: DAG or flow.
        kind: Of its description; empty if it has none.
        operator: Operator class; empty if unknown.
        requested_gib: Memory that people ask for.
        input_gib: Size of its input.
        machine: Cluster or node type that it ran on last; empty if unknown.
        pool: Of the host; empty if its author named none.
        pool_slots: How many slots of its pool it takes.
    """

    words: frozenset[str]
    namespace: str
    kind: str = ""
    operator: str = ""
    requested_gib: float | None = None
    input_gib: float | None = None
    machine: str = ""
    pool: str = ""
    pool_slots: float = 1.0

    @property
    def handles(self) -> tuple[str, ...]:
        """What the index finds it by."""
        operator = (f"operator {self.operator}",) if self.operator else ()
        return (*self.words, f"namespace {self.namespace}", *operator)


@lru_cache(maxsize=10_000)
def words_of(name: str) -> frozenset[str]:
    """
    The words of a task's name, however it joins them.

    >>> sorted(words_of("BAM_SORT:sortReads2"))
    ['2', 'bam', 'reads', 'sort']
    """
    return frozenset(word.lower() for word in _WORD.findall(name))


def features_of(
    task: TaskKey,
    description: TaskDescription | None,
    *,
    operator: str | None = None,
    machine: str = "",
) -> Features:
    """
    The features of a task.

    Args:
        task: Its name.
        description: What is said about it.
        operator: Operator class as seen when it ran, where the description does not tell.
        machine: Where it ran.
    """
    gib, _ = input_size(description)
    parameters = description.parameters if isinstance(description, Generic) else {}
    pool, slots = parameters.get("pool"), parameters.get("pool_slots")
    return Features(
        words=words_of(task.name),
        namespace=task.namespace,
        kind=description.kind if description else "",
        operator=getattr(description, "operator", None) or operator or "",
        requested_gib=description.requested_memory_gib if description else None,
        input_gib=gib or None,
        machine=machine,
        pool=pool if isinstance(pool, str) else "",
        pool_slots=float(slots) if isinstance(slots, int) and slots > 0 else 1.0,
    )


class SimilarityIndex:
    """Features of many tasks, found by the words that they share."""

    def __init__(self) -> None:
        self._features: dict[TaskKey, Features] = {}
        self._holders: dict[str, dict[TaskKey, None]] = {}
        # Squared weights of words, for as long as the tasks are the same.
        self._weights: dict[str, float] = {}

    def put(self, task: TaskKey, features: Features) -> None:
        """Add a task, or replace what was known about it."""
        known = self._features.get(task)
        if known == features:
            return
        if known is not None:
            self.drop(task)
        self._features[task] = features
        self._weights.clear()
        for handle in features.handles:
            self._holders.setdefault(handle, {})[task] = None

    def drop(self, task: TaskKey) -> None:
        """Forget a task."""
        self._weights.clear()
        for handle in self._features.pop(task).handles:
            holders = self._holders[handle]
            del holders[task]
            if not holders:
                del self._holders[handle]

    def get(self, task: TaskKey) -> Features | None:
        """What is known about a task."""
        return self._features.get(task)

    def candidates(self, features: Features) -> list[TaskKey]:
        """At most 200 tasks that share a word, the operator or the namespace, rarest first."""
        found: dict[TaskKey, None] = {}
        for holders in sorted((self._holders.get(h, {}) for h in features.handles), key=len):
            for task in reversed(holders):
                if len(found) >= _MOST_CANDIDATES:
                    return list(found)
                found[task] = None
        return list(found)

    def name_likeness(self, one: Features, other: Features) -> float:
        """
        Share of the information in two names that they have in common, in [0, 1].

        The cosine of word vectors weighted by rarity, ``ln(1 + N / n)`` (Spärck Jones 1972), so that
        what all names of an installation share counts little.
        """
        common = self._information(one.words & other.words)
        if not common:
            return 0.0
        both = self._information(one.words) * self._information(other.words)
        return common / math.sqrt(both)

    def likeness(self, one: Features, other: Features) -> float:
        """
        How much of what one task needed is to be expected of another, in [0, 1].

        ``name_likeness * exp(-distance)``; a feature unknown of either adds no distance.
        """
        distance = _REQUEST_STEP * _log_distance(one.requested_gib, other.requested_gib)
        distance += _INPUT_STEP * _log_distance(one.input_gib, other.input_gib)
        distance += _OTHER_OPERATOR * _differ(one.operator, other.operator)
        distance += _OTHER_KIND * _differ(one.kind, other.kind)
        distance += _OTHER_MACHINE * _differ(one.machine, other.machine)
        distance += _OTHER_POOL * _differ(one.pool, other.pool)
        distance += _SLOTS_STEP * _log_distance(one.pool_slots, other.pool_slots)
        return self.name_likeness(one, other) * math.exp(-distance)

    def _information(self, words: Iterable[str]) -> float:
        return math.fsum(self._weights.get(word) or self._weigh(word) for word in words)

    def _weigh(self, word: str) -> float:
        holders = max(1, len(self._holders.get(word, ())))
        weight = math.log1p(len(self._features) / holders) ** 2
        self._weights[word] = weight
        return weight


def _log_distance(one: float | None, other: float | None) -> float:
    return abs(math.log(one / other)) if one and other else 0.0


def _differ(one: str, other: str) -> bool:
    return bool(one and other and one != other)
