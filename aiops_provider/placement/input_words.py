"""How a plan has counted tasks whose runs differ by their inputs, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.profile import ByInput, InputShare, WorkloadProfile
from aiops_provider.placement.placeable import too_large

_MOST_TASKS = 5


def counted_by_input(
    profiles: Iterable[WorkloadProfile], clusters: Sequence[ClusterSpec]
) -> tuple[str, ...]:
    """
    A sentence for each task that is counted by classes of input, those first whose requests differ most.

    Args:
        profiles: Of a plan.
        clusters: All of them.

    Returns:
        At most five, and how many tasks more there are.
    """
    told = [
        (_factor(profile.by_input), profile, profile.by_input)
        for profile in profiles
        if profile.by_input is not None and profile.by_input.shares
    ]
    told.sort(key=lambda each: (-each[0], each[1].task))
    sentences = [
        f"{profile.task} is counted by its inputs, {by.measure}: "
        f"{_classes(by, too_large(profile, clusters))}."
        for _, profile, by in told[:_MOST_TASKS]
    ]
    more = len(told) - _MOST_TASKS
    if more > 0:
        sentences.append(f"{more} more task{'s are' if more > 1 else ' is'} counted by inputs.")
    return tuple(sentences)


def _factor(by: ByInput) -> float:
    asked = [each.request.memory_gib for each in by.shares]
    return max(asked) / min(asked)


def _classes(by: ByInput, out: Collection[InputShare]) -> str:
    found = [_class(each) + (", which no pool has" if each in out else "") for each in by.shares]
    rest = 1.0 - sum(each.share for each in by.shares)
    if round(rest, 3) > 0:
        found.append(f"{rest:.1%} of them, of other inputs, for what any run does")
    return "; ".join(found)


def _class(each: InputShare) -> str:
    what = f"kind {each.at}" if isinstance(each.at, str) else f"up to {each.at:.6g}"
    request = each.request
    return (
        f"{each.share:.1%} of the runs, {what}, ask for up to {request.memory_gib:g} GiB "
        f"and {request.cores:g} cores"
    )
