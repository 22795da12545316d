"""
Possible causes: single values, and conjunctions that a shallow decision tree finds.

Values that the same observations have cannot be told apart; they are one candidate with several
names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from aiops_provider.detection.attributes import NEVER_AT_FAULT, preference
from aiops_provider.detection.contingency import Contingency, Mask, Observations

# Of a label with a million values only the most frequent alarmed ones can be the cause of much.
_VALUES_PER_ATTRIBUTE = 50
_TREE_DEPTH = 3
# A single value this good leaves nothing to a conjunction.
_GOOD_ENOUGH = 0.95
# A conjunction must explain this much more than each of its parts, or the parts are told.
_WORTH_A_CONDITION = 0.05

Condition = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """
    A possible cause.

    Attributes:
        conditions: Attribute and value, one or several.
        mask: The observations that meet them.
        evidence: How well they tell alarmed from healthy.
        also: Other values that the very same observations have.
    """

    conditions: tuple[Condition, ...]
    mask: Mask
    evidence: Contingency
    also: tuple[Condition, ...] = ()


def preload() -> None:
    """
    Load the tree's library now.

    That takes seconds on a busy machine, which must not lie between an incident and its answer.
    """
    import sklearn.tree  # noqa: F401


def find_candidates(observations: Observations) -> list[Candidate]:
    """Candidates that explain anything at all, in no order."""
    singles = _singles(observations)
    best = max((one.evidence.power for one in singles), default=0.0)
    found = singles if best >= _GOOD_ENOUGH else [*singles, *_conjunctions(observations, singles)]
    return [one for one in found if one.evidence.power > 0.0]


def _singles(observations: Observations) -> list[Candidate]:
    alarmed = [
        row for row, on in zip(observations.attributes, observations.alarmed, strict=True) if on
    ]
    counts: dict[str, Counter[str]] = {}
    for row in alarmed:
        for name, value in row.items():
            if name not in NEVER_AT_FAULT:
                counts.setdefault(name, Counter())[value] += 1
    by_mask: dict[bytes, Candidate] = {}
    # The most telling name comes first and gives the candidate its name.
    for name in sorted(counts, key=lambda name: (preference(name), name)):
        for value, _ in counts[name].most_common(_VALUES_PER_ATTRIBUTE):
            mask = observations.having(name, value)
            key = mask.tobytes()
            known = by_mask.get(key)
            if known is not None:
                by_mask[key] = replace(known, also=(*known.also, (name, value)))
                continue
            by_mask[key] = Candidate(
                conditions=((name, value),), mask=mask, evidence=observations.measure(mask)
            )
    return list(by_mask.values())


def _conjunctions(observations: Observations, singles: Sequence[Candidate]) -> Iterator[Candidate]:
    """Conjunctions of values that one branch of a decision tree asks for."""
    if len(singles) < 2 or observations.alarmed.all():
        return
    from sklearn.tree import DecisionTreeClassifier

    table = np.column_stack([one.mask for one in singles]).astype(np.float32)
    tree = DecisionTreeClassifier(
        max_depth=_TREE_DEPTH, class_weight="balanced", min_samples_leaf=2, random_state=0
    )
    tree.fit(table, observations.alarmed)
    seen: set[frozenset[int]] = set()
    for branch in _branches(tree.tree_):
        for size in range(2, len(branch) + 1):
            for chosen in combinations(branch, size):
                if frozenset(chosen) not in seen:
                    seen.add(frozenset(chosen))
                    found = _conjunction(observations, [singles[index] for index in chosen])
                    if found is not None:
                        yield found


def _branches(tree: object) -> Iterator[tuple[int, ...]]:
    """For each leaf, the values that it asks for; values that it excludes explain nothing."""
    left, right = tree.children_left, tree.children_right  # type: ignore[attr-defined]
    feature = tree.feature  # type: ignore[attr-defined]
    waiting: list[tuple[int, tuple[int, ...]]] = [(0, ())]
    while waiting:
        node, asked = waiting.pop()
        if left[node] == right[node]:  # a leaf
            yield asked
            continue
        waiting.append((left[node], asked))
        waiting.append((right[node], (*asked, int(feature[node]))))


def _conjunction(observations: Observations, parts: Sequence[Candidate]) -> Candidate | None:
    names = [name for part in parts for name, _ in part.conditions]
    mask = np.logical_and.reduce([part.mask for part in parts])
    if len(set(names)) < len(names) or not (mask & observations.alarmed).any():
        return None
    evidence = observations.measure(mask)
    if evidence.power < max(part.evidence.power for part in parts) + _WORTH_A_CONDITION:
        return None
    conditions = sorted((c for part in parts for c in part.conditions), key=_order)
    return Candidate(conditions=tuple(conditions), mask=mask, evidence=evidence)


def _order(condition: Condition) -> tuple[int, str]:
    return preference(condition[0]), condition[0]
