"""What a plan should know about clusters beside their machines: how often they can be used, how far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from aiops_provider.catalog.catalog import Catalog
from aiops_provider.domain.cluster import Availability, ClusterSpec
from aiops_provider.domain.profile import WorkloadProfile


def clusters_with_facts(
    clusters: Sequence[ClusterSpec],
    profiles: Iterable[WorkloadProfile],
    catalog: Catalog,
    measured: Mapping[str, Availability],
) -> tuple[ClusterSpec, ...]:
    """
    The clusters with their availability and the round trips to the users of these workloads.

    Args:
        clusters: As configured; an availability that was said there wins.
        profiles: Whose users count.
        catalog: Knows the round trips; what it does not know is left out.
        measured: Availability by name of the cluster, where probes have measured it.
    """
    users = sorted({region for profile in profiles for region in profile.user_regions})
    return tuple(
        replace(
            cluster,
            availability=cluster.availability or measured.get(cluster.name),
            round_trip_ms={
                region: way
                for region in users
                if (way := least_round_trip_ms(region, cluster.region, catalog)) is not None
            },
        )
        for cluster in clusters
    )


def least_round_trip_ms(one: str, other: str, catalog: Catalog) -> float | None:
    """
    The shortest measured round trip between two regions of any providers; ``None`` is unknown.

    Args:
        one: A provider's name of a region.
        other: Another; of the same region there is no round trip to speak of.
        catalog: Knows the round trips.
    """
    if one == other:
        return 0.0
    places = catalog.round_trip_regions()
    found = [
        catalog.round_trip_ms(start, one, end, other)
        for start, region in places
        if region == one
        for end, another in places
        if another == other
    ]
    return min((each for each in found if each is not None), default=None)
