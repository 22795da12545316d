"""Which of a task's runs a plan can count on: those on inputs that some machine can hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from aiops_provider.domain.cluster import ClusterSpec
from aiops_provider.domain.profile import InputShare, WorkloadProfile


def placeable(
    profiles: Iterable[WorkloadProfile], clusters: Sequence[ClusterSpec]
) -> list[WorkloadProfile]:
    """
    Profiles without the classes of input that no cluster can hold.

    Else one of them would cost all other runs of its task their place. The others count as much more;
    where none can be held the profile stays as it is.

    Args:
        profiles: One per task.
        clusters: Also those that are away just now.
    """
    return [_placeable(profile, clusters) for profile in profiles]


def too_large(profile: WorkloadProfile, clusters: Sequence[ClusterSpec]) -> list[InputShare]:
    """Classes of a task's input that no cluster can hold, if it can hold others."""
    shares = profile.by_input.shares if profile.by_input is not None else ()
    found = [
        each
        for each in shares
        if not any(cluster.feasible_pools(each.request) for cluster in clusters)
    ]
    return found if len(found) < len(shares) else []


def _placeable(profile: WorkloadProfile, clusters: Sequence[ClusterSpec]) -> WorkloadProfile:
    out = too_large(profile, clusters)
    if profile.by_input is None or not out:
        return profile
    left = [each for each in profile.by_input.shares if each not in out]
    before = math.fsum(each.share for each in profile.by_input.shares)
    factor = before / math.fsum(each.share for each in left)
    shares = tuple(replace(each, share=each.share * factor) for each in left)
    return replace(profile, by_input=replace(profile.by_input, shares=shares))
